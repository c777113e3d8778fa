"""The whole examination: on a healthy spool, beside a queue at work, twice at once, and after every kind of fault."""

import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

import spoolq.doctor
from spoolq import history
from spoolq.create import create
from spoolq.doctor.examine import FILE_SYSTEM, GROUPS, TREE, examine
from spoolq.doctor.finding import Verdict
from spoolq.doctor.patient import Patient
from spoolq.errors import SpoolUnusable
from spoolq.layout import PROBE
from spoolq.names import new_stem
from spoolq.store import Store
from tests.spooltest.jobs import claimed, ended, submitted
from tests.spooltest.waiting import wait_for

DOCTOR = [sys.executable, "-m", "spoolq", "doctor", "--json", "--spool"]


def by_name(seen):
    return {finding.name: finding for finding in seen.findings}


def everything(root):
    """Every path of a spool but the lock, with what would show that somebody had touched it."""
    return {
        path: (path.lstat().st_ino, path.lstat().st_mtime_ns if path.is_file() else 0, path.lstat().st_mode)
        for path in root.rglob("*")
        if path.name != ".lock"
    }


def test_a_healthy_spool(store):
    # Given a spool with jobs in three states
    ended(store, submitted(store))
    ended(store, submitted(store), "exit")
    submitted(store)
    before = everything(store.root)
    # When it is examined, with leave to mend
    seen = examine(store.root, fix=True)
    # Then nothing is worse than a note, nothing has been mended, and nothing has changed
    faults = [finding for finding in seen.findings if finding.verdict.rank > Verdict.NOTE.rank]
    assert faults == [finding for finding in faults if finding.name in ("room", "host name", "file system")]
    assert all(not finding.mended for finding in seen.findings)
    assert everything(store.root) == before


def test_each_finding_has_a_name_of_its_own(store):
    names = [finding.name for finding in examine(store.root).findings]
    assert len(set(names)) == len(names)


def test_a_worse_finding_says_what_it_breaks_and_what_to_do(store):
    # Given every check, When each is run on a spool with faults, Then none is told without a word on it
    (store.root / "queued" / "job.yaml").touch()
    (store.root / "spoolq.toml").write_text("poll =\n")
    for finding in examine(store.root).findings:
        assert finding.verdict is Verdict.OK or finding.breaks or finding.verdict is Verdict.NOTE
        assert finding.verdict.rank < Verdict.WARNING.rank or finding.next_step


def test_no_spool_is_an_error(tmp_path):
    with pytest.raises(SpoolUnusable, match="it does not exist"):
        examine(tmp_path / "none")
    with pytest.raises(SpoolUnusable, match="it is no spool"):
        examine(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_tree_that_is_not_whole_is_not_tried(store):
    # Given a spool without .tmp/, in which everything is tried
    store.layout.tmp.rmdir()
    # When it is examined, Then that is the finding
    seen = examine(store.root)
    assert list(seen.groups) == ["tree"] and seen.worst is Verdict.FAULT
    # When it is mended, Then all the rest is looked at in the same examination
    seen = examine(store.root, fix=True)
    assert by_name(seen)["directories"].mended == "made .tmp" and set(GROUPS) < set(seen.groups)


def test_mended_and_looked_at_again(store):
    # Given faults of which two can be mended and one cannot
    store.layout.control.chmod(0o500)
    (store.root / "running" / ".x@host-a.all.00000000.beat").touch()
    (store.root / "queued" / "job.yaml").touch()
    # When it is examined without and with leave to mend
    before = by_name(examine(store.root))
    assert {name for name, finding in before.items() if finding.mend} == {"modes", "heartbeats"}
    after = by_name(examine(store.root, fix=True))
    # Then what counts is what is so afterwards
    assert [after[name].verdict for name in ("modes", "heartbeats", "other names")] == ["ok", "ok", "warning"]
    assert after["heartbeats"].mended == "removed 1 entry" and not after["other names"].mended
    assert not any(finding.mend for finding in examine(store.root).findings)


def test_a_check_that_breaks_off_keeps_no_other_from_being_made(store, monkeypatch):
    # Given a disk that refuses one kind of call
    monkeypatch.setattr(
        "spoolq.doctor.limits.os.statvfs", lambda _path: (_ for _ in ()).throw(OSError(5, "broken", "x"))
    )
    seen = by_name(examine(store.root))
    # Then that check is a fault, and the others have been made
    assert seen["room"].verdict == "fault" and "broken" in seen["room"].measured
    assert seen["rename race"].verdict == "ok"


def test_a_history_that_somebody_has_edited_breaks_nothing_off(store, monkeypatch):
    # Given a claim whose history has no number where a pid should be
    taken = claimed(store, submitted(store))
    history.record(store, taken.running.stem.key, "claimed", nonce=taken.running.claim.nonce, pid="x", shim=None)
    seen = by_name(examine(store.root, host="host-a"))
    # When it is examined, Then that is told, and the rest is looked at
    assert seen["claims"].verdict == "fault" and "ValueError" in seen["claims"].measured
    assert seen["records"].verdict == "ok"


def test_what_may_not_be_looked_at_is_told(store, monkeypatch):
    def refuse(_patient):
        raise PermissionError(13, "Permission denied", "there")

    refuse.__name__ = "check_something_else"
    monkeypatch.setitem(GROUPS, "jobs", (refuse,))
    assert by_name(examine(store.root))["something else"].verdict == "note"


def test_every_check_is_of_a_group():
    # Given the modules with checks, When their names are read, Then each check is run
    from spoolq.doctor import access, clock, exclusion, gpus, hooks, leftovers, limits, mount, places, race

    modules = (access, clock, exclusion, gpus, hooks, leftovers, limits, mount, places, race)
    there = {getattr(module, name) for module in modules for name in vars(module) if name.startswith("check_")}
    assert there == {*TREE, *FILE_SYSTEM, *(check for checks in GROUPS.values() for check in checks)}


def test_two_at_once(store):
    # Given a spool with jobs
    stems = [submitted(store) for _ in range(3)]
    # When three doctors look at it at the same moment, two of them with leave to mend
    words = [[*DOCTOR, str(store.root), *more] for more in ([], ["--fix"], ["--fix"])]
    doctors = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for argv in words]
    for doctor in doctors:
        out, err = doctor.communicate(timeout=60)
        assert doctor.returncode == 0, out + err
    # Then each has found it well, and it is as it was
    assert all(store.layout.queued(stem).exists() for stem in stems)
    assert os.listdir(store.layout.tmp) == []


