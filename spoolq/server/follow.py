"""The events of one job's log: before it starts, through its attempts, to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from spoolq.errors import JobNotFound
from spoolq.names import Stem
from spoolq.server.face import Face
from spoolq.server.pulse import Pulse
from spoolq.server.records import Records
from spoolq.server.sse import event
from spoolq.server.tail import Piece, Tail
from spoolq.transitions import TERMINAL

#: A look at the job without a word from the pulse, in seconds.
_LONGEST_S = 15.0


async def follow(
    face: Face, records: Records, pulse: Pulse, stem: Stem, at: tuple[int, int] | None, lines: int | None
) -> AsyncGenerator[bytes, None]:
    """`log` and `attempt` events as they come, at last `end`; nothing more when the job is pruned meanwhile.

    *at*: attempt and offset to go on from; else *lines* lines before the end, or from the beginning.
    """
    tail = await face.work(Tail, face.store, stem.key, at, lines)
    try:
        with pulse.following(stem.uuid, stem.key) as follower:
            while True:
                follower.changed.clear()
                try:
                    ended = await face.work(
                        _ended, face, records, stem.uuid
                    )  # before the log: after the end nothing comes
                except JobNotFound:
                    return
                while (piece := await face.work(tail.read, final=ended is not None)) is not None:
                    yield _written(piece)
                if ended is not None:
                    yield event("end", ended, f"{tail.attempt}:{tail.offset}")
                    return
                await _either(follower.changed)
    finally:
        tail.close()


def _written(piece: Piece) -> bytes:
    if piece.begins:
        return event("attempt", {"attempt": piece.attempt}, f"{piece.attempt}:0")
    data = {"attempt": piece.attempt, "offset": piece.offset, "text": piece.text}
    return event("log", data, f"{piece.attempt}:{piece.end}")


def _ended(face: Face, records: Records, uuid: str) -> dict[str, Any] | None:
    """The record of a job that has ended; None while it has not, or its record is not written. Raises JobNotFound."""
    entry = face.view.find(uuid)
    if entry.state not in TERMINAL:
        return None
    record = records.of(entry)
    return record if record is not None and record["outcome"] is not None else None


async def _either(changed: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_LONGEST_S):
            await changed.wait()
    except TimeoutError:
        return
