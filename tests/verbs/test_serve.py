"""`spoolq serve`: where it listens, what it refuses, how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from tests.verbs.program import PROGRAM, spoolq


@contextmanager
def serving(spool, *argv):
    """A server on a port that is free: its process and its address."""
    words = [*PROGRAM, "serve", "--spool", str(spool), "--port", "0", *argv]
    server = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        first = server.stderr.readline()
        address = re.search(r"http://\S+", first)
        assert address, first + server.stderr.read()
        yield server, address[0].replace("0.0.0.0", "127.0.0.1")
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
        rest = server.communicate(timeout=20)[1]
        assert "Traceback" not in rest, rest


def ask(url, token=None, **headers):
    """Status and body of a GET."""
    request = urllib.request.Request(url, headers=headers)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_it_says_where_it_serves_and_answers_there(spool):
    with serving(spool) as (server, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert json.loads(ask(f"{url}/openapi.json")[1])["info"]["title"]
        # When it is told to stop
        server.send_signal(signal.SIGTERM)
        # Then it ends at once
        assert server.wait(10) in (0, -signal.SIGTERM)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_off_this_host_it_does_not_start_without_a_token(spool, host):
    ran = spoolq("serve", "--host", host, "--port", "0", ok=False)
    assert ran.code == 4
    assert ran.err == (
        f"spoolq: cannot serve on {host}: it is heard by other hosts, and there is no token. Set `token_file` under "
        "[server] or give --token-file; or listen on 127.0.0.1.\n"
    )


def test_off_this_host_it_starts_with_a_token_and_asks_for_it(spool, tmp_path):
    # Given a token in a file, and one with which one may only look
    (tmp_path / "token").write_text("a" * 32 + "\n" + "b" * 32 + "\n")
    (tmp_path / "token").chmod(0o600)
    with serving(spool, "--host", "0.0.0.0", "--token-file", str(tmp_path / "token")) as (_, url):
        # When it is asked without, with a wrong one, with a right one
        assert ask(f"{url}/openapi.json")[0] == 401
        assert ask(f"{url}/openapi.json", "c" * 32)[0] == 401
        # Then only the last is answered
        assert ask(f"{url}/openapi.json", "a" * 32)[0] == 200
        assert ask(f"{url}/openapi.json", "b" * 32)[0] == 200
        assert ask(f"{url}/openapi.json", "a" * 32, Host="evil.example")[0] == 421


def test_settings_say_where_and_options_win(spool):
    (spool / "spoolq.toml").write_text('[server]\nhost = "203.0.113.1"\nport = 1\nmax_body = 10\n')
    with serving(spool, "--host", "127.0.0.1") as (_, url):
        assert url.startswith("http://127.0.0.1:")


def test_a_port_that_is_taken_is_said(spool):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = spoolq("serve", "--port", port, ok=False)
    assert ran.code == 75
    expected = f"cannot serve on 127.0.0.1:{port}: Address already in use. Choose another --port or --host."
    assert ran.err == f"spoolq: {expected}\n"


def test_a_host_that_is_none_is_said(spool, tmp_path):
    (tmp_path / "token").write_text("a" * 32)
    (tmp_path / "token").chmod(0o600)
    ran = spoolq("serve", "--host", "no.such.host.invalid", "--token-file", tmp_path / "token", ok=False)
    assert ran.code == 75
    assert "cannot serve on no.such.host.invalid:8000: " in ran.err


def test_prune_needs_to_know_how_many_are_kept(spool):
    ran = spoolq("serve", "--prune", ok=False)
    assert ran.code == 2
    assert "--max-completed-jobs" in ran.err


def test_without_the_extra_it_names_it(spool, tmp_path):
    # Given an installation without FastAPI
    (tmp_path / "fastapi.py").write_text("raise ModuleNotFoundError('none', name='fastapi')")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run([*PROGRAM, "serve"], env=env, capture_output=True, text=True, timeout=30, check=False)
    # When it is started, Then the error says what to install
    assert ran.returncode == 5
    wanted = "spoolq: cannot serve: fastapi is not installed. Install the extra: pip install 'spoolq[server]'.\n"
    assert ran.stderr == wanted


def test_the_command_line_without_it_needs_no_extra(spool, tmp_path):
    (tmp_path / "fastapi.py").write_text("raise ModuleNotFoundError('none', name='fastapi')")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    argv = [sys.executable, "-m", "spoolq", "submit", "--", "true"]
    subprocess.run(argv, env=env, capture_output=True, timeout=30, check=True)
