"""`spoolq worker` against a real server: what a command gets, what is told of its end, and when a worker ends."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.spooltest.waiting import wait_for
from tests.verbs.program import spoolq, spoolq_program
from tests.worker.answering import answering
from tests.worker.conftest import Team, lives

DUMP = "put('env', json.dumps(dict(os.environ))); put('payload', open(os.environ['SPOOLQ_PAYLOAD']).read())"
#: Says that it has begun, and waits to be let go.
HOLD = "acquire(); put('pid', os.getpid()); print('at work', flush=True); until('go')"


def test_a_command_gets_its_job_and_an_end_of_0_is_done(ready):
    # Given a job, When a worker takes it
    job = ready.submit(request={"team": "ä", "task": "turn"}, external_id="17")
    worker = ready.start(
        DUMP + "; mode = os.stat(os.path.dirname(os.environ['SPOOLQ_PAYLOAD'])).st_mode; put('mode', mode)",
        "--once",
        "--worker",
        "me",
    )
    assert worker.wait(30) == 0, ready.said()
    # Then its command found the payload, and all that it needs to speak with the server
    told = json.loads(ready.made("env"))
    assert json.loads(ready.made("payload")) == {"team": "ä", "task": "turn"}
    assert (told["SPOOLQ_JOB"], told["SPOOLQ_RESOURCE_TYPE"], told["SPOOLQ_URL"]) == ("17", "a_1", ready.served.base)
    assert told["SPOOLQ_WORKER"].startswith("me-") and len(told["SPOOLQ_WORKER"]) == 11
    # And nobody else could read it, it is gone, and the job is done by that worker
    assert stat.S_IMODE(int(ready.made("mode"))) == 0o700
    assert not Path(told["SPOOLQ_PAYLOAD"]).parent.exists()
    record = ready.ended(job, "completed")
    assert record["attempt"] == 1 and "me" in record["worker"]


def test_once_without_a_job_ends_at_once(ready):
    # Given no job, When a worker is to take one, Then it ends well
    assert ready.start("put('ran', 1)", "--once").wait(30) == 0
    assert not (ready.folder / "ran").exists()


def test_a_loop_ends_when_it_has_waited_long_enough(ready):
    # Given five jobs, When a worker takes one after another, and waits for no more
    jobs = [ready.submit() for _ in range(5)]
    worker = ready.start("put('ran-' + JOB, WORKER)", "--wait", "0")
    # Then it has done them all, each under a name of its own
    assert worker.wait(60) == 0
    assert [ready.record(job)["status"] for job in jobs] == ["completed"] * 5
    assert len({ready.made(f"ran-{job}") for job in jobs}) == 5


def test_a_loop_waits_for_jobs_that_come(ready):
    # Given a worker without a job, When one comes, Then it is taken
    worker = ready.start("put('ran', 1)")
    wait_for(lambda: worker.poll() is None)
    job = ready.submit()
    ready.ended(job, "completed")
    assert worker.poll() is None


@pytest.mark.parametrize(("options", "code"), [(["--once"], 1), (["--wait", "0"], 0)])
def test_a_command_that_fails_has_failed_its_job(ready, options, code):
    # Given a command that fails, When it is run
    job = ready.submit()
    worker = ready.start("acquire(); print('first'); print('no such scene', file=sys.stderr); sys.exit(3)", *options)
    # Then the job's record says how, with the end of what was printed, and the resource is free
    assert worker.wait(30) == code
    record = ready.ended(job, "failed")
    assert (record["outcome"], record["exit_code"]) == ("exit", 3)
    assert record["error"].startswith("the command exited with 3. Last lines:") and "no such scene" in record["error"]
    assert ready.leases() == 0
    assert "no such scene" in ready.said()


def test_a_command_that_dies_has_failed_its_job(ready):
    # Given a command that is killed, When it is run, Then the record says by which signal
    job = ready.submit()
    assert ready.start("os.kill(os.getpid(), signal.SIGSEGV)", "--once").wait(30) == 1
    record = ready.ended(job, "failed")
    assert record["exit_code"] is None and "ended by signal 11" in record["error"]


def test_a_job_that_may_run_again_does(ready):
    # Given a job with a second attempt after a failure, When the first fails, Then the second is taken
    job = ready.submit(retry_on=["exit"], max_attempts=2)
    script = "again = os.path.exists('once'); put('once', 1); sys.exit(0 if again else 1)"
    assert ready.start(script, "--wait", "0").wait(30) == 0
    assert ready.record(job)["status"] == "completed" and ready.record(job)["attempt"] == 2


def test_many_at_once_in_one_worker(ready):
    # Given three jobs whose commands wait for one another, When a worker runs three at once, Then they meet
    ready.pool(*[{"port": port} for port in range(2)])
    jobs = [ready.submit() for _ in range(3)]
    script = "put(JOB, WORKER); [until(job) for job in json.load(open('all'))]"
    (ready.folder / "all").write_text(json.dumps(jobs))
    assert ready.start(script, "--jobs", "3", "--worker", "w", "--wait", "0").wait(30) == 0
    assert [ready.record(job)["status"] for job in jobs] == ["completed"] * 3
    assert sorted(ready.made(job)[:4] for job in jobs) == ["w-1-", "w-2-", "w-3-"]


def test_what_a_command_leaves_running_is_ended_with_it(ready):
    # Given a command that leaves a daemon in a session of its own, When it has ended, Then so has that
    ready.submit()
    script = """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                put('daemon', os.getpid()); time.sleep(300)
            os._exit(0)
        until('daemon')
    """
    assert ready.start(script, "--once").wait(30) == 0
    assert not lives(int(ready.made("daemon")))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_finishes_the_job_in_hand(ready, number):
    # Given two jobs, and a worker with the first in hand, When it is told to stop
    first, second = (ready.submit(external_id=job) for job in "12")
    worker = ready.start(HOLD)
    ready.made("pid")
    worker.send_signal(number)
    ready.let("go")
    # Then it finishes that one, and takes no other
    assert worker.wait(30) == 0
    assert ready.record(first)["status"] == "completed" and ready.record(second)["status"] == "queued"
    assert ready.leases() == 0


def test_told_to_stop_while_it_waits_it_ends_at_once(ready):
    # Given a worker without a job, When it is told to stop, Then it ends well
    worker = ready.start(HOLD, "--wait", "1h")
    wait_for(lambda: caught(worker.pid, signal.SIGTERM), 20, "its handler")
    worker.terminate()
    assert worker.wait(30) == 0


def caught(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    row = next(row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("SigCgt"))
    return bool(int(row.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize(("attempts", "status"), [(2, "queued"), (1, "failed")])
def test_told_twice_it_stops_the_job_and_gives_it_back(ready, attempts, status):
    # Given a worker with a job in hand whose command does not care for SIGTERM
    job = ready.submit(max_attempts=attempts)
    worker = ready.start("signal.signal(signal.SIGTERM, signal.SIG_IGN); " + HOLD, "--grace", "0.3")
    pid = int(ready.made("pid"))
    # When it is told to stop twice
    worker.terminate()
    wait_for(lambda: not signal_pending(worker.pid), 10)
    worker.terminate()
    # Then the command is gone, the job waits for another worker if it may, and its resource is free
    assert worker.wait(30) == 75
    assert not lives(pid)
    record = ready.record(job)
    assert (record["status"], record["outcome"]) == (status, "lost" if status == "failed" else None)
    assert ready.leases() == 0


def test_a_batch_system_that_tells_all_processes_has_the_job_given_back(ready):
    # Given a worker with a job in hand, When it and its command are sent SIGTERM at once, as Slurm does
    job = ready.submit()
    worker = ready.start(HOLD)
    pid = int(ready.made("pid"))
    worker.terminate()
    os.kill(pid, signal.SIGTERM)
    # Then the job has not failed, but waits for another worker
    assert worker.wait(30) == 75
    assert ready.record(job)["status"] == "queued" and ready.leases() == 0


def test_a_command_gets_its_resource_by_the_programs_own_verb(ready):
    # Given a resource, When a command asks for it as the page about workers says
    job = ready.submit(external_id="3")
    acquire = f'{sys.executable} -m spoolq pool acquire "$SPOOLQ_RESOURCE_TYPE"'
    script = f'set -- $({acquire}); echo "$1 at $2" > got; test "$(ls {ready.served.path}/pools/a_1 | grep -c @)" = 1'
    ran = spoolq_program(
        "worker", "--url", ready.served.base, "--once", "--", "sh", "-c", script,
        cwd=ready.folder, env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    # Then it has host and port while it runs, and nothing of it is left behind
    assert ran.code == 0, ran.err
    assert ready.made("got") == "gpu at 1\n"
    assert ready.record(job)["status"] == "completed" and ready.leases() == 0


def signal_pending(pid: int) -> bool:
    """Whether a signal has not been delivered yet: two of a kind would be one."""
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return any(int(row.split()[1], 16) for row in rows if row.startswith(("SigPnd", "ShdPnd")))


def test_a_token_opens_the_door(team):
    # Given a server that asks for a token, and a job
    secret = team.served.root / "token"
    secret.write_text("0123456789abcdef0123456789abcdef\n")
    secret.chmod(0o600)
    team.pool()
    team.served.start("--token-file", str(secret))
    job = team.submit()
    # When a worker without it comes, Then it is told so, and ends; with it, it works, and its command finds it
    assert team.start(DUMP, "--once").wait(30) == 4
    assert "a token is needed" in team.said()
    assert team.start(DUMP, "--once", "--token-file", str(secret)).wait(30) == 0
    assert json.loads(team.made("env"))["SPOOLQ_TOKEN_FILE"] == str(secret)
    assert team.record(job)["status"] == "completed"


def test_a_command_that_cannot_be_started_stops_the_worker(ready):
    # Given two jobs, and a command that is there but is no program, When a worker runs it
    jobs = [ready.submit(external_id=job) for job in "12"]
    broken = ready.folder / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    ran = spoolq_program("worker", "--url", ready.served.base, "--wait", "0", "--", broken)
    # Then it has failed one job for that, and not the others
    assert ran.code == 1 and "failed" not in ready.record(jobs[1])["status"]
    assert "could not be started" in ready.record(jobs[0])["error"]
    # And one that is not there at all fails none
    ran = spoolq_program("worker", "--url", ready.served.base, "--", "/no/such/program")
    assert ran.code == 2 and "no program '/no/such/program'" in ran.err
    assert ready.record(jobs[1])["status"] == "queued"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--url", "http://127.0.0.1:1"], "give a command after --"),
        (["--", "true"], "say where the server is"),
        (["--url", "ftp://x", "--", "true"], "say where the server is"),
        (["--url", "http://x", "--heartbeat", "0", "--", "true"], "more than 0 s"),
        (["--url", "http://x", "--wait", "soon", "--", "true"], "soon"),
        (["--url", "http://x", "--jobs", "0", "--", "true"], "--jobs"),
    ],
)
def test_a_wrong_command_line_is_said(argv, said, monkeypatch):
    # Given a command line with one fault, When it is typed, Then the words name it, with exit code 2
    monkeypatch.delenv("JOB_QUEUE_URL", raising=False)
    ran = spoolq_program("worker", *argv)
    assert ran.code == 2 and said in ran.err and "Traceback" not in ran.err


def test_a_server_that_is_not_there_is_said(tmp_path):
    # Given nobody at that address, or no token file, When a worker is to take one job, Then it says so and ends
    ran = spoolq_program("worker", "--url", "http://127.0.0.1:1", "--once", "--", "true")
    assert ran.code == 75 and "cannot reach http://127.0.0.1:1: Connection refused" in ran.err
    ran = spoolq_program("worker", "--url", "http://127.0.0.1:1", "--token-file", tmp_path / "no", "--", "true")
    assert ran.code == 5 and "cannot read token file" in ran.err


def test_the_address_may_be_in_the_environment(ready):
    # Given the original worker's variable, When no --url is given, Then it counts
    job = ready.submit()
    ran = spoolq_program("worker", "--once", "--", "true", env={"JOB_QUEUE_URL": ready.served.base})
    assert ran.code == 0 and ready.record(job)["status"] == "completed"


def test_an_answer_that_was_lost_leaves_nothing_that_is_kept_alive():
    # Given a server whose first answer about a job is lost on the way, after it has given one
    given = []

    def answer(_method, path, query):
        if path == "/job":
            given.append(query["worker"])
            if len(given) == 1:
                return 502, "the proxy is tired"
            return 200, {"job": {"id": "2", "payload": {}, "resource_type": "a"}}
        return 200, {"status": "ok", "resources_heartbeated": {}}

    # When a worker goes on with another job, Then under another name, so that its heartbeats are none for the first
    with answering(answer) as server:
        ran = spoolq_program("worker", "--url", server.url, "--once", "--wait", "20", "--", "true")
        assert ran.code == 0
        beats = {query["worker"] for _, path, query in server.asked if path.endswith("heartbeat")}
    assert len(given) == 2 and given[0] != given[1] and beats == {given[1]}


def test_a_failure_is_told_to_the_original_server_by_silence():
    # Given a server that has no word for a failure, When a command fails, Then the worker ends as it would elsewhere
    def answer(_method, path, _query):
        if path == "/job":
            return 200, {"job": {"id": "2", "payload": {}, "resource_type": "a"}}
        if path.startswith("/fail/"):
            return 404, {"detail": "Not Found"}
        return 200, {"status": "ok", "resources_heartbeated": {}}

    with answering(answer) as server:
        assert spoolq_program("worker", "--url", server.url, "--once", "--", "false").code == 1
        assert "POST /done/2" not in server.paths()


def test_a_closed_terminal_does_not_end_the_work(ready):
    # Given a worker whose stderr nobody reads any more, When it works, Then it does
    job = ready.submit()
    ours, theirs = os.pipe()
    os.close(ours)
    argv = ["--url", ready.served.base, "--once", "--", "sh", "-c", "echo printed; echo printed >&2"]
    code = subprocess.call([*Team.program(), "worker", *argv], stdout=theirs, stderr=theirs)
    os.close(theirs)
    assert ready.record(job)["status"] == "completed" and code == 0


def test_on_another_system_no_job_is_taken(monkeypatch):
    # Given a system without what the guard needs, When a worker is run there, Then it says so before it takes a job
    monkeypatch.setattr("sys.platform", "darwin")
    with answering(lambda *_: (200, {"job": None})) as server:
        ran = spoolq("worker", "--url", server.url, "--once", "--", "true", ok=False)
        assert (ran.code, server.asked) == (4, [])
    assert "needs Linux" in ran.err
