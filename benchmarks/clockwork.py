"""Jobs that say when they started, and the ear that hears them. Nothing on this side polls."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).parent
#: How long a job may be waited for before the run is given up, in seconds.
PATIENCE_S = 60.0
_MS = 1e-6


class Clockwork:
    """Makes the argv of timed jobs, and waits for what they say. All lies in *folder*."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.fifo, self.gate = folder / "said", folder / "gate"
        for path in (self.fifo, self.gate):
            os.mkfifo(path)
        self.compiler = shutil.which("cc")
        self.program = _compile(self.compiler, folder) if self.compiler else [str(_script(folder))]
        # Open for reading and writing: a job's open never blocks, and its close is no end of file.
        self.fd = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.pending: list[str] = []
        self.torn = b""

    def stamp(self, word: str) -> list[str]:
        """A job that says *word* and when it started."""
        return [*self.program, str(self.fifo), word]

    def holder(self, word: str) -> list[str]:
        """A job that says the same, then keeps its slot until `open_gate`; then it says *word*.end and when."""
        return [*self.stamp(word), str(self.gate)]

    def open_gate(self) -> None:
        """Let the holder end; waits until it stands at the gate."""
        os.close(os.open(self.gate, os.O_WRONLY))

    def heard(self, word: str, patience: float = PATIENCE_S) -> int:
        """When the job *word* said so, in nanoseconds of `time.time_ns`; raises TimeoutError."""
        deadline = time.monotonic() + patience
        while True:
            for line in self.pending:
                said, _, at = line.partition(" ")
                if said == word:
                    self.pending.remove(line)
                    return int(at)
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise TimeoutError(f"the job {word} did not start in {patience:g} s")
            *lines, self.torn = (self.torn + os.read(self.fd, 65536)).split(b"\n")
            self.pending.extend(line.decode() for line in lines)

    def close(self) -> None:
        """Close the ear."""
        os.close(self.fd)


def milliseconds(start: int, end: int) -> float:
    """From *start* to *end*, both in nanoseconds."""
    return (end - start) * _MS


def _compile(compiler: str, folder: Path) -> list[str]:
    program = folder / "stamp"
    for linked in (["-static"], []):  # statically linked where the C library allows: nearer to the exec
        words = [compiler, "-O2", *linked, "-o", str(program), str(HERE / "stamp.c")]
        if subprocess.run(words, capture_output=True, check=False).returncode == 0:
            return [str(program)]
    return [str(_script(folder))]


def _script(folder: Path) -> Path:
    script = Path(shutil.copy(HERE / "stamp.sh", folder / "stamp.sh"))
    script.chmod(0o755)
    return script
