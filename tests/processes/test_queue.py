"""The whole way of a job through real processes: dropped, claimed in order, run, recorded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil

from .conftest import Queue, wait_for


def test_a_dropped_file_becomes_a_record(queue: Queue):
    # Given a runner
    queue.start()
    # When a stranger moves a file in
    (queue.path.parent / "job.json").write_text('{"command": ["echo", "hello"]}')
    (queue.path.parent / "job.json").rename(queue.path / "queued" / "job.json")
    # Then it runs and its record is the whole truth
    wait_for(lambda: list((queue.path / "completed").glob("*.json")), what="the record")
    info = queue.ended("job.json")
    assert info.status == "completed" and info.outcome == "succeeded" and info.exit_code == 0
    assert info.submitted_by == os.getuid() and info.attempt == 1
    assert queue.text(info.job_id) == "hello\n"
    assert (queue.path / info.run_dir / "output").is_dir()
    assert queue.events(info.job_id) == ["admitted", "claimed", "started", "finished"]


def test_jobs_run_one_after_another_in_the_order_of_service(queue: Queue, lines):
    # Given jobs of several priorities, and one that was told to go first
    for name, level in (("low", "low"), ("n1", "normal"), ("n2", "normal"), ("high", "high"), ("urgent", "urgent")):
        queue.script("step.py", lines.path, name, "0.03", priority=level)
    # When they are drained
    assert queue.run("--drain").wait(60) == 0
    # Then no two overlapped, and the order is that of the names
    expected = [[name, edge] for name in ("urgent", "high", "n1", "n2", "low") for edge in "be"]
    assert [row[:2] for row in lines()] == expected


def test_what_was_submitted_stays_byte_for_byte_until_it_ends(queue: Queue):
    # Given a drop with its own spacing
    text = '{ "command" :\t["sleep", "20"]   }'
    (queue.path / "queued" / "odd.json").write_text(text)
    queue.start()
    # When it is claimed
    running = wait_for(lambda: list((queue.path / "running").glob("2*.json")), what="the claim")
    # Then its file is as it was, and so is the queued one behind it
    assert running[0].read_text() == text


def test_a_broken_file_and_a_bad_request_are_rejected_with_their_bytes_kept(queue: Queue):
    # Given a truncated file, a request that no recipe takes, and a good one after them
    queue.settings('settle = "300ms"\n')
    queue.start()
    (queue.path / "queued" / "torn.json").write_text('{"command": ["true"')
    (queue.path / "queued" / "typo.json").write_text('{"comand": ["true"]}')
    good = queue.command("true")
    # When all have ended
    torn, typo = (wait_for(lambda n=name: _ended(queue, n), what=name) for name in ("torn.json", "typo.json"))
    # Then each says what is wrong, and the original is where the message says
    assert queue.ended(good).status == "completed"
    assert torn.status == "failed" and torn.outcome == "invalid" and "line 1, column" in torn.error
    assert typo.outcome == "invalid" and "names no recipe" in typo.error
    assert next((queue.path / torn.run_dir).glob("submitted.*")).read_text() == '{"command": ["true"'


def _ended(queue: Queue, name: str):
    from spoolq.errors import JobNotFound

    try:
        info = queue.spool.get(name)
    except JobNotFound:
        return None
    return info if info.outcome else None


def test_a_failure_says_how_it_ended_and_shows_the_log(queue: Queue):
    # Given jobs that end in every way
    code = queue.python("import sys; print('no such model'); sys.exit(7)")
    killed = queue.command("sh", "-c", "kill -9 $$")
    missing = queue.command("/does/not/exist")
    no_cwd = queue.spool.submit({"command": ["true"], "cwd": "/does/not/exist"}).job_id
    silent = queue.spool.submit({"command": ["true"], "results": "*.json"}).job_id
    # When they are drained
    assert queue.run("--drain").wait(60) == 0
    # Then the record tells
    info = queue.spool.get(code)
    assert (info.outcome, info.exit_code) == ("exit", 7) and "no such model" in info.error
    assert (queue.spool.get(killed).outcome, queue.spool.get(killed).signal) == ("signal", 9)
    assert queue.spool.get(missing).outcome == "could_not_start" and "No such file" in queue.spool.get(missing).error
    assert queue.spool.get(no_cwd).outcome == "could_not_start"
    assert queue.spool.get(silent).outcome == "no_results" and "no parsed results" in queue.spool.get(silent).error
    assert not (queue.path / queue.spool.get(silent).run_dir / "output").exists()


def test_a_retry_runs_again_and_keeps_the_earlier_log(queue: Queue, tmp_path):
    # Given a job that failed because something was missing
    job = queue.command("sh", "-c", f"echo try; cat {tmp_path}/wanted")
    assert queue.run("--drain").wait(60) == 0
    assert queue.spool.get(job).status == "failed"
    # When it is there and the job is retried
    (tmp_path / "wanted").write_text("here\n")
    queue.spool.retry(job)
    assert queue.run("--drain").wait(60) == 0
    # Then it completed as attempt 2
    info = queue.spool.get(job)
    assert info.status == "completed" and info.attempt == 2
    assert queue.text(job) == "try\nhere\n"
    assert "No such file" in (queue.path / info.run_dir / "log.1.txt").read_text()


def test_the_wake_up_after_a_claim_is_as_fast_as_the_first(queue: Queue, lines):
    # Given an idle runner, watched by inotify (the timer is far away)
    queue.settings('poll = "60s"\n')
    queue.start()
    delays = []
    # When jobs come one after the other, each right after the claim of the one before
    for count in range(1, 9):
        submitted = time.time()
        queue.script("stamp.py", lines.path)
        wait_for(lambda: len(lines()) == count, timeout=5, what="the start")  # noqa: B023
        delays.append(lines()[-1] - submitted)
    # Then they do not wait the half second for which an unmatched MOVED_FROM is held (one or two may, for a busy host)
    assert sorted(delays[1:])[len(delays) // 2] < 0.4, delays


def test_an_evaluation_gets_an_empty_stdin_clean_signals_and_a_scrubbed_environment(queue: Queue):
    # Given a runner started as nohup and a launcher would: SIGINT ignored, ranks set
    script = """
