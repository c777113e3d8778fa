"""Run a guest program in the harness's Python, beside the server: it may take long, eat memory, hang or crash."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from spoolq.durations import format_duration
from spoolq.plain import one_line
from spoolq.recipes.launcher import LAUNCHER_VARIABLES
from spoolq.server.face import Face

_GUESTS = Path(__file__).with_name("guest")
#: The longest answer that is read, and how much of what it says meanwhile, in bytes.
_ANSWER, _SAID = 16 << 20, 8 << 10


class NoAnswer(Exception):
    """The guest gave none; the message says why."""


async def ask(face: Face, guest: str, *argv: str, limit: float, env: dict[str, str] | None = None) -> dict[str, Any]:
    """What the program *guest* prints; *limit* is in seconds, *env* goes over the evaluations' environment.

    Raises NoAnswer. When it is cancelled, or at its limit, all of the guest's processes are killed.
    """
    python = face.options.python or sys.executable
    inherited = {name: value for name, value in os.environ.items() if name not in LAUNCHER_VARIABLES}
    environment = {**inherited, **face.store.settings.env, **(env or {})}
    source = (_GUESTS / f"{guest}.py").read_text(encoding="utf-8")
    try:
        process = await asyncio.create_subprocess_exec(
            python, "-c", source, *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=environment, cwd="/", start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise NoAnswer(f"the harness's Python cannot be started: {error.strerror}") from None
    try:
        async with asyncio.timeout(limit):
            return await _answer(process)
    except TimeoutError:
        raise NoAnswer(f"there was no answer within {format_duration(limit)}") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _answer(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None and process.stderr is not None
    said, answer = asyncio.create_task(_tail(process.stderr)), bytearray()
    try:
        while chunk := await process.stdout.read(1 << 16):
            answer += chunk
            if len(answer) > _ANSWER:
                raise NoAnswer(f"the answer is longer than {_ANSWER} bytes")
        with contextlib.suppress(ValueError):
            document = json.loads(answer)
            if isinstance(document, dict):
                return document
        status = await process.wait()
        rows = (await said).decode("utf-8", "replace").strip().splitlines()
        raise NoAnswer(f"the harness's Python ended with {status}" + (f": {one_line(rows[-1])[:500]}" if rows else ""))
    finally:
        said.cancel()


async def _tail(reader: asyncio.StreamReader) -> bytes:
    kept = b""
    while chunk := await reader.read(1 << 12):
        kept = (kept + chunk)[-_SAID:]
    return kept
