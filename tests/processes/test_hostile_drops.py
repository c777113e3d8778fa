"""Whatever is dropped: it ends as a clear rejection with its bytes kept, or runs, and the next good job runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spoolq import history
from spoolq.documents import MAX_BYTES
from spoolq.jobs import Entry, parse_entry
from spoolq.models import JobInfo
from spoolq.transitions import TERMINAL
from tests.spooltest.hostile import DROPS, GOOD, NOW, filled
from tests.verbs.program import spoolq, spoolq_on_terminal

from .conftest import Queue, wait_for

#: What a terminal obeys; a line's end is none.
_OBEYED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
#: More than any error of one record needs.
_ERROR_ROOM = 20_000


@pytest.fixture(scope="module")
def alive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queue]:
    """One queue for all that is dropped: it must still be there at the end."""
    root = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPOOLQ_LOCK_DIR", str(root / "locks"))
        opened = Queue(root)
        opened.settings('settle = "200ms"\npoll = "500ms"\n')
        opened.start()
    yield opened
    opened.close()


def looks(path: Path) -> object:
    """What something is and holds, without following it: equal for the same thing in another place."""
    status = path.lstat()
    kind = stat.S_IFMT(status.st_mode)
    if stat.S_ISLNK(kind):
        return kind, str(path.readlink())
    if stat.S_ISDIR(kind):
        return kind, {inner.name: looks(inner) for inner in path.iterdir()}
    if stat.S_ISREG(kind) and status.st_size < 1 << 24:
        return kind, path.read_bytes()
    return kind, status.st_ino, status.st_size


def ends(queue: Queue) -> list[Entry]:
    """Every ended job."""
    store = queue.spool.store
    return [entry for state in TERMINAL for name in store.names(state) if (entry := parse_entry(state, name))]


def ended_as(queue: Queue, name: str) -> JobInfo:
    """The record of what was dropped under *name*, also under a job's own name."""
    store, printable = queue.spool.store, name.encode("utf-8", "backslashreplace").decode()

    def found() -> JobInfo | None:
        for entry in ends(queue):
            first = (history.events(store, entry.stem.key) or [{}])[0]
            if first.get("dropped") == printable or entry.stem.key == re.sub(r"^[019]-|\.json$", "", name):
                info = queue.spool.get(entry.stem.uuid)
                return info if info.outcome else None
        return None

    return wait_for(found, timeout=60, what=f"the end of {name!r}; {queue.said()[-2000:]}")


def good_job_runs(queue: Queue) -> None:
    job = queue.command("true", priority="low")  # behind whatever the hostile one has made of itself
    assert queue.ended(job, timeout=60).status == "completed"


def original(queue: Queue, info: JobInfo) -> Path:
    (kept,) = (queue.path / info.run_dir).glob("submitted.*")
    return kept


@pytest.fixture(scope="module")
def dropped(alive: Queue, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, object, str]]:
    """Everything, one after another, a good job behind each: its name, how it looked, and that job."""
    folder = tmp_path_factory.mktemp("made")
    found = {}
    for number, (case, drop) in enumerate(DROPS.items()):
        if drop.root and os.getuid():
            continue
        name, made = drop.name or f"{case}.json", folder / f"{number}.json"
        drop.make(made)
        before = looks(made)
        made.rename(alive.path / "queued" / name)
        found[case] = (name, before, alive.command("true"))
    return found


@pytest.mark.parametrize("case", DROPS)
def test_a_hostile_drop_is_rejected_with_its_bytes_kept_and_the_next_job_runs(alive: Queue, dropped: dict, case: str):
    # Given something that nobody should drop, which was moved in, and a good job after it
    if case not in dropped:
        pytest.skip("only root can make it")
    (name, before, good), expected = dropped[case], DROPS[case].said
    # When it has ended
    info = ended_as(alive, name)
    # Then it says why in few words, and what was dropped is where the record says
    if expected is None:
        assert (info.status, info.outcome) == ("completed", "succeeded"), info.error
    else:
        assert (info.status, info.outcome) == ("failed", "invalid")
        assert expected in info.error and "submitted." in info.error and len(info.error) < _ERROR_ROOM
        assert looks(original(alive, info)) == before
    # And the next good job ran
    assert alive.ended(good, timeout=60).status == "completed"


def test_a_job_of_the_largest_size_is_read_and_its_argument_refused_by_the_kernel(alive: Queue):
    # Given a job of exactly 1 MiB
    (alive.path / "queued" / "largest.json").write_bytes(filled(MAX_BYTES))
    # When it is dropped, Then it was taken, and ended because no exec takes such an argument
    info = ended_as(alive, "largest.json")
    assert info.outcome == "could_not_start" and "too long" in info.error
    good_job_runs(alive)


def test_a_file_that_changes_while_it_is_read_runs_as_what_it_became(alive: Queue):
    # Given a file that grows by a byte at a time, faster than it settles
    path = alive.path / "queued" / "growing.json"
    text = b'{"command": ["echo", "%s"]}' % (b"0123456789" * 5)

    def grow() -> None:
        with path.open("wb", buffering=0) as file:
            for byte in text:
                file.write(bytes([byte]))
                time.sleep(0.01)

    writer = threading.Thread(target=grow)
    writer.start()
    # When it is whole
    writer.join()
    # Then it ran once, as it stands
    info = ended_as(alive, "growing.json")
    assert info.status == "completed" and alive.text(info.job_id) == "0123456789" * 5 + "\n"
    good_job_runs(alive)


