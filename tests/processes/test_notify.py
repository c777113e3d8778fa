"""Hooks of a real watcher: real programs, a real HTTP server, real kills."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from spoolq.store import Store
from spoolq.submit import publish
from tests.spooltest.waiting import gone

from .conftest import Queue, wait_for

#: A hook that appends what it was given as a JSON line: its arguments, stdin, environment.
RECORDER = """
import json, os, sys
given = {"argv": sys.argv[2:], "stdin": json.load(sys.stdin), "pid": os.getpid(),
         "env": {name: value for name, value in os.environ.items() if name.startswith("SPOOLQ_")}}
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(fd, (json.dumps(given) + "\\n").encode())
"""


class Told:
    """What a hook was told, a JSON line each."""

    def __init__(self, folder: Path) -> None:
        self.path, self.program = folder / "told.jsonl", folder / "recorder.py"
        self.program.write_text(RECORDER)

    def command(self, *words: str) -> str:
        """The hook's command, as TOML."""
        return json.dumps([sys.executable, str(self.program), str(self.path), *words])

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(row) for row in self.path.read_text().splitlines()] if self.path.exists() else []

    def events(self) -> list[str]:
        return [row["stdin"]["event"] for row in self.rows()]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def notified(queue: Queue, job: str) -> list[dict[str, Any]]:
    return [event for event in queue.spool.history(job) if event["event"] == "notified"]


