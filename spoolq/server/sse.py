"""Server-sent events: how one is written, and a response that ends with its reader, with the server, or when stuck."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import anyio
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.types import Receive, Scope, Send

#: A comment is sent this often, in seconds, so that proxies and clients see that the stream lives.
_COMMENT_S = 15
#: A client that takes nothing for so long is let go, in seconds.
_STUCK_S = 30.0
#: How long a stream may take to end when the server does, in seconds; less than the server's own grace.
_STOP_S = 1.0


def event(name: str, data: Any, id: str | None = None) -> bytes:
    """One event as it goes over the wire. JSON holds no line break, so `data` is one line."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    head = f"id: {id}\n" if id is not None else ""
    return f"{head}event: {name}\ndata: {text}\n\n".encode("utf-8", "replace")


class Stream(EventSourceResponse):
    """What *events* yields, as it comes; one chunk is under way at a time, so a slow reader holds up only himself."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        stop = anyio.Event()
        super().__init__(
            until(events, stop),
            ping=_COMMENT_S,
            ping_message_factory=_comment,
            sep="\n",
            send_timeout=_STUCK_S,
            shutdown_event=stop,
            shutdown_grace_period=_STOP_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until one of the three ends."""
        with contextlib.suppress(SendTimeoutError):
            await super().__call__(scope, receive, send)


async def until(events: AsyncGenerator[bytes, None], stop: anyio.Event) -> AsyncIterator[bytes]:
    """*events* until there are no more, or *stop* is set: then the stream ends whole, and not cut off in a chunk."""
    stopping = asyncio.create_task(stop.wait())
    step: asyncio.Future[bytes] = asyncio.ensure_future(anext(events))
    try:
        while True:
            await asyncio.wait((step, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not step.done():
                return
            try:
                piece = step.result()
            except StopAsyncIteration:
                return
            yield piece
            step = asyncio.ensure_future(anext(events))
    finally:
        for task in (stopping, step):
            task.cancel()
        await asyncio.gather(stopping, step, return_exceptions=True)
        await events.aclose()


def _comment() -> ServerSentEvent:
    return ServerSentEvent(comment="here", sep="\n")
