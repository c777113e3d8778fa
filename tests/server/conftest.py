"""A spool behind a real `spoolq serve` process, and a client that asks it. Each process is ended by pid."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from spoolq.create import create
from spoolq.store import Store
from tests.server.dialect import Lmms
from tests.server.live import Live
from tests.server.lmms_lab import SETTINGS, Lab
from tests.server.stand_in import StandIn
from tests.spooltest.waiting import wait_for

_URL = re.compile(r"http://[^\s]+:[0-9]+")


class Served:
    """A spool and the `spoolq serve` on it; `base` is its URL, the same after a restart."""

    def __init__(self, root: Path) -> None:
        self.root, self.path, self.said_to = root, root / "spool", root / "serve.log"
        create(self.path)
        self.base = ""
        self.process: subprocess.Popen[bytes] | None = None
        self.options: tuple[str, ...] = ()
        self.env: dict[str, str] = {}

    @property
    def store(self) -> Store:
        """The spool, opened afresh, as its settings are now."""
        return Store(self.path, host="host-a")

    def settings(self, text: str) -> None:
        """Write spoolq.toml; a server that runs reads it when it is restarted."""
        (self.path / "spoolq.toml").write_text(text, encoding="utf-8")

    def start(self, *options: str, env: Mapping[str, str] | None = None) -> str:
        """Start it with *options*, and *env* beside ours, on a port of the system's choice; returns its URL."""
        assert self.process is None, "it runs already"
        self.options, self.env = options, dict(env or {})
        return self._launch("0")

    def _launch(self, port: str) -> str:
        offset = len(self.said())
        argv = [sys.executable, "-m", "spoolq", "serve", "--spool", str(self.path), "--port", port, *self.options]
        env = {**os.environ, **self.env}
        with self.said_to.open("ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        wait_for(lambda: _URL.search(self.said(), offset) or not self.runs(), 30, "the server")
        found = _URL.search(self.said(), offset)
        assert found, f"the server ended: {self.said()[offset:]}"
        self.base = found.group()
        return self.base

    def said(self) -> str:
        """What it has printed, all its lives together."""
        return self.said_to.read_text(encoding="utf-8", errors="replace") if self.said_to.exists() else ""

    def runs(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and wait for its end; returns its exit status."""
        assert self.process is not None
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(20)

    def kill(self) -> None:
        """kill -9."""
        self.stop(signal.SIGKILL)

    def restart(self) -> str:
        """Start it again with the same options on the same port."""
        assert self.process is None, "stop it first"
        return self._launch(self.base.rpartition(":")[2])

    def client(self, **options: object) -> httpx.Client:
        """A client of it that uses no proxy; close it."""
        return httpx.Client(base_url=self.base, trust_env=False, timeout=30, **options)  # type: ignore[arg-type]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Served]:
    """A spool whose server is not started yet: write settings, then `start(*options)`."""
    made = Served(tmp_path)
    yield made
    if made.process is not None:
        made.kill()


@pytest.fixture
def served(serving: Served) -> Served:
    """The same with its server running, with the settings' defaults."""
    serving.start()
    return serving


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    """Asks `served`."""
    with served.client() as made:
        yield made


@pytest.fixture
def live(store: Store) -> Iterator[Live]:
    """`/api/v1`, `/metrics` and the streams of `store`, served by a thread."""
    made = Live(store)
    yield made
    made.stop()


@pytest.fixture
def lmms(store: Store) -> Iterator[Lmms]:
    """lmms-eval's dialect of `store`, served by a thread."""
    made = Lmms(store)
    yield made
    made.stop()


@pytest.fixture
def lmms_servers(store: Store) -> Iterator[Callable[..., Lmms]]:
    """Starts such servers of `store`, with options of `[server]`."""
    started: list[Lmms] = []

    def start(**options: Any) -> Lmms:
        started.append(Lmms(store, **options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def lmms_lab(serving: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A server whose evaluations are a package in place of the harness; its `run` starts a runner."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Lab(serving, StandIn(tmp_path / "packages"))
    serving.settings(SETTINGS)
    serving.start(env=made.env)
    yield made
    made.stop()


@pytest.fixture
def far_timers(monkeypatch) -> None:
    """The timers behind the watch are far away: what comes in time was heard. To be asked for before a server is."""
    monkeypatch.setattr("spoolq.server.line._TIMER_S", 60.0)
    monkeypatch.setattr("spoolq.server.wake._TIMER_S", 60.0)