def test_a_doctor_that_is_killed_leaves_only_what_the_sweep_takes(store, monkeypatch):
    # Given a doctor that is killed while it tries things
    stem = submitted(store)
    doctor = subprocess.Popen([*DOCTOR, str(store.root)], stdout=subprocess.DEVNULL)
    wait_for(lambda: any(name.startswith(PROBE) for name in os.listdir(store.layout.tmp)), 30, "a probe")
    doctor.send_signal(signal.SIGKILL)
    doctor.wait(30)
    # Then no state has anything but the job
    assert store.layout.queued(stem).exists()
    visible = [path for path in store.root.rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert {path.name for path in visible if store.layout.tmp not in path.parents} == {f"{stem}.json", "spoolq.toml"}
    # And an hour later another doctor clears what there is
    server_time = Store.server_time
    monkeypatch.setattr(Store, "server_time", lambda self: server_time(self) + 3700)
    examine(store.root, fix=True)
    assert [name for name in os.listdir(store.layout.tmp) if name.startswith(PROBE)] == []


def test_beside_a_queue_at_work(tmp_path):
    # Given a queue that works through forty jobs
    create(tmp_path / "spool")
    store = Store(tmp_path / "spool")
    stems = [submitted(store) for _ in range(40)]
    words = [sys.executable, "-m", "spoolq", "run", "--drain", "--spool", str(store.root)]
    with (tmp_path / "log").open("wb") as log:
        runner = subprocess.Popen(words, stdout=log, stderr=log)
    # When it is examined and mended all the while
    looked = 0
    try:
        while runner.poll() is None or not looked:
            seen = examine(store.root, fix=True)
            looked += 1
            bad = [
                f"{finding.name}: {finding.measured}" for finding in seen.findings if finding.verdict is Verdict.FAULT
            ]
            assert not bad and not any(finding.mended for finding in seen.findings), bad
    finally:
        runner.kill() if runner.poll() is None else None
        runner.wait()
    # Then every job has completed at its first attempt
    assert runner.returncode == 0, (tmp_path / "log").read_text()
    for stem in stems:
        assert (store.root / "completed" / f"{stem.key}.json").exists()
        assert (store.layout.run(stem.key).history).read_text().count('"claimed"') == 1


def test_a_deep_queue_costs_little(store):
    # Given twenty thousand queued jobs
    for number in range(20_000):
        stem = new_stem(datetime.fromtimestamp(time.time() - 1 - number / 1000, UTC))
        os.close(os.open(store.layout.queued(stem), os.O_CREAT | os.O_WRONLY))
    # When it is examined, Then its own time is what the depth costs: the clock would tell of the others on this machine
    began = time.process_time()
    seen = examine(store.root)
    assert time.process_time() - began < 2
    assert by_name(seen)["stamps"].numbers["queued"] == 20_000


def test_the_document(store):
    # Given a spool with a fault, When it is examined, Then the document is whole, and JSON
    import json

    (store.root / "spoolq.toml").write_text("poll =\n")
    document = json.loads(json.dumps(examine(store.root, host="host-a").document()))
    assert (document["host"], document["verdict"]) == ("host-a", "fault")
    assert sum(document["counts"].values()) == len(document["findings"])
    keys = {"group", "name", "verdict", "measured", "breaks", "next_step", "numbers", "fixable", "mended"}
    assert {frozenset(finding) for finding in document["findings"]} == {frozenset(keys)}


def test_a_patient_without_a_tree_has_no_store(tmp_path):
    create(tmp_path / "spool")
    patient = Patient(Path(tmp_path / "spool"))
    patient.layout.pools.rmdir()
    with pytest.raises(SpoolUnusable, match="pools missing"):
        patient.store.server_time()


def test_the_page_of_assumptions_names_every_check(store):
    # Given the table of checks, and what is found on a spool
    page = (Path(__file__).parent.parent / "docs" / "assumptions.md").read_text(encoding="utf-8")
    table = page.partition("## Prove it")[2].partition("## What is proven")[0]
    names = {finding.name for finding in examine(store.root, hosts=2, timeout=0.1).findings}
    # When they are compared, Then each check has its place
    assert {name for name in names if f"`{name}`" not in table and not name.startswith("option ")} == set()
    # And the table names no check that there is not
    sources = "".join(path.read_text() for path in Path(spoolq.doctor.__file__).parent.glob("*.py"))
    checks = set(re.findall(r"`([^`]+)`", table.partition("| --- |")[2].partition("\n\n")[0]))
    named = {name for name in checks if f'"{name}"' not in sources}
    assert named - {"init", "option nocto"} == set()