import json, os, signal, sys
print(json.dumps({"stdin": sys.stdin.read(), "int": signal.getsignal(signal.SIGINT) == signal.default_int_handler,
  "hup": signal.getsignal(signal.SIGHUP) == signal.SIG_DFL, "leader": os.getsid(0) == os.getpid(),
  "mask": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "fds": sorted(map(int, os.listdir("/proc/self/fd")))[:4],
  "env": dict(os.environ)}))
"""
    job = queue.python(script)
    ignore = lambda: (signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGHUP, signal.SIG_IGN))  # noqa: E731
    process = queue.run("--drain", "--slots", "gpu1=1", env={"RANK": "3", "WORLD_SIZE": "8"}, preexec_fn=ignore)
    assert process.wait(60) == 0
    # Then the evaluation sees none of it
    seen = json.loads(queue.text(job))
    assert seen["stdin"] == "" and seen["int"] and seen["hup"] and seen["leader"] and seen["mask"] == 0
    assert seen["fds"] == [0, 1, 2, 3]  # 3 is the listing itself
    env = seen["env"]
    assert "RANK" not in env and "WORLD_SIZE" not in env
    assert env["CUDA_VISIBLE_DEVICES"] == "1" and env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert env["SPOOLQ_JOB_ID"] == job and env["SPOOLQ_ATTEMPT"] == "1" and env["SPOOLQ_SLOT"] == "gpu1"
    assert env["SPOOLQ_OUTPUT"].endswith("output.partial")


def test_two_slots_run_two_jobs_side_by_side(queue: Queue):
    # Given two slots
    queue.run("--slots", "gpu0=0", "--slots", "gpu1=1")
    first, second = queue.command("sleep", "30"), queue.command("sleep", "30")
    # Then both jobs run, each under its slot
    queue.until(first, "running")
    queue.until(second, "running")
    workers = {queue.spool.get(job).worker.rpartition(".")[2] for job in (first, second)}
    assert workers == {"gpu0", "gpu1"}


def test_a_huge_log_and_an_endless_line_cost_the_runner_nothing(queue: Queue):
    # Given an evaluation that prints 200 MB without a newline
    noisy = queue.python("import sys; b = b'x' * (1 << 20); [sys.stdout.buffer.write(b) for _ in range(200)]")
    process = queue.start("--drain")
    queue.started(noisy)
    # When it has run
    peak = 0
    while process.poll() is None:
        for child in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
            try:
                if "spoolq" in " ".join(child.cmdline()):
                    peak = max(peak, child.memory_info().rss)
            except psutil.Error:
                continue
        time.sleep(0.02)
    # Then the log is whole and neither watcher, runner nor shim grew with it
    assert queue.spool.get(noisy).status == "completed"
    assert queue.spool.log(noisy).stat().st_size == 200 << 20
    assert 0 < peak < 120 << 20


def test_idle_it_costs_next_to_no_processor_time(queue: Queue):
    # Given a runner with nothing to do
    queue.start()
    wait_for(lambda: len(queue.offspring()) >= 4, what="watcher, runner, shim and the child that waits")
    family = queue.offspring()
    began, before = time.monotonic(), sum(sum(p.cpu_times()[:2]) for p in family)
    # When three seconds pass
    wait_for(lambda: time.monotonic() - began > 3.0)
    # Then they have used less than one percent of one processor
    used = sum(sum(p.cpu_times()[:2]) for p in family) - before
    assert used / (time.monotonic() - began) < 0.01


def test_paused_nothing_is_claimed_until_it_is_resumed(queue: Queue):
    # Given a paused queue with a runner
    queue.spool.pause("driver update")
    queue.start()
    job = queue.command("true")
    # Then the job waits and says why
    (queue.path / "queued" / "drop.json").write_text('{"command": ["true"]}')
    wait_for(lambda: queue.spool.status()["drops"] == 0, what="the admission")
    assert queue.spool.get(job).status == "queued"
    assert "driver update" in queue.spool.status()["waiting"][0]["reason"]
    # When it is resumed, it runs at once
    queue.spool.resume()
    assert queue.ended(job, timeout=5).status == "completed"


def test_the_command_line_ends_with_the_jobs_exit_code(queue: Queue):
    # Given a follower that starts before the job does
    job = queue.python("import sys,time; print('one', flush=True); time.sleep(0.3); print('two'); sys.exit(9)")
    argv = [sys.executable, "-m", "spoolq", "logs", "-f", job, "--spool", str(queue.path)]
    follower = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    queue.start()
    # When the job has ended
    out, _ = follower.communicate(timeout=30)
    # Then it has seen all of the log and ends as the job did
    assert out == b"one\ntwo\n" and follower.returncode == 9


def test_status_knows_the_slots_that_were_given_on_the_command_line(queue: Queue):
    # Given a runner under a slot that the settings do not name
    queue.run("--slots", "gpu0=0")
    wait_for(lambda: queue.spool.status()["slots"] == {"gpu0": True}, what="the slot")
    # Then a waiting job's reason is not that nobody runs
    queue.until(queue.command("sleep", "600"), "running")
    queue.command("true")
    assert queue.spool.status()["waiting"][0]["reason"] == "next: a slot must become free"


def test_what_a_job_sets_reaches_its_evaluation_and_nobody_else(queue: Queue):
    # Given a job that would load its own library, find its own programs, and be another job on another GPU
    env = {
        "LD_PRELOAD": "/does/not/exist.so",
        "PYTHONPATH": "/does/not/exist",
        "PATH": "/does/not/exist",
        "SPOOLQ_CLAIM": "x",
        "SPOOLQ_JOB_ID": "x",
        "SPOOLQ_OUTPUT": "/etc",
        "SPOOLQ_SPOOL": "/etc",
    }
    argv = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    job = queue.spool.submit({"command": argv, "env": env}).job_id
    after = queue.command("sh", "-c", "echo $LD_PRELOAD $PYTHONPATH; command -v env")
    # When both have run
    assert queue.run("--drain").wait(60) == 0
    # Then what is spoolq's is spoolq's, the rest was its own, and the next job saw nothing of it
    seen = json.loads(queue.text(job).splitlines()[-1])
    assert all(seen[name] == env[name] for name in ("LD_PRELOAD", "PYTHONPATH", "PATH"))
    assert seen["SPOOLQ_JOB_ID"] == job and job in seen["SPOOLQ_CLAIM"] and seen["SPOOLQ_SPOOL"] == str(queue.path)
    assert seen["SPOOLQ_OUTPUT"].startswith(str(queue.path))
    assert queue.spool.get(after).status == "completed" and queue.text(after).startswith("\n/")
    for process in queue.offspring():
        assert "LD_PRELOAD" not in process.environ()
