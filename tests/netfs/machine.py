"""A guest that does what it is told: runs commands, starts `spoolq run`, has its plug pulled and is booted again."""

from __future__ import annotations

import contextlib
import json
import queue
import shlex
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.spooltest.guest import BOOT_S, Guest, python

_AGENT = Path(__file__).with_name("agent.py")
#: A request that is longer than this is refused here; the serial line would lose it.
_MOST = 3500
_SCRIPT = """\
sysctl -q -w kernel.printk='3 4 1 3'
ip link set lo up; ip addr add {address}/24 dev vec0; ip link set vec0 up
modprobe -d /run/uml nfsv4; modprobe -d /run/uml nfsv3
{agent}
"""


@dataclass(frozen=True)
class Done:
    """How a command ended: *code* is None when it was ended after its time."""

    code: int | None
    out: str
    err: str

    def ok(self) -> str:
        """Its output; AssertionError when it failed."""
        assert self.code == 0, f"exit code {self.code}: {self.out[-1000:]}{self.err[-3000:]}"
        return self.out


class Machine:
    """A host of the network, by *name*: reachable over its serial line also while its network is cut off.

    What it runs are this checkout's Python and spoolq, from the host's root; /run and /mnt are its own memory.
    """

    def __init__(self, folder: Path, name: str, address: str, namespace: str) -> None:
        self.folder, self.name, self.address, self.namespace = folder, name, address, namespace
        self.tap = f"tap{name[-1]}"
        self.guest: Guest | None = None
        self._ids = count(1)
        self._waiting: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._sending = threading.Lock()
        self._line: socket.socket | None = None
        self._up = threading.Event()

    def boot(self) -> None:
        """Switch it on; `await_up` says when it answers."""
        assert self.guest is None, f"{self.name} runs already"
        ours, theirs = socket.socketpair()
        self._up.clear()
        script = _SCRIPT.format(address=self.address, agent=python("-I", str(_AGENT)))
        mac = f"02:00:00:00:00:{ord(self.name[-1]):02x}"
        with theirs:
            self.guest = Guest(
                self.folder,
                script,
                name=self.name,
                tap=self.tap,
                mac=mac,
                namespace=self.namespace,
                serial=theirs.fileno(),
            )
        self._line = ours
        threading.Thread(target=self._listen, args=(ours,), daemon=True).start()

    def await_up(self) -> None:
        """Return once it answers."""
        assert self.guest is not None
        assert self._up.wait(BOOT_S), f"{self.name} did not come up: {self.guest.said()[-3000:]}"

    def cut(self) -> None:
        """Pull its plug; whoever waits for an answer gets none."""
        if self.guest is not None:
            self.guest.cut()
            self.guest = None
        if self._line is not None:
            with contextlib.suppress(OSError):  # its end was heard already
                self._line.shutdown(socket.SHUT_RDWR)
            self._line = None

    def _listen(self, line: socket.socket) -> None:
        with line, line.makefile("rb") as lines:
            for text in lines:
                try:
                    message = json.loads(text)
                except ValueError:
                    continue  # what was under way when the plug was pulled
                if message.pop("up", False):
                    self._up.set()
                    continue
                waiting = self._waiting.get(message.pop("id"))
                if waiting is not None:
                    waiting.put(message)
        for waiting in list(self._waiting.values()):
            waiting.put({"fault": f"the plug of {self.name} was pulled"})

    def _ask(self, patience: float, **request: Any) -> dict[str, Any]:
        number = next(self._ids)
        replies = self._waiting[number] = queue.Queue()
        data = json.dumps({"id": number, **request}).encode() + b"\n"
        assert len(data) < _MOST, f"{len(data)} bytes do not fit through the serial line"
        try:
            with self._sending:
                assert self._line is not None, f"{self.name} is off"
                self._line.sendall(data)
                reply = replies.get(timeout=30)
            if "taken" in reply:
                reply = replies.get(timeout=patience)
        except queue.Empty:
            raise AssertionError(f"{self.name} did not answer: {request}") from None
        finally:
            del self._waiting[number]
        assert "fault" not in reply, f"{self.name}: {reply['fault']}"
        return reply

    def run(
        self, argv: Sequence[str], timeout: float = 60, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> Done:
        """Run a command to its end; it is killed after *timeout* seconds."""
        source = str(self._file("stdin", stdin)) if stdin else ""
        reply = self._ask(timeout + 15, do="run", argv=[*argv], timeout=timeout, env=dict(env or {}), stdin=source)
        return Done(**reply)

    def sh(self, command: str, timeout: float = 60) -> Done:
        """Run a line of shell."""
        return self.run(["sh", "-c", command], timeout)

    def python(self, code: str, *argv: str, timeout: float = 60) -> Done:
        """Run a piece of Python; `spoolq` can be imported."""
        return self.run([sys.executable, str(self._file("py", code)), *argv], timeout)

    def _file(self, kind: str, text: str) -> Path:
        """A file that the guest can read."""
        path = self.folder / f"{self.name}.{next(self._ids)}.{kind}"
        path.write_text(text, encoding="utf-8")
        return path

    def spoolq(self, *argv: str, timeout: float = 60, stdin: str = "") -> Done:
        """Run a verb of spoolq."""
        return self.run([sys.executable, "-m", "spoolq", *argv], timeout, stdin=stdin)

    def start(self, argv: Sequence[str], log: str, env: Mapping[str, str] | None = None) -> int:
        """Start a command in the background, its output appended to *log*; its pid."""
        return int(self._ask(30, do="start", argv=[*argv], log=log, env=dict(env or {}))["pid"])

    def kill(self, pid: int, signal: str = "KILL") -> None:
        """Send a signal; nothing when the process is gone."""
        self.sh(f"kill -{signal} {pid} 2>/dev/null")

    def alive(self, pid: int) -> bool:
        """Whether that process lives."""
        return self.sh(f"kill -0 {pid} 2>/dev/null").code == 0

    def read(self, path: str) -> str:
        """What a file of its own holds; "" when there is none."""
        return self.sh(f"cat {shlex.quote(path)} 2>/dev/null").out

    def lines(self, path: str) -> list[list[str]]:
        """The words of each whole line of a file of its own."""
        return [row.split() for row in self.read(path).split("\n")[:-1]]

    def move_clock(self, ahead: float) -> None:
        """Move its clock by that many seconds."""
        code = "import sys, time; time.clock_settime(time.CLOCK_REALTIME, time.time() + float(sys.argv[1]))"
        self.run([sys.executable, "-I", "-c", code, str(ahead)]).ok()
