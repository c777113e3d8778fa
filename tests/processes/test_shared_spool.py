"""A shared spool with real users: an operator who is not root runs it, and members try what is not theirs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spoolq.create import create
from spoolq.models import JobInfo
from spoolq.names import Stem, new_uuid, parse_running
from spoolq.transitions import State
from tests.spooltest.hostile import GOOD
from tests.spooltest.users import as_user, needs_root, public_python

from .conftest import Queue, wait_for
from .test_hostile_drops import ended_as, looks, original

pytestmark = needs_root

OPERATOR, MEMBER, TRUSTED = 64001, 64002, 64003
#: Everybody's group.
GROUP = 64000
_SETTINGS = f"""
settle = "200ms"
poll = "500ms"
lock_timeout = "200ms"
open_recipes = ["greet"]
trusted = [{TRUSTED}]

[recipes.greet]
command = ["/bin/echo", "hello {{name}}", "--from={{name}}"]
[recipes.greet.parameters.name]
type = "str"
required = true
"""


class Shared(Queue):
    """A queue of OPERATOR's that shares its spool with GROUP."""

    def __init__(self, folder: Path) -> None:
        os.chown(folder, OPERATOR, GROUP)
        folder.chmod(0o755)
        assert self.by(OPERATOR, lambda: create(folder / "spool", None) and None) == "ok: None"
        self._share(folder / "spool")
        super().__init__(folder)
        self.env: dict[str, str] = {}
        self.settings(_SETTINGS)
        os.chown(self.path / "spoolq.toml", OPERATOR, GROUP)
        self.locks.mkdir(mode=0o1777, exist_ok=True)
        self.locks.chmod(0o1777)

    def _share(self, root: Path) -> None:
        from spoolq.create import _share
        from spoolq.layout import Layout

        assert self.by(OPERATOR, lambda: _share(Layout(root), GROUP)) == "ok: None"

    def by(self, uid: int, function: Callable[[], object]) -> str:
        """What *function* gives that user: ``ok: VALUE``, or the error."""
        return as_user(uid, function, [GROUP])

    def put(self, uid: int, name: str, data: bytes | dict[str, Any]) -> Path:
        """A file of that user's in the queue, whole at once."""
        path = self.path / "queued" / name
        content = data if isinstance(data, bytes) else json.dumps(data).encode()

        def drop() -> None:
            temporary = self.path / ".tmp" / f"{uid}.{time.monotonic_ns()}"
            temporary.write_bytes(content)
            temporary.chmod(0o644)
            temporary.rename(path)

        assert self.by(uid, drop) == "ok: None"
        return path

    def verb(self, uid: int, *argv: str) -> tuple[int, str]:
        """How `spoolq ARGV` ends for that user: exit code, and all that it said."""
        command = [self.interpreter, "-m", "spoolq", *argv, "--spool", str(self.path)]
        env = {**os.environ, **self.env, "SPOOLQ_LOCK_DIR": str(self.locks)}
        ran = subprocess.run(
            command, user=uid, group=GROUP, extra_groups=[GROUP], env=env, cwd="/", capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        return ran.returncode, ran.stdout + ran.stderr

    def good_job_runs(self) -> None:
        name = f"good-{time.monotonic_ns()}.json"
        self.put(MEMBER, name, greeting("you"))
        assert ended_as(self, name).status == "completed"


def greeting(name: str, **policy: Any) -> dict[str, Any]:
    return {"recipe": "greet", "request": {"name": name}, **policy}


def stem(prefix: str = "", ago: float = 0) -> str:
    stamp = time.strftime("%Y%m%dT%H%M%S.000000Z", time.gmtime(time.time() - ago))
    return f"{Stem(prefix, stamp, new_uuid())}.json"


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    with (
        tempfile.TemporaryDirectory(prefix="spoolq-shared-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SPOOLQ_LOCK_DIR", f"{folder}/locks")
        opened = Shared(Path(folder))
        found = public_python()
        if found is None:
            pytest.skip("no Python here that other users may run spoolq with")
        opened.interpreter, opened.env = found
        opened.start(user=OPERATOR, group=GROUP, extra_groups=[GROUP], cwd="/", env=opened.env)
        yield opened
        opened.close()


@pytest.fixture
def running(shared: Shared) -> Iterator[JobInfo]:
    """A job of the operator's that runs."""
    shared.put(OPERATOR, "operators.json", {"command": ["sleep", "600"]})
    wait_for(lambda: shared.spool.status()["running_job"], what=f"the operator's job; {shared.said()}")
    job = shared.spool.get(shared.spool.status()["running_job"])
    yield job
    with contextlib.suppress(Exception):
        shared.spool.cancel(job.job_id)
    shared.ended(job.job_id)


def test_a_member_may_use_an_open_recipe_and_no_command(shared: Shared):
    # Given jobs of a member
    shared.put(MEMBER, "open.json", greeting("you"))
    shared.put(MEMBER, "command.json", {"command": ["id"]})
    shared.put(MEMBER, command := stem(), {"command": ["id"]})
    # When they have ended
    fine, refused, named = (ended_as(shared, name) for name in ("open.json", "command.json", command))
    # Then the open one ran as the operator, under the member's name
    assert (fine.status, fine.submitted_by) == ("completed", MEMBER) and shared.text(fine.job_id).startswith(
        "hello you"
    )
    assert shared.spool.log(fine.job_id).stat().st_uid == OPERATOR
    # And the others did not
    for info in (refused, named):
        assert info.outcome == "invalid" and f"'command' is not open to user {MEMBER}" in info.error
        assert not shared.spool.log(info.job_id).exists()


def test_a_trusted_user_may_use_the_command_which_runs_as_the_operator(shared: Shared):
    # Given a trusted user's command, When it has run, Then it was the operator's process
    shared.put(TRUSTED, "whoami.json", {"command": ["id", "-u"]})
    info = ended_as(shared, "whoami.json")
    assert (info.submitted_by, shared.text(info.job_id)) == (TRUSTED, f"{OPERATOR}\n")


@pytest.mark.parametrize("forged", [{"submitted_by": 0}, {"submitted_by": OPERATOR, "recipe": "command"}])
def test_a_file_that_looks_like_the_operators_record_is_still_the_members(shared: Shared, forged: dict):
    # Given a member's file that claims to be a record of somebody else's job
    name = f"record-{len(forged)}.json"
    record = {"job_id": new_uuid(), "outcome": "exit", "status": "failed", "request": {"command": ["id"]}, **forged}
    shared.put(MEMBER, name, record)
    # When it has ended, Then it was judged as his
    info = ended_as(shared, name)
    assert (info.outcome, info.submitted_by) == ("invalid", MEMBER)


@pytest.mark.parametrize("verb", [["cancel"], ["retry"], ["priority"]])
def test_a_member_moves_nobody_elses_job_by_the_command_line(shared: Shared, running: JobInfo, verb: list[str]):
    # Given jobs of the operator's: one that runs, one that waits, one that has ended
    shared.put(OPERATOR, "waits.json", {"command": ["true"]})
    waits = wait_for(lambda: shared.spool.status()["queued_jobs"])[0]
    jobs = {"cancel": [running.job_id, waits], "priority": [waits], "retry": []}[verb[0]]
    for job in jobs:
        # When a member would move them, Then he may not
        code, said = shared.verb(MEMBER, *verb, job, *(["low"] if verb[0] == "priority" else []))
        assert (code, "Ask them, or the operator" in said) == (4, True), said
        assert shared.spool.get(job).status in ("running", "queued")
    shared.spool.cancel(waits)


def test_a_forged_request_moves_nobody_elses_job(shared: Shared, running: JobInfo):
    # Given requests of a member about the operator's job, by hand, with whatever content; also folders and links
    key = running.run_dir.removeprefix("runs/")
    control = shared.path / "control"

    def forge() -> None:
        for verb in ("cancel", "retry", "prioritise"):
            text = json.dumps({"by": OPERATOR, "level": "urgent"})
            (control / f"{verb}@{key}@00000001.json").write_text(text)
            (control / f"{verb}@{key}@00000002.json").symlink_to(shared.path / "spoolq.toml")
            (control / f"{verb}@{key}@00000003.json").mkdir()
        (control / f"cancel@{key}@00000004.json").write_text("[" * 4096)

    assert shared.by(MEMBER, forge) == "ok: None"
    # and a link to a file of the operator's, as kernels without protected_hardlinks let him make it
    os.link(shared.path / "spoolq.toml", control / f"cancel@{key}@00000005.json")
    # When all have been looked at
    wait_for(lambda: not list(control.glob("*@0000000[14].json")), what=f"the watcher; {shared.said()[-1000:]}")
    # Then the job runs on, and others do after it
    assert shared.spool.get(running.job_id).status == "running"
    (control / f"cancel@{key}@00000005.json").unlink()
    shared.spool.cancel(running.job_id)
    assert shared.ended(running.job_id).status == "cancelled"
    for path in control.iterdir():
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    shared.good_job_runs()


def test_a_member_cancels_and_retries_his_own(shared: Shared, running: JobInfo):
    # Given a member's job that waits
    shared.put(MEMBER, "mine.json", greeting("me"))
    mine = wait_for(lambda: shared.spool.status()["queued_jobs"])[0]
    # When he asks for its cancel, and for its retry, Then both are done by the operator's watcher
    assert shared.verb(MEMBER, "cancel", mine)[0] == 0
    shared.until(mine, "cancelled")
    assert shared.verb(MEMBER, "retry", mine)[0] == 0
    shared.until(mine, "queued")
    # And what was his stays his
    assert shared.spool.get(mine).submitted_by == MEMBER
    shared.spool.cancel(running.job_id)
    assert shared.ended(mine).status == "completed"


def test_a_retry_makes_no_refused_command_the_operators_own(shared: Shared, running: JobInfo):
    # Given a member's command that he has cancelled before anybody looked at it closely, so that its record is ours
    name = stem()
    shared.put(MEMBER, name, {"request": {"command": ["id"]}, "recipe": "command"})
    job = name[-41:-5]
    assert shared.verb(MEMBER, "cancel", job)[0] == 0
    shared.until(job, "cancelled")
    record = next((shared.path / "cancelled").glob(f"*{job}.json"))
    assert record.stat().st_uid == OPERATOR
    # When its retry is asked for, and it is claimed
    assert shared.verb(MEMBER, "retry", job)[0] == 0
    shared.until(job, "queued")
    shared.spool.cancel(running.job_id)
    # Then it is refused as his
    info = shared.ended(job)
    assert (info.outcome, info.submitted_by) == ("invalid", MEMBER) and "is not open to user" in info.error


def test_nobody_writes_a_record_but_who_runs(shared: Shared):
    # Given a member who would write where ended jobs are
    for state in ("running", "completed", "failed", "cancelled", "runs"):
        path = shared.path / state / stem()
        # When he does, Then he may not
        assert shared.by(MEMBER, lambda path=path: path.write_text("{}")).startswith("PermissionError")


def test_a_final_that_a_member_laid_out_is_no_end(shared: Shared):
    # Given a running job of a member's own, which says in its file that it has completed
    uuid = new_uuid()
    name = stem()[:-41] + uuid + ".json"
    forged = {"job_id": uuid, "status": "completed", "outcome": "succeeded", "metrics": {"a": {"acc": 1.0}}}
    shared.put(TRUSTED, name, {**forged, "request": {"command": ["sh", "-c", "sleep 600"]}})
    shared.until(uuid, "running")
    (claimed,) = [running for n in os.listdir(shared.path / "running") if (running := parse_running(n))]
    final = shared.path / ".tmp" / f"{claimed}.final"
    assert shared.by(TRUSTED, lambda: final.write_text(json.dumps({**forged, "request": {}})) and None) == "ok: None"
    # When the runner and its shim are killed, and another adopts
    facts = shared.started(uuid)
    for pid in (facts["runner"], facts["shim"]):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(shared.spool.history(uuid)) > 3, what=f"the adoption; {shared.said()[-2000:]}")
    # Then it was lost, and runs again: nobody believes the member's record
    wait_for(lambda: shared.spool.get(uuid).status == "running" and shared.spool.get(uuid).attempt == 2)
    assert "reclaimed" in shared.events(uuid) and not list((shared.path / "completed").glob(f"*{uuid}*"))
    shared.spool.cancel(uuid)
    assert shared.ended(uuid).metrics is None
    shared.good_job_runs()


@pytest.mark.parametrize("name", ["secret.json", "STEM"])
@pytest.mark.parametrize("how", ["symbolic", "hard"])
def test_nobody_reads_a_secret_through_the_runner(shared: Shared, how: str, name: str):
    # Given a file that only the operator may read, which would be a job
    secret = shared.path.parent / f"secret-{how}-{name}"
    secret.write_text('{"command": ["echo", "s3cret"], "s3cret": 1}')
    os.chown(secret, OPERATOR, GROUP)
    secret.chmod(0o600)
    name = stem() if name == "STEM" else f"{how}.json"
    path = shared.path / "queued" / name
    # When a member links it into the queue (a hard link as kernels without protected_hardlinks let him)
    if how == "hard":
        os.link(secret, path)
    else:
        assert shared.by(MEMBER, lambda: path.symlink_to(secret)) == "ok: None"
    # Then it is rejected unread
    info = ended_as(shared, name)
    assert info.outcome == "invalid" and "s3cret" not in str(info)
    assert ("second link" if how == "hard" else "regular file" if "how" in name else "") in info.error
    shared.good_job_runs()


def test_a_file_that_the_runner_may_not_read_is_rejected(shared: Shared):
    # Given a member's file of mode 0000
    path = shared.put(MEMBER, "closed.json", GOOD)
    with contextlib.suppress(FileNotFoundError):  # taken before
        path.chmod(0o000)
    target = shared.path / "queued" / "closed2.json"

    def drop() -> None:
        temporary = shared.path / ".tmp" / "closed2"
        temporary.write_bytes(GOOD)
        temporary.chmod(0o000)
        temporary.rename(target)

    assert shared.by(MEMBER, drop) == "ok: None"
    # When it has settled, Then it was rejected, and its bytes are kept
    info = ended_as(shared, "closed2.json")
    assert info.outcome == "invalid" and "chmod g+r" in info.error
    assert original(shared, info).read_bytes() == GOOD
    shared.good_job_runs()


@pytest.mark.parametrize("name", ["folder.json", "0-STEM"])
def test_a_members_folder_is_left_alone_and_said_and_holds_up_nobody(shared: Shared, name: str):
    # Given a folder of a member's, which only he and root can move to another directory
    name = stem("0-") if name == "0-STEM" else name
    path = shared.path / "queued" / name
    assert shared.by(MEMBER, path.mkdir) == "ok: None"
    before = looks(path)
    # When good jobs come, Then they run, and status names the folder
    shared.good_job_runs()
    code, said = shared.verb(OPERATOR, "status")
    assert code == 0 and f"is a folder of user {MEMBER}, which only they can move: {path}" in said
    assert looks(path) == before
    path.rmdir()


@pytest.mark.parametrize("prefix", ["0-", "1-"])
def test_a_member_cannot_go_first_by_a_name(shared: Shared, prefix: str):
    # Given a member's file that is named as an urgent job
    shared.put(MEMBER, name := stem(prefix), greeting("first"))
    # When it is claimed, Then it is refused
    info = ended_as(shared, name)
    assert info.outcome == "invalid" and f"is not open to user {MEMBER}" in info.error and "`priority`" in info.error


def test_a_member_cannot_go_first_by_an_early_stamp(shared: Shared, running: JobInfo):
    # Given a job that waits, and a member's file that is stamped an hour ago, by its name and by its mtime
    shared.put(OPERATOR, "earlier.json", {"command": ["true"]})
    waits = wait_for(lambda: shared.spool.status()["queued_jobs"])[0]
    name = stem(ago=3600)
    temporary, target = shared.path / ".tmp" / "early", shared.path / "queued" / name

    def drop() -> None:
        temporary.write_text(json.dumps(greeting("first")))
        os.utime(temporary, (time.time() - 3600,) * 2)
        temporary.rename(target)

    assert shared.by(MEMBER, drop) == "ok: None"
    # When the watcher has looked, Then it stands behind
    wait_for(lambda: not target.exists() and len(shared.spool.status()["queued_jobs"]) == 2, what="its own place")
    assert shared.spool.status()["queued_jobs"][0] == waits
    for job in shared.spool.status()["queued_jobs"]:
        shared.spool.cancel(job)


def test_a_member_who_holds_the_lock_for_ever_stops_nobody(shared: Shared):
    # Given a member's process that holds the lock
    shared.good_job_runs()  # which has made the lock's file
    script = "import fcntl, sys, time; f = open(sys.argv[1], 'r+'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True)\n"
    argv = [shared.interpreter, "-c", script + "time.sleep(600)", str(shared.path / ".lock")]
    with subprocess.Popen(
        argv, user=MEMBER, group=GROUP, extra_groups=[GROUP], cwd="/", stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None and process.stdout.readline()
            with (shared.path / ".lock").open("r+") as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # When jobs come, Then they run, and status names who holds it
            shared.good_job_runs()
            assert f"process {process.pid} " in shared.verb(OPERATOR, "status")[1]
        finally:
            process.kill()


def test_a_full_control_is_emptied_and_stops_nobody(shared: Shared):
    # Given a thousand requests of a member, about jobs that there are not
    control = shared.path / "control"

    def fill() -> None:
        for number in range(1000):
            (control / f"cancel@20261120T120730.{number:06}Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427@1.json").touch()

    assert shared.by(MEMBER, fill) == "ok: None"
    # When a good job comes, Then it runs, and the requests are gone
    shared.good_job_runs()
    wait_for(lambda: not os.listdir(control), timeout=60, what="an empty control/")


def test_a_members_environment_reaches_no_recipe_that_takes_none(shared: Shared):
    # Given an open recipe, and a request that would set the environment, the directory or the output
    for name, value in (
        ("env", {"LD_PRELOAD": "/tmp/x.so"}),
        ("cwd", "/"),
        ("output_dir", "/etc"),
        ("command", ["id"]),
    ):
        shared.put(MEMBER, f"extra-{name}.json", {"recipe": "greet", "request": {"name": "x", name: value}})
        # When it is looked at, Then it is rejected by that field
        info = ended_as(shared, f"extra-{name}.json")
        assert info.outcome == "invalid" and f"`{name}`" in info.error


def test_a_members_value_is_no_option_and_no_shell(shared: Shared):
    # Given values that a shell or an option parser would obey
    shared.put(MEMBER, "option.json", greeting("--help"))
    shared.put(MEMBER, "shell.json", greeting("$(id); `id` | id > x\nid"))
    # When they ran, Then they are one argument each
    info = ended_as(shared, "shell.json")
    assert shared.text(info.job_id).startswith("hello $(id); `id` | id > x\nid --from=$(id)")
    assert shared.text(ended_as(shared, "option.json").job_id) == "hello --help --from=--help\n"


def test_all_this_has_ended_neither_watcher_nor_runner(shared: Shared):
    # Given all that came before, Then one runner has served it, but for the one that a test killed
    assert "Traceback" not in shared.said()
    assert shared.said().count("the runner of all ended") == 1
    assert shared.processes[0].poll() is None
    assert not os.listdir(shared.path / State.RUNNING.value)
