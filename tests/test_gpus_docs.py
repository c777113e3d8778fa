"""The page about GPUs: its tables load, its file is read, and its trial prints what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spoolq.gpus.document import look_of
from spoolq.recipes.operator import OperatorRecipe
from spoolq.sections import GpusSection
from spoolq.settings import load_settings

PAGE = (Path(__file__).parent.parent / "docs" / "gpus.md").read_text(encoding="utf-8")


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", blocks("toml"))
def test_its_tables_load(text, tmp_path):
    # Given a table of the page, When it is loaded, Then it is valid, its recipes too
    (tmp_path / "spoolq.toml").write_text(text)
    loaded = load_settings(tmp_path / "spoolq.toml")
    for name, table in loaded.recipes.items():
        OperatorRecipe.from_settings(name, table)
    assert loaded.gpus != GpusSection() or loaded.recipes


def test_its_file_is_read():
    # Given the file of the page, When it is read, Then all of it is there
    (text,) = blocks("json")
    seen = look_of(text)
    assert (seen.usable[0].total_mib, seen.usable[0].free_mib, seen.usable[0].processes[0].used_mib) == (
        81920, 81000, 512,
    )  # fmt: skip
    assert len(seen.faults) == 1


def test_its_trial_prints_what_it_says(tmp_path):
    # Given the commands of the page, with `spoolq` being this one
    (script,), (printed,) = blocks("sh"), blocks("text")
    program = tmp_path / "bin" / "spoolq"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m spoolq "$@"\n')
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    env.pop("CUDA_VISIBLE_DEVICES", None)
    # When a shell runs them
    ran = subprocess.run(
        ["bash", "-eu"], input=script, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=110, check=False
    )
    # Then they end well, and print what the page says
    said = "\n".join(line for line in ran.stdout.splitlines() if line in printed.splitlines()) + "\n"
    assert ran.returncode == 0, ran.stderr
    assert said == printed, ran.stdout
