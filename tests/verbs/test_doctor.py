"""`spoolq doctor`."""

import os
import re
import resource
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from spoolq.doctor import limits
from spoolq.gpus import Look
from spoolq.mounts import Mount
from spoolq.names import Running, new_claim, new_stem
from spoolq.store import Store
from tests.spooltest.jobs import submitted
from tests.verbs.goldens import settled
from tests.verbs.program import Ran, spoolq, spoolq_on_terminal, spoolq_program

LOCAL = Mount("/", "ext4", "/dev/vda", {"rw": ""})
BAD_NFS = Mount("/nfs", "nfs", "server:/export", {"rw": "", "vers": "3", "nolock": "", "soft": "", "nocto": ""})


@pytest.fixture
def machine(spool, monkeypatch):
    """A machine that is the same everywhere, with the spool in ./spool; a Mount is what that lies on."""
    facts = SimpleNamespace(mount=LOCAL)
    monkeypatch.chdir(spool.parent)
    monkeypatch.setenv("SPOOLQ_SPOOL", "spool")
    monkeypatch.setenv("SPOOLQ_LOCK_DIR", "locks")
    monkeypatch.setattr("spoolq.doctor.patient.mount_of", lambda *_: facts.mount)
    monkeypatch.setattr("spoolq.doctor.exclusion.mount_of", lambda *_: LOCAL)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename="gpu-07"))
    room = SimpleNamespace(f_bfree=10**9, f_bavail=10**9, f_blocks=2 * 10**9, f_frsize=4096)
    vars(room).update(f_flag=0, f_ffree=10**7, f_favail=10**7, f_files=2 * 10**7)
    monkeypatch.setattr(os, "statvfs", lambda _path: room)
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 4096))
    monkeypatch.setattr(limits, "_number", lambda _path: 1024)
    monkeypatch.setattr("spoolq.gpus.auto.AutoGpus.look", lambda _self: Look())
    return facts


def shown(ran: Ran, spool) -> str:
    """The output, with what was timed made the same, and the owner."""
    text = settled(ran.out, spool, spool.parent)
    text = re.sub(r"\b\d+(\.\d)? ms", "N ms", text)
    text = re.sub(r"\d\.\d\d s from", "N s from", text)
    text = re.sub(r"owner \w+", "owner ME", text)
    return re.sub(r"\bby up to \S+:", "by up to 2d0h:", text)


def broken(spool):
    """A spool with something of everything; what it returns is the key of a run folder without a job."""
    store = Store(spool, host="gpu-07")
    submitted(store)
    now = time.time()
    late = new_stem(datetime.fromtimestamp(now + 2 * 86400, UTC), "low")
    store.layout.queued(late).write_text('{"command": ["true"]}')
    (spool / "queued" / "job.yaml").touch()
    claim = Running(new_stem(datetime.fromtimestamp(now, UTC)), new_claim("gpu-07", "gpu3"))
    (spool / "running" / f".{claim}.beat").touch()
    key = new_stem(datetime.fromtimestamp(now - 9000, UTC)).key
    (spool / "runs" / key).mkdir()
    os.utime(spool / "runs" / key, (now - 8000,) * 2)
    (spool / "spoolq.toml").write_text('output_roots = ["/no/such/place"]\n')
    return key


def test_a_healthy_spool(machine, spool, golden):
    # Given an empty spool on a local disk, When it is examined, Then all is well
    ran = spoolq("doctor")
    assert ran.err == ""
    golden("doctor_healthy", shown(ran, spool))


