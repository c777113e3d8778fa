"""Start-up is a feature: help and the verbs that people type all day import nothing that takes long to import."""

import json
import subprocess
import sys

import pytest

from spoolq.cli import VERBS

HEAVY = {"pydantic", "watchdog", "rich", "filelock", "psutil", "fastapi"}
_PROBE = """
import json, sys
from spoolq.cli import main
try:
    main(sys.argv[2:])
except SystemExit as left:
    code = left.code
with open(sys.argv[1], "w") as file:
    json.dump([code, sorted({name.partition(".")[0] for name in sys.modules})], file)
"""


@pytest.fixture
def imported(tmp_path, spool_path):
    """Run a command line in a fresh interpreter: its exit code, and the top-level modules that it has imported."""

    def run(*argv: str) -> tuple[int, set[str]]:
        report = tmp_path / "report.json"
        words = [sys.executable, "-c", _PROBE, str(report), *argv]
        ran = subprocess.run(words, capture_output=True, text=True, timeout=30, cwd=tmp_path, check=True)
        code, modules = json.loads(report.read_text())
        assert "spoolq" in modules, ran.stderr
        return code, set(modules)

    return run


def submitted(spool_path) -> str:
    from spoolq.store import Store
    from spoolq.submit import publish

    return publish(Store(spool_path), {"request": {"command": ["true"]}, "recipe": "command"}).uuid


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_imports_nothing_heavy(imported, verb):
    # When help is asked for
    code, modules = imported(*([verb] if verb else []), "--help")
    # Then none of the large libraries was imported for it
    assert code == 0
    assert modules & HEAVY == set()


@pytest.mark.parametrize(
    "argv",
    [
        ["submit", "--timeout", "2h", "--priority", "high", "--", "true"],
        ["status"],
        ["status", "--json"],
        ["position", "last"],
        ["pause"],
        ["resume"],
        ["logs", "last"],
        ["results"],
    ],
    ids=" ".join,
)
def test_the_verbs_of_every_day_import_nothing_heavy(imported, spool_path, argv):
    # Given a spool with a job that waits
    submitted(spool_path)
    # When such a verb is run
    code, modules = imported(*argv)
    # Then it did its work without the large libraries
    assert code == 0
    assert modules & HEAVY == set()


@pytest.mark.parametrize("argv", [["submit", "--", "true"], ["status"], ["position", "last"]], ids=" ".join)
def test_settings_cost_no_verb_a_large_library(imported, spool_path, argv):
    # Given a spool with settings of every kind, and a job that waits
    text = (
        'timeout = "12h"\nretry_on = ["lost"]\n[slots]\ngpu0 = "0"\n[env]\nA = "1"\n[recipes.mine]\ncommand = ["x"]\n'
    )
    (spool_path / "spoolq.toml").write_text(text)
    submitted(spool_path)
    # When such a verb is run
    code, modules = imported(*argv)
    # Then it read them without pydantic
    assert code == 0
    assert "tomllib" in modules
    assert modules & HEAVY == set()


def test_status_asks_nobody_for_what_it_does_not_show(imported, spool_path):
    # Given a spool where nothing runs, When its status is asked for, Then what reads logs and dates was not imported
    submitted(spool_path)
    code, modules = imported("status")
    assert code == 0
    assert modules & {"_strptime", "calendar", "tomllib", "ctypes"} == set()


def test_the_collector_is_on_again_when_a_verb_runs(spool_path):
    # Given the program as it is started, When a verb runs, Then garbage is collected, though it was not at the start
    probe = """
import gc, sys
import spoolq.status
seen = spoolq.status.status
def status(*given, **named):
    print("collector", gc.isenabled())
    return seen(*given, **named)
spoolq.status.status = status
from spoolq.__main__ import main
main()
"""
    words = [sys.executable, "-c", probe, "status", "--spool", str(spool_path)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    assert ran.stdout.startswith("collector True\n")


@pytest.mark.parametrize("argv", [["list"], ["show", "last"], ["cancel", "last"], ["prune", "--all"]], ids=" ".join)
def test_no_verb_but_run_watches_and_none_draws(imported, spool_path, argv):
    submitted(spool_path)
    code, modules = imported(*argv)
    assert code == 0
    assert modules & {"watchdog", "rich", "fastapi"} == set()


def test_a_verb_imports_no_other(imported):
    # When one verb is run
    words = [sys.executable, "-c", "import sys; sys.argv = ['spoolq', 'status', '--help']\n" + _VERBS_IMPORTED]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    # Then the modules of the others were not imported
    assert ran.stdout.splitlines()[-1] == "status"


_VERBS_IMPORTED = """
from spoolq.cli import VERBS, main, module_of
try:
    main()
except SystemExit:
    print(*[verb for verb in VERBS if module_of(verb) in sys.modules])
"""
