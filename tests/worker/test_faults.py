"""Workers, commands and servers are killed and stopped in the middle: no job is lost, none has two ends."""

import signal
import textwrap
import time

import psutil

from tests.spooltest.waiting import wait_for
from tests.worker.conftest import Team, lives

HOLD = "acquire(); put('pid', os.getpid()); until('go')"
#: Short time-outs, so that a test sees them pass.
SHORT = """
[jobqueue]
job_heartbeat_timeout = "1500ms"
resource_heartbeat_timeout = "1500ms"
job_sweep_interval = "100ms"
resource_sweep_interval = "100ms"
"""


def short(team: Team) -> None:
    """A server with SHORT, and one resource."""
    team.served.settings(SHORT)
    team.pool()
    team.served.start()


def test_a_worker_is_killed_and_its_job_goes_to_another(team):
    # Given a worker at work on a job with the only resource
    short(team)
    job = team.submit()
    first = team.start(HOLD, "--heartbeat", "100ms")
    pid = int(team.made("pid"))
    assert team.leases() == 1
    # When it is killed with -9, Then its command dies with it
    first.kill()
    first.wait()
    wait_for(lambda: not lives(pid), 20, "the command's end")
    # And after the time-outs the job is taken by another, who gets the resource, and ends once
    (team.folder / "pid").unlink()
    second = team.start(HOLD, "--once", "--wait", "20")
    team.made("pid")
    team.let("go")
    assert second.wait(30) == 0
    record = team.ended(job, "completed")
    assert record["attempt"] == 2 and team.leases() == 0
    events = [event["event"] for event in team.spool.history(job)]
    assert events.count("reclaimed") == 1 and events.count("finished") == 1


def test_the_server_is_killed_in_the_middle_and_the_work_goes_on(team):
    # Given a worker at work
    team.pool()
    team.served.start()
    job = team.submit()
    worker = team.start(HOLD, "--once", "--heartbeat", "100ms")
    pid = int(team.made("pid"))
    # When the server is killed, Then the worker says so once, and the command goes on
    team.served.kill()
    wait_for(lambda: "no heartbeat" in team.said(), 20)
    # And when the server is back, so are the heartbeats, and the job has had one attempt
    team.served.restart()
    assert lives(pid)
    team.let("go")
    assert worker.wait(30) == 0
    assert team.ended(job, "completed")["attempt"] == 1
    assert team.said().count("no heartbeat") == 1 and team.leases() == 0


def test_the_server_is_away_when_the_job_is_done(team):
    # Given a worker at work, and a server that is killed
    team.pool()
    team.served.start()
    job = team.submit()
    worker = team.start(HOLD, "--once")
    pid = int(team.made("pid"))
    team.served.kill()
    # When the command ends meanwhile, Then the worker waits for the server, and tells it then
    team.let("go")
    wait_for(lambda: not lives(pid), 20)
    wait_for(lambda: "Trying again" in team.said(), 20)
    assert worker.poll() is None
    team.served.restart()
    assert worker.wait(40) == 0
    assert team.ended(job, "completed")["attempt"] == 1


def test_a_late_worker_is_fenced_and_stops_its_command(team):
    # Given a worker at work, that is stopped for longer than the time-out: its command goes on
    short(team)
    job = team.submit()
    late = team.start(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); " + HOLD, "--heartbeat", "100ms", "--grace", "300ms"
    )
    pid = int(team.made("pid"))
    late.send_signal(signal.SIGSTOP)
    (team.folder / "pid").unlink()
    # When the job has gone to another worker, and the late one goes on
    other = team.start(HOLD, "--once", "--wait", "20", "--worker", "other", "--heartbeat", "100ms")
    team.made("pid")
    late.send_signal(signal.SIGCONT)
    # Then it learns that the job is not its own, and ends the command and all it started
    wait_for(lambda: not lives(pid), 20, "the end of the late command")
    wait_for(lambda: "is not ours any more" in team.said(), 20)
    # And the job's end is what the other one says
    team.let("go")
    assert other.wait(30) == 0
    record = team.ended(job, "completed")
    assert record["attempt"] == 2 and "other" in record["worker"]
    assert [event["event"] for event in team.spool.history(job)].count("finished") == 1
    wait_for(lambda: team.leases() == 0, 20, "the leases to be given back")
    late.terminate()
    assert late.wait(30) == 0