def test_a_spool_with_something_of_everything(machine, spool, golden):
    # Given a spool with leftovers, on an NFS mount with every option that one should not have
    key = broken(spool)
    machine.mount = BAD_NFS
    # When it is examined
    ran = spoolq("doctor", ok=False)
    # Then each is told with what it breaks and what to do, and a fault is the exit code
    assert ran.code == 1
    assert all(len(row) <= 80 for row in ran.lines)
    golden("doctor_broken", shown(ran, spool))
    # When it is mended, Then what was safe is done, and the rest is as it was
    ran = spoolq("doctor", "--fix", ok=False)
    assert ran.code == 1
    golden("doctor_fixed", shown(ran, spool))
    assert (spool / "runs" / key).is_dir() and (spool / "queued" / "job.yaml").exists()


def test_a_tree_that_is_not_whole(machine, spool, golden):
    # Given a spool that has lost a directory, and settings that do not parse
    (spool / "pools").rmdir()
    (spool / "spoolq.toml").write_text("poll =\n")
    ran = spoolq("doctor", ok=False)
    assert ran.code == 1
    golden("doctor_not_whole", shown(ran, spool))
    # When it is mended, Then every other verb opens it, but for the settings
    assert spoolq("doctor", "--fix", ok=False).code == 1
    (spool / "spoolq.toml").unlink()
    assert spoolq("status").code == 0


@pytest.mark.parametrize(("more", "code"), [([], 0), (["--strict"], 1), (["--strict", "--fix"], 1)])
def test_warnings_count_when_asked(machine, spool, more, code):
    # Given a spool with a warning, and no fault
    (spool / "queued" / "job.yaml").touch()
    assert spoolq("doctor", *more, ok=False).code == code


def test_strict_is_content_without_warnings(machine):
    assert spoolq("doctor", "--strict").code == 0


def test_json(machine, spool):
    broken(spool)
    ran = spoolq("doctor", "--json")
    # Then one document has every finding, with its numbers, and nobody talks
    document = ran.json()
    assert ran.err == "" and document["verdict"] == "warning" and document["host"] == "gpu-07"
    found = {finding["name"]: finding for finding in document["findings"]}
    assert found["rename race"]["numbers"]["won_once"] == 64
    assert found["other names"]["numbers"]["foreign"] == ["queued/job.yaml"]
    assert found["heartbeats"]["fixable"] is True and found["run folders"]["fixable"] is False
    # And after mending it says what was done
    found = {finding["name"]: finding for finding in spoolq("doctor", "--json", "--fix").json()["findings"]}
    assert found["heartbeats"]["mended"] == "removed 1 entry" and found["heartbeats"]["verdict"] == "ok"


def test_nobody_else_comes(machine, spool):
    ran = spoolq("doctor", "--hosts", "2", "--timeout", "200ms", ok=False)
    assert ran.code == 1 and "nobody else came within 0.2 s" in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("argv", "cause"),
    [
        (["--hosts", "0"], "0 is not in the range"),
        (["--hosts", "2", "--timeout", "soon"], "--timeout: 'soon' is no duration"),
        (["--hosts", "2", "--timeout", "2h"], "--timeout: at most 30m"),
    ],
)
def test_says_what_it_wants(spool, argv, cause):
    ran = spoolq("doctor", *argv, ok=False)
    assert (ran.code, ran.out) == (2, "") and cause in ran.err


def test_as_a_program_on_this_machine(spool):
    # Given this machine as it is, When the program is run in a pipe and on a terminal
    piped, seen = spoolq_program("doctor"), spoolq_on_terminal("doctor")
    # Then both tell the same, in colour where one can see it, and nothing is left
    assert piped.code == seen.code and piped.err == ""
    assert "\x1b[32m✓ ok" in seen.out and "\x1b" not in piped.out
    plain = re.sub(r"\x1b\[\d+m", "", seen.out)
    assert [row.split()[:2] for row in plain.splitlines()][:9] == [row.split()[:2] for row in piped.lines][:9]
    assert os.listdir(spool / ".tmp") == []


def test_narrow(machine, spool):
    ran = spoolq_on_terminal("doctor", columns=60)
    assert max(len(re.sub(r"\x1b\[\d+m", "", row)) for row in ran.out.splitlines()) <= 60
