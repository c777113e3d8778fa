"""Arbitrary bytes, documents and names: a job, or one of the errors that there are; never anything else."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spoolq import requests
from spoolq.admit import Admission
from spoolq.create import create
from spoolq.documents import MAX_BYTES
from spoolq.files import read_regular
from spoolq.find import find
from spoolq.jobs import describe
from spoolq.models import JobInfo
from spoolq.names import new_uuid
from spoolq.settings import Settings
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.hostile import DROPS
from tests.spooltest.reading import read, read_name
from tests.spooltest.trees import places

ROOT = Path(__file__).parent.parent
#: How many examples a test of the plain suite has, and one of the long suite.
_PLAIN, _LONG = 60, 3_000

_numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(10**4000), 1e308, 5e-324, -0.0, 2**63])
_texts = st.text() | st.sampled_from(["", "\0", "\x1b[2J", "../..", "-rf", "9" * 400 + "h", "\ud800", "1h", "/etc"])
_values = st.recursive(
    st.none() | st.booleans() | _numbers | _texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_texts, inner, max_size=5),
    max_leaves=25,
)
_recipes = st.sampled_from(["command", "lm-eval", "lmms-eval", "own", "worker", "none", "../x"])
_request = st.fixed_dictionaries(
    {},
    optional={
        "command": st.lists(_texts, max_size=4) | _values,
        "model": _texts | _values,
        "tasks": st.lists(_texts, max_size=3) | _values,
        "model_args": st.dictionaries(_texts, _values, max_size=3) | _values,
        **dict.fromkeys(("env", "cwd", "results", "limit", "output_dir", "gen_kwargs", "num_fewshot", "seed"), _values),
    },
)
_envelope = st.fixed_dictionaries(
    {"request": _request},
    optional={
        "recipe": _recipes | _values,
        **dict.fromkeys(("priority", "timeout", "grace", "max_attempts", "retry_on"), _values),
        **dict.fromkeys(("external_id", "attempts_before"), _values),
        "resource_type": st.sampled_from(["a_1", ".", ""]) | _values,
        **dict.fromkeys(("job_id", "outcome", "status", "submitted_by", "claim"), _values),
    },
)
documents = st.one_of(_request, _envelope, st.dictionaries(_texts, _values, max_size=6))
#: A document as text; what json.dumps makes of NaN and half pairs is no JSON, which is as well.
_written = documents.map(lambda document: json.dumps(document).encode())
_broken = st.tuples(_written, st.integers(0), st.binary(max_size=4)).map(
    lambda cut: cut[0][: cut[1] % (len(cut[0]) + 1)] + cut[2] + cut[0][cut[1] % (len(cut[0]) + 1) :]
)
files = st.one_of(_written, _broken, st.binary(max_size=200), st.text().map(str.encode))
_stems = st.from_regex(r"\A([019]-)?[2-8]\d{7}T\d{6}\.\d{6}Z-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{15}")
names = st.one_of(
    st.text(),
    st.tuples(_stems, st.text(max_size=12)).map(lambda parts: f"{parts[0]}{parts[1]}.json"),
    st.tuples(_stems, st.from_regex(r"\A@[A-Za-z0-9.-]{1,12}\.[a-z0-9_-]{1,6}\.[0-9a-f]{8}\Z")).map("".join),
)


def _reads(count: int):
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


@_reads(_PLAIN)
@given(files)
@example(b'{"request": {"command": ["x"]}, "timeout": 1' + b"0" * 400 + b"}")
def test_any_file_is_a_job_or_refused(data):
    read(data)


@_reads(_PLAIN)
@given(names)
def test_any_name_that_parses_says_itself_again(name):
    read_name(name)
    read_name(f"{name}.json")


@_reads(40)
@given(st.lists(st.tuples(st.text(st.characters(exclude_characters="/\0"), max_size=20), files), max_size=3))
def test_any_file_under_any_name_ends_up_in_one_place(dropped):
    # Given files under whatever names, in a spool that lets nothing rest
    with tempfile.TemporaryDirectory() as folder:
        create(Path(folder, "spool"))
        opened = Store(Path(folder, "spool"), host="host-a", settings=Settings(settle=0.0, durability="process"))
        count = 0
        for name, data in dropped:
            path = opened.layout.drop(f"x{name}.json")
            try:
                if path.exists():
                    continue
                path.write_bytes(data)
            except (OSError, UnicodeEncodeError):  # a name that no file can have
                continue
            count += 1
        said = []
        # When admission looks once
        Admission(opened, lambda document, uid: requests.accept(document, uid, opened.settings), said.append).turn()
        # Then each is one job, queued or failed, and everybody can be shown it
        assert not [line for line in said if line.startswith("cannot")]
        found = places(opened)
        assert len(found) == count and all(at in ([State.QUEUED], [State.FAILED]) for at in found.values())
        for job in found:
            JobInfo.model_validate(describe(opened, find(opened, job)))


@pytest.mark.parametrize("case", [case for case, drop in DROPS.items() if not drop.root])
def test_a_hostile_file_costs_little_time_and_memory(tmp_path, case):
    # Given a hostile file
    DROPS[case].make(tmp_path / "loop.json")
    if not (tmp_path / "loop.json").is_file() or (tmp_path / "loop.json").is_symlink():
        pytest.skip("it is no file")
    data, _ = read_regular(tmp_path / "loop.json", MAX_BYTES)
    read(data)  # whatever is imported for it
    tracemalloc.start()
    began = time.process_time()
    # When it is read, Then that takes a second at most, and some dozens of its size
    try:
        read(data)
        assert time.process_time() - began < 5
        assert tracemalloc.get_traced_memory()[1] < 256 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.hostile
@pytest.mark.timeout(900)
@_reads(_LONG)
@given(files)
def test_any_file_for_long(data):
    read(data)


@pytest.mark.hostile
def test_a_fuzzer_that_sees_the_code_finds_nothing_in_half_a_minute(tmp_path):
    if importlib.util.find_spec("atheris") is None:
        if os.environ.get("SPOOLQ_REQUIRE_HOSTILE"):
            pytest.fail("atheris is not installed, and this run must have it")
        pytest.skip("atheris is not installed (pip install 'spoolq[fuzz]')")
    # Given a corpus of jobs that are good, and some that are not
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, (case, drop) in enumerate(DROPS.items()):
        if drop.root or case.startswith("sparse"):
            continue
        drop.make(tmp_path / "one")
        if (tmp_path / "one").is_file() and (tmp_path / "one").lstat().st_size < 1000:
            (corpus / str(number)).write_bytes((tmp_path / "one").read_bytes())
        path = tmp_path / "one"
        path.rename(tmp_path / f"made{number}")
    model = {"model": "hf", "model_args": {"pretrained": "gpt2"}, "tasks": ["mmlu"], "limit": 1}
    (corpus / "bare").write_text(json.dumps(model))
    (corpus / "record").write_text(json.dumps({"job_id": new_uuid(), "outcome": "exit", "request": model}))
    # When it runs
    options = ["-max_total_time=30", "-timeout=10", f"-artifact_prefix={tmp_path}/"]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.reader", *options, str(corpus)],
        cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    # Then it has found no fault
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "DONE" in ran.stderr or "Done" in ran.stderr
