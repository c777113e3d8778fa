"""The demonstration with a real harness: lm-eval, offline, its evaluations dropped as files."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest


@pytest.mark.harness
@pytest.mark.timeout(300)
def test_the_demonstration_evaluates_with_lm_eval(tmp_path):
    if importlib.util.find_spec("lm_eval") is None:
        if os.environ.get("SPOOLQ_REQUIRE_HARNESS"):
            pytest.fail("lm-eval is not installed, and this run must have it")
        pytest.skip("lm-eval is not installed (pip install 'spoolq[demo]')")
    # Given the demonstration, as a user starts it
    argv = [sys.executable, "-m", "spoolq", "demo", "--json", "--dir", str(tmp_path / "demo")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=280)
    # Then it ended well, with the harness's own scores in the records
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    scores = {(row["task"], row["metric"]): row["value"] for row in seen["results"]}
    assert 0 <= scores["spoolq_choice", "acc"] <= 1
    assert 0 <= scores["spoolq_answer", "exact_match"] <= 1
    outcomes = sorted(job["outcome"] for job in seen["jobs"])
    assert outcomes == ["exit", "invalid", "succeeded", "succeeded", "succeeded"]
    # And the harness's files are where the record says
    job = next(job for job in seen["jobs"] if job["recipe"] == "lm-eval")
    for part in job["result"].values():
        assert json.loads((tmp_path / "demo" / "spool" / part["results"]).read_text())["results"]
        assert len((tmp_path / "demo" / "spool" / part["samples"][0]).read_text().splitlines()) == 40