def test_a_worker_that_is_late_with_the_end_of_a_job_does_not_end_it(team):
    # Given a worker that is stopped while its command ends, for longer than the time-out
    short(team)
    job = team.submit()
    late = team.start(HOLD, "--once", "--heartbeat", "100ms")
    pid = int(team.made("pid"))
    late.send_signal(signal.SIGSTOP)
    team.let("go")
    wait_for(lambda: not lives(pid), 20)
    team.ended(job, "queued")
    # When it goes on, Then what it says of the job does not count
    late.send_signal(signal.SIGCONT)
    assert late.wait(30) == 1
    assert "lost" in team.said() and team.record(job)["status"] == "queued"


def test_the_guard_is_killed_and_the_job_has_failed(ready):
    # Given a worker at work, with a daemon of its command's in a session of its own
    job = ready.submit()
    script = """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                put('daemon', os.getpid()); time.sleep(300)
            os._exit(0)
        until('daemon')
    """
    worker = ready.start(textwrap.dedent(script) + HOLD, "--once")
    pid, daemon = int(ready.made("pid")), int(ready.made("daemon"))
    # When the guard between worker and command is killed, Then nothing of the command lives, and the job has failed
    psutil.Process(pid).parent().kill()
    assert worker.wait(30) == 1
    assert not lives(pid) and not lives(daemon)
    assert ready.ended(job, "failed")["outcome"] == "exit"
    assert ready.leases() == 0


def test_a_second_worker_waits_for_the_resource_of_the_first(ready):
    # Given two jobs, one resource, and two workers, whose commands say when they have it
    jobs = [ready.submit() for _ in range(2)]
    script = "acquire(); put('has-' + JOB, time.monotonic()); until('go-' + JOB); put('ends-' + JOB, time.monotonic())"
    workers = [ready.start(script, "--once") for _ in jobs]
    wait_for(lambda: list(ready.folder.glob("has-*")), 30)
    first = next(ready.folder.glob("has-*")).name[4:]
    second = next(job for job in jobs if job != first)
    # When both are loaded, Then one has it, and the other one gets it when the first has ended
    wait_for(lambda: ready.said().count("taken") == 2, 20)
    assert not (ready.folder / f"has-{second}").exists()
    ready.let(f"go-{first}")
    assert float(ready.made(f"has-{second}")) > float(ready.made(f"ends-{first}"))
    ready.let(f"go-{second}")
    assert [worker.wait(30) for worker in workers] == [0, 0]


def test_a_restart_of_the_whole_team_finishes_what_was_begun(team):
    # Given two workers at work on three jobs with short time-outs
    short(team)
    jobs = [team.submit() for _ in range(3)]
    team.pool({"port": 2})
    workers = [
        team.start("acquire(); put('ran-' + WORKER, JOB); until('go')", "--heartbeat", "100ms") for _ in range(2)
    ]
    wait_for(lambda: len(list(team.folder.glob("ran-*"))) == 2, 30)
    # When they and the server are killed, and the server and two other workers are started
    for worker in workers:
        worker.kill()
        worker.wait()
    team.served.kill()
    team.served.restart()
    team.let("go")
    others = [team.start("acquire()", "--heartbeat", "100ms") for _ in range(2)]
    # Then every job has been done, once
    for job in jobs:
        team.ended(job, "completed", 40)
    wait_for(lambda: team.leases() == 0, 20)  # given back after the job's end was told
    for job in jobs:
        assert [event["event"] for event in team.spool.history(job)].count("finished") == 1
    for worker in others:
        worker.terminate()
    assert [worker.wait(30) for worker in others] == [0, 0]


def test_the_time_out_is_not_reached_by_a_worker_that_beats(team):
    # Given a job that takes thrice the time-out, When its worker is heard of, Then it stays its own
    short(team)
    job = team.submit()
    began = time.monotonic()
    worker = team.start("acquire(); time.sleep(4.5)", "--once", "--heartbeat", "300ms")
    assert worker.wait(40) == 0 and time.monotonic() - began > 4.5
    assert team.ended(job, "completed")["attempt"] == 1
