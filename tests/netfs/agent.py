"""Runs in a guest: does what its host's `Machine` says over the serial line, one JSON line each way.

The line holds 4 KiB, so a request is acknowledged before the next one is sent. Replies may have any length.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import tty
from typing import Any, BinaryIO

_write = threading.Lock()


def _say(line: BinaryIO, **message: Any) -> None:
    data = memoryview(json.dumps(message).encode() + b"\n")
    with _write:
        while data:
            data = data[line.write(data) :]


def _run(argv: list[str], timeout: float, env: dict[str, str], stdin: str) -> dict[str, Any]:
    try:
        with open(stdin or os.devnull, "rb") as source:  # noqa: PTH123
            done = subprocess.run(
                argv, stdin=source, capture_output=True, timeout=timeout, env={**os.environ, **env}, check=False
            )
    except subprocess.TimeoutExpired as error:
        out, err = (data.decode(errors="replace") if data else "" for data in (error.stdout, error.stderr))
        return {"code": None, "out": out, "err": f"{err}\nended after {timeout:g} s"}
    except OSError as error:
        return {"code": 127, "out": "", "err": str(error)}
    return {"code": done.returncode, "out": done.stdout.decode(errors="replace"), "err": done.stderr.decode()}


def _start(argv: list[str], log: str, env: dict[str, str]) -> dict[str, Any]:
    with open(log, "ab") as out:  # noqa: PTH123
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **env}, start_new_session=True
        )
    threading.Thread(target=process.wait, daemon=True).start()
    return {"pid": process.pid}


def _answer(line: BinaryIO, request: dict[str, Any]) -> None:
    number, verb = request.pop("id"), request.pop("do")
    try:
        reply = {"run": _run, "start": _start}[verb](**request)
    except Exception as error:
        reply = {"fault": f"{type(error).__name__}: {error}"}
    _say(line, id=number, **reply)


def main() -> None:
    fd = os.open("/dev/ttyS0", os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    line = os.fdopen(fd, "r+b", buffering=0)
    _say(line, up=True)
    buffer = b""
    while chunk := os.read(fd, 1 << 16):
        *requests, buffer = (buffer + chunk).split(b"\n")
        for text in requests:
            request = json.loads(text)
            _say(line, id=request["id"], taken=True)
            threading.Thread(target=_answer, args=(line, request), daemon=True).start()
    sys.exit("the serial line was closed")


if __name__ == "__main__":
    main()
