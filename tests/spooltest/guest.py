"""Another machine on this one: a user-mode-linux guest with a kernel, a boot id and disks of its own.

It boots on the host's root directory (hostfs, read-only), so it has the host's Python, this checkout and no image;
/run, /mnt and /dev/shm are its own. It runs one shell script and talks through its console. `cut` is its mains plug.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pytest

KERNEL = "linux.uml"
#: What lets that kernel run on a processor with AMX; see there.
_XSTATE = Path(__file__).with_name("xstate.c")
#: The checkout that the guest works with: this one.
CHECKOUT = Path(__file__).resolve().parents[2]
#: A boot takes about 2 s on an idle machine.
BOOT_S = 60.0

#: pid 1. Whatever the script prints is the console; when it ends the guest halts, or after half an hour: then whoever
#: should have cut it is gone. (No `timeout` around the kernel: a disk is free once the process that we wait for is.)
_INIT = """\
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run LANG=C.UTF-8 TMPDIR=/run
export SPOOLQ_LOCK_DIR=/run/slots PYTHONPATH={checkout} PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs run /run; mount -t tmpfs mnt /mnt
mkdir -p /dev/shm; mount -t tmpfs shm /dev/shm
mkdir -p /run/uml/lib; ln -s /usr/lib/uml/modules /run/uml/lib/modules
hostname {name}
(sleep 1800; halt -f) &
cd {checkout}
{script}
echo
echo HALT $?
halt -f
"""


def why_not(programs: Sequence[str] = ()) -> str | None:
    """Why no guest can be booted here, or one with these *programs* on the host; None when it can."""
    if os.getuid() != 0:
        return "only root can boot a guest that mounts disks"
    compiler = ["gcc"] if _has_amx() else []
    missing = [program for program in (KERNEL, *compiler, *programs) if shutil.which(program) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


def _has_amx() -> bool:
    return "amx_tile" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()


def _preloaded(folder: Path) -> dict[str, str]:
    """The environment without which that kernel dies at its first process, on a processor with AMX."""
    if not _has_amx():
        return {}
    library = folder / "xstate.so"
    if not library.exists():
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-Wl,-z,now", "-o", str(library), str(_XSTATE)], check=True)
    return {"LD_PRELOAD": str(library)}


def need_guests(mark: str, *programs: str) -> None:
    """Skip a suite where it cannot be run; fail it there if SPOOLQ_REQUIRE_<MARK> is set."""
    reason = why_not(programs)
    if reason is not None and os.environ.get(f"SPOOLQ_REQUIRE_{mark.upper()}"):
        pytest.fail(f"{reason}, and this run must have it")
    if reason is not None:
        pytest.skip(reason)


class Guest:
    """One boot of a machine that runs *script* (sh), with its files in *folder* (which is not in /dev, /run or /mnt).

    *disks* are image files on the host: /dev/ubda, /dev/ubdb, and so on; what it writes there outlives it. *tap* is a
    tap device of the host that becomes vec0, in the network *namespace* if that is given. *memory* is taken from
    /dev/shm. *options* go on the kernel's command line, and so into /proc/cmdline. *serial* is a descriptor of ours
    (a socket) that becomes /dev/ttyS0.
    """

    def __init__(
        self,
        folder: Path,
        script: str,
        *,
        name: str = "guest",
        disks: Sequence[Path] = (),
        tap: str | None = None,
        mac: str = "02:00:00:00:00:01",
        namespace: str | None = None,
        memory: str = "256M",
        options: Sequence[str] = (),
        serial: int | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.console = folder / f"{name}.console"
        init = folder / f"{name}.init"
        init.write_text(_INIT.format(checkout=shlex.quote(str(CHECKOUT)), name=name, script=script), encoding="utf-8")
        init.chmod(0o755)
        #: Its memory, and a socket whose path must be short.
        self._own = Path(tempfile.mkdtemp(prefix="guest-", dir="/dev/shm"))
        argv = ["ip", "netns", "exec", namespace] if namespace else []
        argv += [KERNEL, f"mem={memory}", f"uml_dir={self._own}/", "rootfstype=hostfs", "rootflags=/", "ro"]
        argv += ["quiet", "con=null", "con0=null,fd:1", "con1=null", "ssl=null", f"init={init}"]
        argv += [f"ubd{number}={disk}" for number, disk in enumerate(disks)]
        argv += [f"vec0:transport=tap,ifname={tap},mac={mac}"] if tap else []
        argv += [f"ssl0=fd:{serial},fd:{serial}"] if serial is not None else []
        with self.console.open("wb") as console:
            self.process = subprocess.Popen(
                [*argv, *options],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                pass_fds=() if serial is None else (serial,),
                env={**os.environ, **_preloaded(folder), "TMPDIR": str(self._own)},
            )

    def __enter__(self) -> Guest:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.cut()

    def cut(self) -> None:
        """Pull the plug: what its kernel has not handed to a disk is gone. Twice is harmless."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self._own, ignore_errors=True)

    def said(self) -> str:
        """Everything on the console so far."""
        return self.console.read_text(encoding="utf-8", errors="replace")

    def heard(self, word: str) -> list[str]:
        """What followed *word* on each whole line that began with it."""
        lines = self.said().split("\n")[:-1]
        return [line[len(word) :].strip() for line in lines if line.startswith(word)]

    def wait_for(self, word: str, timeout: float = BOOT_S, nth: int = 1) -> str:
        """Wait for the *nth* line that begins with *word*; what followed it.

        AssertionError, with the console's end, after *timeout* seconds, or when the guest has halted without it.
        """
        deadline = time.monotonic() + timeout
        while True:
            over = self.process.poll() is not None or bool(self.heard("HALT"))
            found = self.heard(word)
            if len(found) >= nth:
                return found[nth - 1]
            assert not over, f"guest {self.name} halted and never said {word!r}: {self.said()[-3000:]}"
            assert time.monotonic() < deadline, f"no {word!r} from {self.name} in {timeout:g} s: {self.said()[-3000:]}"
            time.sleep(0.02)


def python(*argv: str) -> str:
    """The shell words that run this interpreter, with its packages and this checkout, in a guest."""
    return shlex.join([sys.executable, *argv])