def test_a_drop_under_a_finished_jobs_name_is_another_job_and_the_record_stays(alive: Queue):
    # Given a finished job
    done = alive.ended(alive.command("true"))
    record = (alive.path / "completed" / f"{done.run_dir.removeprefix('runs/')}.json").read_bytes()
    key = done.run_dir.removeprefix("runs/")
    # When somebody drops a file under its KEY
    before = {entry.stem.uuid for entry in ends(alive)}
    (alive.path / "queued" / f"0-{key}.json").write_bytes(GOOD)
    # Then that one is rejected under an id of its own, and the record is as it was
    (fresh,) = wait_for(lambda: {entry.stem.uuid for entry in ends(alive)} - before, what="its end")
    info = wait_for(lambda: (info := alive.spool.get(fresh)).outcome and info)
    assert info.outcome == "invalid" and "of that name in completed already" in info.error
    assert original(alive, info).read_bytes() == GOOD
    assert (alive.path / "completed" / f"{key}.json").read_bytes() == record
    good_job_runs(alive)


def test_of_two_jobs_of_one_id_the_later_gets_its_own(alive: Queue):
    # Given a queue that is held, and two files under STEMs with one UUID and different stamps
    uuid = "77777777-2fa1-4d2b-883f-0016d3cca427"
    now = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    alive.spool.pause()
    for micros, text in (("000001", "first"), ("000002", "second")):
        path = alive.path / "queued" / f"{now}.{micros}Z-{uuid}.json"
        path.write_text(json.dumps({"command": ["echo", text]}))
    # When they have been looked at, Then the id is the first one's
    wait_for(
        lambda: len(parsed := alive.spool.status()["queued_jobs"]) == len(set(parsed)) == 2, what="an id of its own"
    )
    ids = alive.spool.status()["queued_jobs"]
    alive.spool.resume()
    # And both run
    assert uuid in ids and all(alive.ended(job).status == "completed" for job in ids)
    assert sorted(alive.text(job) for job in ids) == ["first\n", "second\n"] and alive.text(uuid) == "first\n"


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("chattr") is None, reason="needs root and chattr")
@pytest.mark.parametrize(
    "name", ["immutable.json", f"0-{NOW}-{'9' * 8}-2fa1-4d2b-883f-{'9' * 12}.json"], ids=["drop", "job"]
)
def test_what_cannot_be_moved_is_left_alone_and_said_and_the_next_job_runs(alive: Queue, name: str):
    # Given a file that nobody may move, as a drop and under the name of the most urgent job
    path = alive.path / "queued" / name
    family = alive.offspring()
    for process in family:
        process.suspend()  # or it would be taken before it is immutable
    path.write_bytes(GOOD)
    refused = subprocess.run(["chattr", "+i", path], check=False, stderr=subprocess.DEVNULL).returncode
    if refused:
        path.unlink()
    for process in family:
        process.resume()
    if refused:
        pytest.skip("this file system has no immutable files")
    try:
        # When good jobs come after it, Then they run, and status names it
        good_job_runs(alive)
        good_job_runs(alive)
        wait_for(lambda: name[:20] in spoolq("status", "--spool", alive.path).out, what="a word in status")
        assert path.read_bytes() == GOOD
    finally:
        subprocess.run(["chattr", "-i", path], check=True)
    # When it may be moved again, Then it runs
    wait_for(lambda: not path.exists(), what="its claim")
    good_job_runs(alive)


def test_what_is_never_a_job_is_left_alone_and_said(alive: Queue):
    # Given names that are no jobs
    names = ["notes.txt", "job.JSON", "job.json.part", "\x1b[2J"]
    for name in names:
        (alive.path / "queued" / name).write_bytes(GOOD)
    # When a good job has run, Then they are there, and status says so
    good_job_runs(alive)
    said = spoolq("status", "--spool", alive.path).out
    for name in names:
        assert (alive.path / "queued" / name).read_bytes() == GOOD
        (alive.path / "queued" / name).unlink()
    assert "4 files in queued/ are no jobs" in said and "job.JSON" in said


def test_nothing_that_is_shown_of_all_this_is_obeyed_by_a_terminal(alive: Queue):
    # Given a key and a name of escapes, a log that would clear the screen, and a job that waits under such a name
    job = alive.python(r"print('\x1b[2J\x1b]0;owned\x07log\x9b')")
    alive.ended(job)
    # When people look, Then no control character comes out
    for argv in (["status"], ["list", "--limit", "500"], ["results"]):
        assert not _OBEYED.search(spoolq(*argv, "--spool", alive.path).out)
        assert not _OBEYED.search(spoolq(*argv, "--json", "--spool", alive.path).out)
    invalid = [info.job_id for info in alive.spool.list() if info.outcome == "invalid" and "x1b[2J" in str(info)]
    for argv in (["show", one, *more] for one in (*invalid, "name of escapes.json", job) for more in ([], ["--json"])):
        shown = spoolq(*argv, "--spool", alive.path, ok=False).out
        assert not _OBEYED.search(shown), (argv, _OBEYED.search(shown))
    # And on a terminal nothing but colours
    for argv in (["status"], ["list"], ["show", job], ["logs", job]):
        shown = spoolq_on_terminal(*argv, "--spool", alive.path).out
        assert not _OBEYED.search(re.sub(r"\x1b\[[0-9;]*m", "", shown)), argv
    # And the operator's own stderr is one line each
    assert not _OBEYED.search(alive.said())
    assert "Traceback" not in alive.said()
    assert max(map(len, alive.said().splitlines())) < _ERROR_ROOM
