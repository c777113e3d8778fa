"""The claim protocol as a Promela model: no fault in any order of steps, and one for each rule that is taken out."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

MODEL = Path(__file__).parent.parent / "docs" / "model" / "claim.pml"
#: Deep enough for every search; Spin says so if it is not.
DEPTH = 1_000_000
#: Crashes, living owners presumed dead, and file system faults, each bound with both kinds of disk.
BOUNDS = [(0, 1, 1)]
#: With SPOOLQ_FULL_MODEL=1: minutes, and 2 GB.
FULL_BOUNDS = [(1, 1, 0), (1, 0, 1), (1, 1, 1)]
DISKS = {"RENAME_NOREPLACE": [], "NFS": ["-DNFS"]}
#: What is taken out, and the promise that then breaks, as the model asserts it.
BROKEN = {
    "-DNO_NONCE": "holder==mine",
    "-DNO_FENCE": "holder==mine",
    "-DNO_LISTING": "record==committer",
    "-DBY_CLOCK": "final[it]==committer",
    "-DBLIND -DNFS": "files==1",
}


@dataclass(frozen=True)
class Checked:
    """What Spin found: its report, how many states it looked at, and the shortest way to the fault, if there is one."""

    report: str
    trail: str

    @property
    def states(self) -> int:
        return int(re.search(r"^\s*(\d+) states, stored", self.report, re.MULTILINE)[1])

    @property
    def errors(self) -> int:
        return int(re.search(r"errors: (\d+)", self.report)[1])


@pytest.fixture(autouse=True)
def _spin():
    missing = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
    if missing:
        said = f"no {' and no '.join(missing)} (apt-get install spin gcc)"
        if os.environ.get("SPOOLQ_REQUIRE_SPIN"):
            pytest.fail(f"{said}, and this run must have it")
        pytest.skip(said)


def check(folder: Path, *macros: str, live: bool = False, shortest: bool = False, large: bool = False) -> Checked:
    """Search the whole model, changed by *macros*; *live*: for a way never to end; *shortest*: breadth first."""
    shutil.copy(MODEL, folder)
    how = ["-DNFAIR=3"] if live else ["-DSAFETY", *(["-DBFS"] if shortest else [])]
    memory = ["-DCOLLAPSE", "-DMEMLIM=6000"]

    def tell(*argv: str) -> str:
        ran = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=3600)
        assert ran.returncode == 0 or argv[0] == "./pan", ran.stdout + ran.stderr
        return ran.stdout

    tell("spin", "-a", *macros, *(["-DLIVE"] if live else []), MODEL.name)
    tell("gcc", "-O2" if large else "-O0", "-w", *how, *memory, "-o", "pan", "pan.c")
    report = tell("./pan", f"-m{DEPTH}", *(["-a", "-f"] if live else []))
    trail = tell("spin", "-t", "-p", *macros, MODEL.name) if (folder / f"{MODEL.name}.trail").exists() else ""
    return Checked(report, trail)


def bounds(crashes: int, deaths: int, faults: int) -> list[str]:
    return [f"-DCRASHES={crashes}", f"-DDEATHS={deaths}", f"-DFAULTS={faults}"]


def is_whole(found: Checked) -> None:
    """Nothing was left out of the search, and nothing was found."""
    assert found.errors == 0, f"{found.report}\n{found.trail}"
    for doubt in ("Search not completed", "max search depth too small", "out of memory"):
        assert doubt not in found.report, found.report


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("disk", DISKS)
@pytest.mark.parametrize("limits", BOUNDS + FULL_BOUNDS, ids=str)
def test_the_protocol_keeps_its_promises_in_every_order_of_steps(tmp_path, capsys, disk, limits):
    if limits in FULL_BOUNDS and not os.environ.get("SPOOLQ_FULL_MODEL"):
        pytest.skip("takes minutes and 2 GB; SPOOLQ_FULL_MODEL=1 runs it")
    # Given two runners, a sweep, and so many crashes, wrong presumptions of death, and faults of the file system
    # When every order of their steps is tried
    found = check(tmp_path, *bounds(*limits), *DISKS[disk], large=limits in FULL_BOUNDS)
    with capsys.disabled():
        print(f"\nmodel, {disk}, crashes, deaths, faults {limits}: {found.states} states")
    # Then the job is always in one place, one record is published, that of the claim that committed, nobody is stuck
    is_whole(found)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("limits", [(1, 0, 0), (0, 1, 0), (0, 0, 1)], ids=str)
def test_the_job_ends_if_everybody_who_can_goes_on(tmp_path, limits):
    # Given one thing that goes wrong, When all fair ways are followed, Then none goes on for ever without a record
    is_whole(check(tmp_path, *bounds(*limits), live=True))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rule", BROKEN)
def test_without_a_rule_the_model_finds_the_fault(tmp_path, capsys, rule):
    # Given the protocol without one of its rules
    # When every order is tried
    found = check(tmp_path, *rule.split(), shortest=True)
    # Then a promise breaks, the one that the rule is for
    assert found.errors == 1
    assert BROKEN[rule] in found.report.replace(" ", ""), found.report
    steps = [line.strip() for line in found.trail.splitlines() if "proc" in line and "init" not in line]
    assert steps
    print(f"{rule}: the shortest way to the fault has {len(steps)} steps\n" + "\n".join(steps))


def test_the_code_that_the_model_names_is_there():
    # Given the functions that the model's comments name as MODULE.NAME
    package = Path(__file__).parent.parent / "spoolq"
    named = re.findall(r"\b(\w+)\.((?:_Case\.)?_?[a-z_]+)\b(?!\.)", MODEL.read_text().replace("history.jsonl", ""))
    found = {path for path in named if (package / f"{path[0]}.py").exists()}
    assert len(found) >= 15
    for module, name in found:
        # When one is looked for, Then it is there: the model follows the code
        source = (package / f"{module}.py").read_text()
        assert re.search(rf"\b(def|class) {name.rpartition('.')[2]}\b", source), f"there is no {name} in {module}.py"