def is_gone(pid: int) -> bool:
    try:
        return gone(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


class Posts(list[dict[str, Any]]):
    """What came to a server on loopback; *answer* is what it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.answer, self.headers = 200, {}
        posts = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posts.append({"path": self.path, "headers": dict(self.headers), "body": body})
                self.send_response(posts.answer)
                for name, value in posts.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_given: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def posts() -> Iterator[Posts]:
    kept = Posts()
    thread = threading.Thread(target=kept.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield kept
    kept.server.shutdown()
    thread.join()
    kept.server.server_close()


def test_each_end_is_told_to_the_hooks_that_want_it_and_the_empty_queue_once(queue, told):
    # Given a hook for what fails and what is empty, and one for every end
    queue.settings(
        f'[notify.bad]\non = ["failed", "idle"]\ncommand = {told.command("bad", "{subject}", "{outcome}")}\n'
        f'[notify.all]\non = "finished"\ncommand = {told.command("all", "{job_id}", "{status}", "{event}")}\n'
    )
    # When one job fails and one completes, and the queue is drained
    failed = queue.python("raise SystemExit(3)")
    good = queue.python("print('well')")
    assert queue.run("--drain").wait(60) == 0
    # Then each hook was told what it wants, once, before the watcher ended
    said = sorted(row["argv"] for row in told.rows())
    assert said[:2] == sorted([["all", failed, "failed", "finished"], ["all", good, "completed", "finished"]])
    assert [row[0] for row in said[2:]] == ["bad", "bad"], said
    assert sorted(told.events()) == ["failed", "finished", "finished", "idle"]
    bad = next(row for row in told.rows() if row["stdin"]["event"] == "failed")
    assert bad["argv"][1].startswith("failed: command ") and bad["argv"][2] == "exit"
    assert bad["stdin"]["job"]["job_id"] == failed and bad["stdin"]["job"]["exit_code"] == 3
    assert bad["env"]["SPOOLQ_EVENT"] == "failed" and bad["env"]["SPOOLQ_JOB_ID"] == failed
    assert bad["env"]["SPOOLQ_LOG"] == str(
        queue.path / "runs" / Path(bad["stdin"]["job"]["log"]).parent.name / "log.txt"
    )
    # And the histories say so, and no mark is left
    assert [(e["hook"], e["told"], e["ok"]) for e in notified(queue, failed)] == [
        ("bad", "failed", True),
        ("all", "finished", True),
    ] or {e["hook"] for e in notified(queue, failed)} == {"bad", "all"}
    assert {e["about"] for e in notified(queue, good)} >= {"end", "idle"}
    assert list(queue.path.glob("runs/*/telling.*")) == []


def test_a_hook_that_fails_or_cannot_run_is_seen_and_touches_nothing(queue, told):
    # Given a hook that fails with a word on stderr, and one whose program is not there
    queue.settings(
        '[notify.bad]\non = "finished"\ncommand = ["sh", "-c", "echo out; echo no such mailbox >&2; exit 9"]\n'
        '[notify.none]\non = "finished"\ncommand = ["/nowhere/at/all"]\n'
    )
    # When a job completes
    job = queue.python("print('well')")
    assert queue.run("--drain").wait(60) == 0
    # Then it has completed, its history has what became of both, and the operator was told
    assert queue.spool.get(job).status == "completed"
    by = {event["hook"]: event for event in notified(queue, job)}
    assert (by["bad"]["ok"], by["bad"]["exit"], by["bad"]["error"]) == (False, 9, "no such mailbox")
    assert (by["none"]["ok"], by["none"]["exit"]) == (False, None) and "No such file" in by["none"]["error"]
    assert f"hook bad failed for finished of {job[:8]} (exit 9): no such mailbox" in queue.said()
    assert "hook none failed" in queue.said()


def test_a_hook_that_hangs_is_killed_with_all_that_it_started_and_holds_up_nobody(queue, tmp_path):
    # Given a hook that forks a daemon out of its session, floods its output, and hangs deaf to SIGTERM
    daemon = tmp_path / "daemon.pid"
    program = tmp_path / "hangs.py"
    program.write_text(
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        f"        open({str(daemon)!r}, 'w').write(str(os.getpid()))\n"
        "        time.sleep(600)\n"
        "    os._exit(0)\n"
        "for _ in range(300): os.write(1, b'x' * 65536)\n"
        "time.sleep(600)\n"
    )
    queue.settings(f'[notify.hangs]\non = "finished"\ntimeout = "1s"\ncommand = ["{sys.executable}", "{program}"]\n')
    # When jobs end
    first = queue.python("print('one')")
    second = queue.python("print('two')")
    assert queue.run("--drain").wait(60) == 0
    # Then both have completed, the hook was killed at its limit, and nothing of it lives
    assert {queue.spool.get(job).status for job in (first, second)} == {"completed"}
    facts = notified(queue, first)[0]
    assert facts["timed_out"] and not facts["ok"] and 0.9 < facts["seconds"] < 5
    assert len(facts["error"]) <= 300
    assert is_gone(int(daemon.read_text()))
    assert "killed after 1 s" in queue.said()


def test_a_daemon_that_a_hook_leaves_behind_ends_with_it(queue, tmp_path):
    # Given a hook that ends well and leaves a daemon that holds its output open
    daemon = tmp_path / "daemon.pid"
    program = tmp_path / "forks.py"
    program.write_text(
        "import os, time\n"
        "r, w = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        f"    open({str(daemon)!r}, 'w').write(str(os.getpid()))\n"
        "    os.write(w, b'.')\n"
        "    time.sleep(600)\n"
        "os.read(r, 1)\n"
    )
    queue.settings(f'[notify.forks]\non = "finished"\ncommand = ["{sys.executable}", "{program}"]\n')
    job = queue.python("print('one')")
    # When a job ends
    began = time.monotonic()
    assert queue.run("--drain").wait(60) == 0
    # Then the hook went well at once, and the daemon is gone
    assert notified(queue, job)[0]["ok"] and time.monotonic() - began < 25
    assert is_gone(int(daemon.read_text()))


def test_a_hanging_hook_delays_no_job(queue, tmp_path):
    # Given a hook that hangs, and a watcher that runs
    queue.settings('[notify.hangs]\non = "finished"\ntimeout = "60s"\ncommand = ["sleep", "600"]\n')
    queue.start()
    # When a first job has ended and its hook hangs
    queue.ended(queue.python("print('one')"))
    wait_for(lambda: [p for p in queue.offspring() if p.cmdline()[:1] == ["sleep"]], what="the hook")
    # Then others run and end, and are seen to
    for name in "abc":
        assert queue.ended(queue.python(f"print('{name}')")).status == "completed"


def test_an_end_that_no_watcher_lived_to_tell_is_told_by_the_next_one(queue, told, lines):
    # Given a watcher whose job runs
    queue.settings(f'[notify.all]\non = ["finished"]\ncommand = {told.command("{job_id}")}\n')
    watcher = queue.start()
    job = queue.script("gated.py", lines.path, "first", "0")
    queue.started(job)
    # When the watcher is killed, and the job ends after that
    os.kill(watcher.pid, signal.SIGKILL)
    watcher.wait(10)
    Path(f"{lines.path}.go").touch()
    queue.until(job, "completed")
    assert told.rows() == []
    # Then the next watcher tells it, and the one after that does not tell it again
    for _ in range(2):
        assert queue.run("--drain").wait(60) == 0
        assert [row["argv"] for row in told.rows()] == [[job]]


def test_a_courier_that_was_killed_while_a_hook_ran_leaves_it_to_the_next(queue, told, tmp_path):
    # Given a hook that hangs until a file is there
    gate = tmp_path / "gate"
    program = tmp_path / "waits.py"
    program.write_text(f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n" + RECORDER)
    hook = json.dumps([sys.executable, str(program), str(told.path), "{job_id}"])
    queue.settings(f'[notify.waits]\non = "finished"\ncommand = {hook}\n')
    watcher = queue.start()
    job = queue.python("print('one')")
    queue.ended(job)
    couriers = wait_for(
        lambda: (
            [p for p in queue.offspring() if "spoolq.notify" in p.cmdline()]
            if list(queue.path.glob("runs/*/telling.*"))
            else []
        ),
        what="a courier at it",
    )
    hooks = wait_for(lambda: [p for c in couriers for p in c.children()], what="its hook")
    # When watcher and courier are killed
    for victim in (watcher.pid, couriers[0].pid):
        os.kill(victim, signal.SIGKILL)
    watcher.wait(10)
    # Then the hook dies with its courier
    wait_for(lambda: not any(hook.is_running() and hook.status() != "zombie" for hook in hooks), what="its death")
    # And the next watcher tells it, once
    gate.touch()
    assert queue.run("--drain").wait(60) == 0
    assert [row["argv"] for row in told.rows()] == [[job]]
    assert list(queue.path.glob("runs/*/telling.*")) == []


def test_two_watchers_tell_once(queue, told):
    # Given two watchers of one spool
    queue.settings(f'[notify.all]\non = ["finished"]\ncommand = {told.command("{job_id}")}\n')
    queue.start()
    queue.run("--slots", "b")
    wait_for(lambda: "slots b" in queue.said(), what="the second watcher")
    # When jobs end
    jobs = [queue.python(f"print({number})") for number in range(6)]
    for job in jobs:
        queue.ended(job)
    # Then each is told once
    wait_for(lambda: len(told.rows()) >= len(jobs), what=f"{len(jobs)} notices; {queue.said()}")
    wait_for(lambda: all(notified(queue, job) for job in jobs), what="their lines")
    for process in queue.processes:
        process.send_signal(signal.SIGTERM)
    for process in queue.processes:
        process.wait(60)
    assert sorted(row["argv"][0] for row in told.rows()) == sorted(jobs)


#: A command run as if on another host: in a UTS namespace of its own, with another name.
ELSEWHERE = ("unshare", "--uts", "sh", "-c", 'hostname host-b && exec "$@"', "sh")


def test_watchers_on_two_hosts_tell_once(queue, told, tmp_path):
    # Given watchers of one spool on hosts of two names, neither of which can see the other's slots
    try:
        subprocess.run([*ELSEWHERE, "true"], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs root and unshare")
    queue.settings(f'[notify.all]\non = ["finished", "idle"]\ncommand = {told.command("{event}", "{job_id}")}\n')
    queue.start()
    queue.run("--slots", "b", prefix=ELSEWHERE, env={"SPOOLQ_LOCK_DIR": str(tmp_path / "locks-b")})
    wait_for(lambda: "slots b" in queue.said(), what="the second watcher")
    # When jobs end on both
    jobs = [queue.python("import time; time.sleep(0.3)") for _ in range(8)]
    hosts = {str(queue.ended(job).worker).rpartition(".")[0] for job in jobs}
    assert "host-b" in hosts and len(hosts) == 2
    # Then each is told once, whoever does it
    wait_for(lambda: all(notified(queue, job) for job in jobs), what=f"their lines; {queue.said()}")
    for process in queue.processes:
        process.send_signal(signal.SIGTERM)
    for process in queue.processes:
        process.wait(60)
    ends = [row["argv"][1] for row in told.rows() if row["argv"][0] == "finished"]
    assert sorted(ends) == sorted(jobs)
    idle = [row["argv"][1] for row in told.rows() if row["argv"][0] == "idle"]
    assert len(idle) == len(set(idle)) >= 1, idle


def test_old_ends_are_not_told_after_a_first_start(queue, told):
    # Given a job that ended before there were hooks, longer ago than max_age
    old = queue.python("print('old')")
    assert queue.run("--drain").wait(60) == 0
    path = next(queue.path.glob("completed/*.json"))
    record = json.loads(path.read_text())
    record["completed_at"] = "2020-01-01T00:00:00.000000+00:00"
    path.write_text(json.dumps(record))
    # When hooks are set and another job ends
    queue.settings(f'[notify.all]\non = ["finished"]\ncommand = {told.command("{job_id}")}\n')
    new = queue.python("print('new')")
    assert queue.run("--drain").wait(60) == 0
    # Then only that is told
    assert [row["argv"] for row in told.rows()] == [[new]]
    assert notified(queue, old) == []


def test_a_retried_job_that_fails_again_is_told_again(queue, told):
    # Given a hook, and a job that failed
    queue.settings(f'[notify.bad]\non = ["failed"]\ncommand = {told.command("{job_id}", "{attempt}")}\n')
    queue.start()
    job = queue.python("raise SystemExit(3)")
    queue.until(job, "failed")
    wait_for(lambda: len(told.rows()) == 1, what="the first notice")
    # When it is retried and fails again
    queue.spool.retry(job)
    # Then it is told again
    wait_for(lambda: len(told.rows()) == 2, what=f"the second; {queue.said()}")
    assert [row["argv"] for row in told.rows()] == [[job, "1"], [job, "2"]]


def test_a_job_whose_log_does_not_grow_or_whose_heart_stands_still_is_stuck(queue, told):
    # Given hooks for jobs that are stuck
    queue.settings(
        'heartbeat = "100ms"\nheartbeat_timeout = "3s"\n[notify]\nquiet = "1s"\n'
        f'[notify.stuck]\non = ["stuck"]\ncommand = {told.command("{job_id}", "{error}", "{status}")}\n'
    )
    queue.start()
    # When a job prints nothing for long
    job = queue.python("import time; print('begin', flush=True); time.sleep(600)")
    queue.started(job)
    # Then it is told once, while it runs on
    wait_for(lambda: told.rows(), what=f"a notice; {queue.said()}")
    assert told.rows()[0]["argv"][0] == job and "its log has not grown for" in told.rows()[0]["argv"][1]
    assert told.rows()[0]["argv"][2] == "running" and queue.spool.get(job).status == "running"
    wait_for(lambda: [event["about"] for event in notified(queue, job)] == ["stuck"], what="its line")
    queue.spool.cancel(job)
    queue.until(job, "cancelled")
    assert len(told.rows()) == 1


def test_a_heartbeat_that_stands_still_is_told(queue, told):
    # Given a hook for jobs that are stuck, and no look at logs
    queue.settings(
        'heartbeat = "100ms"\nheartbeat_timeout = "4s"\n'
        f'[notify.stuck]\non = ["stuck"]\ncommand = {told.command("{error}")}\n'
    )
    queue.start()
    job = queue.python("import time; time.sleep(600)")
    pids = queue.started(job)
    # When all of its shim is stopped
    shim = psutil.Process(pids["shim"])
    shim.suspend()  # RACE: first, or it may start its heartbeat process after we have looked
    family = [shim, *shim.children(recursive=True)]
    for process in family[1:]:
        process.suspend()
    # Then that is told
    wait_for(lambda: told.rows(), what=f"a notice; {queue.said()}")
    assert "its heartbeat has stood still for" in told.rows()[0]["argv"][0]
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.resume()


#: What a job prints, and what must be left of it in an argument.
HOSTILE = {
    "newline": ("a\nSubject: b\r\nc", "a Subject: b"),
    "braces": ("{job_id}{{}}{no_such}",) * 2,
    "shell": ("$(id); `id` && 'x' \"y\"",) * 2,
    "escape": ("\x1b[31mred\x07", "red"),
    "long": ("x" * 100_000, "x" * 300),
}


@pytest.mark.parametrize(("text", "left"), HOSTILE.values(), ids=HOSTILE)
def test_what_a_job_says_is_one_argument_of_one_line(queue, told, text, left):
    # Given a hook whose command takes what the submitter wrote
    hook = told.command("{error}", "e={error}", "{subject}")
    queue.settings(f'[notify.all]\non = ["finished"]\ncommand = {hook}\n')
    # When a job has ended whose error is a hostile text
    queue.python("import sys; sys.stderr.write(sys.argv[1]); sys.exit(3)", text)
    assert queue.run("--drain").wait(60) == 0
    # Then each value stayed one argument on one line, however long it was
    (row,) = told.rows()
    assert len(row["argv"]) == 3
    assert not any(ord(letter) < 32 for word in row["argv"] for letter in word)
    assert all(len(word) < 2000 for word in row["argv"])
    assert row["argv"][1] == "e=" + row["argv"][0]
    assert left in row["argv"][0]
    # And as JSON it is what the job said
    assert row["stdin"]["job"]["error"] == queue.spool.get(row["env"]["SPOOLQ_JOB_ID"]).error


def test_no_value_of_a_job_is_an_option(queue, told):
    # Given a hook whose command takes what the submitter wrote
    queue.settings(f'[notify.all]\non = ["finished"]\ncommand = {told.command("{group}", "--group={group}")}\n')
    # When a job with a group that looks like an option has ended
    publish(Store(queue.path), {"request": {"command": ["true"]}, "group": "--help"})
    assert queue.run("--drain").wait(60) == 0
    # Then it is one only where the operator wrote it so
    assert told.rows()[0]["argv"] == [" --help", "--group=--help"]


def test_secrets_are_masked_in_all_that_is_told(queue, told, posts):
    # Given a hook with a command, and one with a webhook
    queue.settings(
        f'[notify.all]\non = ["finished"]\ncommand = {told.command("{subject}")}\n'
        f'[notify.post]\non = ["finished"]\nwebhook = "{posts.url}/x"\n'
    )
    # When a job with a token in its environment has ended
    queue.spool.submit({"command": ["true"], "env": {"HF_TOKEN": "hunter2", "SEED": "7"}})
    assert queue.run("--drain").wait(60) == 0
    # Then neither was told it
    (row,), (post,) = told.rows(), posts
    assert "hunter2" not in json.dumps(row) and b"hunter2" not in post["body"]
    assert row["stdin"]["job"]["request"]["env"] == {"HF_TOKEN": "***", "SEED": "7"}


def test_a_webhook_gets_the_record_signed_with_the_secret_of_a_file(queue, posts, tmp_path):
    # Given a webhook with a secret
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    queue.settings(f'[notify.post]\non = ["failed"]\nwebhook = "{posts.url}/hook?a=1"\nsecret_file = "{secret}"\n')
    # When a job fails
    job = queue.python("raise SystemExit(3)")
    assert queue.run("--drain").wait(60) == 0
    # Then the server got its record, and can prove from whom and when
    (post,) = posts
    body = json.loads(post["body"])
    assert post["path"] == "/hook?a=1" and body["event"] == "failed" and body["job"]["job_id"] == job
    moment = post["headers"]["X-Spoolq-Timestamp"]
    digest = hmac.new(b"correct horse", moment.encode() + b"." + post["body"], hashlib.sha256).hexdigest()
    assert post["headers"]["X-Spoolq-Signature"] == f"sha256={digest}"
    assert abs(int(moment) - time.time()) < 60 and post["headers"]["Content-Type"] == "application/json"
    assert notified(queue, job)[0]["ok"]


def test_a_redirect_is_not_followed_and_a_refusal_is_seen(queue, posts):
    # Given a server that sends one elsewhere, and one that nobody listens at
    posts.answer, posts.headers = 302, {"Location": f"{posts.url}/elsewhere"}
    queue.settings(
        f'[notify.away]\non = "finished"\nwebhook = "{posts.url}/first"\n'
        '[notify.none]\non = "finished"\nwebhook = "http://127.0.0.1:1/"\n'
    )
    # When a job ends
    job = queue.python("print('well')")
    assert queue.run("--drain").wait(60) == 0
    # Then the record went nowhere else, and both are seen to have failed
    assert [post["path"] for post in posts] == ["/first"]
    by = {event["hook"]: event for event in notified(queue, job)}
    assert not by["away"]["ok"] and "302" in by["away"]["error"]
    assert not by["none"]["ok"] and "refused" in by["none"]["error"]


def test_a_server_that_does_not_answer_costs_no_more_than_the_limit(queue):
    # Given a server that takes connections and says nothing
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        queue.settings(f'[notify.mute]\non = "finished"\ntimeout = "2s"\nwebhook = "{url}"\n')
        job = queue.python("print('well')")
        assert queue.run("--drain").wait(60) == 0
    # Then that is seen
    facts = notified(queue, job)[0]
    assert not facts["ok"] and facts["seconds"] < 10


def test_apprise_is_told_by_urls_from_a_file(queue, posts, tmp_path):
    # Given a private file with a URL of apprise that leads to a server on loopback
    pytest.importorskip("apprise")
    urls = tmp_path / "urls"
    urls.write_text(f"# ours\njson://127.0.0.1:{posts.server.server_port}/hook\n")
    urls.chmod(0o600)
    queue.settings(f'[notify.team]\non = ["failed"]\napprise_file = "{urls}"\n')
    # When a job fails
    job = queue.python("raise SystemExit(3)")
    assert queue.run("--drain").wait(60) == 0
    # Then the service was told what failed
    assert notified(queue, job)[0]["ok"], notified(queue, job)
    body = json.loads(posts[0]["body"])
    assert body["title"].startswith("failed: command ") and body["type"] == "failure"
    assert f"job: {job}" in body["message"] and "outcome: exit" in body["message"]


def test_a_service_of_apprise_that_refuses_is_seen_and_its_url_is_not(queue, posts):
    # Given a service that answers 500, whose URL has a password in it
    pytest.importorskip("apprise")
    posts.answer = 500
    queue.settings(
        f'[notify.team]\non = ["finished"]\napprise = "json://me:hunter2@127.0.0.1:{posts.server.server_port}/x"\n'
    )
    # When a job ends
    job = queue.python("print('well')")
    assert queue.run("--drain").wait(60) == 0
    # Then it is seen to have failed, without the password
    facts = notified(queue, job)[0]
    assert not facts["ok"] and "500" in facts["error"]
    assert "hunter2" not in json.dumps(facts) and "hunter2" not in queue.said()


def test_idle_is_told_once_for_each_time_that_the_queue_has_become_empty(queue, told):
    # Given a hook for the empty queue, and a watcher
    queue.settings(f'[notify.idle]\non = "idle"\ncommand = {told.command("{job_id}")}\n')
    queue.start()
    for count in (1, 2):
        # When two jobs come and end
        jobs = {queue.python("import time; time.sleep(0.2)") for _ in range(2)}
        for job in jobs:
            queue.ended(job)
        # Then it is told once, after the last of them
        wait_for(lambda count=count: len(told.rows()) >= count, what=f"notice {count}; {queue.said()}")
        row = told.rows()[-1]
        assert len(told.rows()) == count and row["argv"][0] in jobs and row["stdin"]["event"] == "idle"


def test_without_hooks_nothing_of_it_is_imported_or_run(queue):
    # Given a spool without hooks, and a watcher that says what it has imported
    probe = (
        "import sys\nfrom spoolq.store import Store\nfrom spoolq.watcher import Watcher\nfrom pathlib import Path\n"
        "w = Watcher(Store(Path(sys.argv[1])), {}, drain=True)\nw.run()\n"
        "print(w.lookout, [n for n in sys.modules if n.startswith('spoolq.notify')])"
    )
    # When it has looked
    words = [sys.executable, "-c", probe, str(queue.path)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    # Then there is no lookout
    assert ran.stdout == "None []\n"
