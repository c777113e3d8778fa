"""Server-sent events: how one is written, and a response that ends with its reader, with the server, or when stuck."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.types import Receive, Scope, Send

#: A comment is sent this often, in seconds, so that proxies and clients see that the stream lives.
_COMMENT_S = 15
#: A client that takes nothing for so long is let go, in seconds.
_STUCK_S = 30.0


def event(name: str, data: Any, id: str | None = None) -> bytes:
    """One event as it goes over the wire. JSON holds no line break, so `data` is one line."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    head = f"id: {id}\n" if id is not None else ""
    return f"{head}event: {name}\ndata: {text}\n\n".encode("utf-8", "replace")


class Stream(EventSourceResponse):
    """What *events* yields, as it comes; one chunk is under way at a time, so a slow reader holds up only himself."""

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, ping=_COMMENT_S, ping_message_factory=_comment, sep="\n", send_timeout=_STUCK_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until one of the three ends."""
        with contextlib.suppress(SendTimeoutError):
            await super().__call__(scope, receive, send)


def _comment() -> ServerSentEvent:
    return ServerSentEvent(comment="here", sep="\n")
