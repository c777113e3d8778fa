"""What hundreds of clients ask again and again is answered before the router: it takes more time than the answers.

A lane answers what is plain, and leaves everything else, faults too, to the route of the same name, which does the same
with all that belongs to it. So no lane has a rule of its own, and the routes are right without any.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spoolq.errors import SpoolqError
from spoolq.server import faults

#: Gives the body of an answer in JSON, or None: the route must do it. Takes the rest of the path, and the body.
Answer = Callable[[str, bytes], Awaitable[bytes | None]]
_WRITES = "POST"


@dataclass(frozen=True, slots=True)
class Lane:
    """One way past the router; *path* is its route's template, by which it is counted."""

    path: str
    answer: Answer


class Lanes:
    """Those of an application: by method, and by path up to its last `/` where the route takes the rest."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], Lane] = {}

    def add(self, method: str, path: str, answer: Answer) -> None:
        """Answer *path* (`/queue`, or `/jobs/{job_id}`) by *answer* where it can."""
        self._of[method, path.partition("{")[0]] = Lane(path, answer)

    def find(self, scope: Scope) -> tuple[Lane, str] | None:
        """The lane of a request, and the rest of its path."""
        method, path = scope["method"], scope["path"]
        lane = self._of.get((method, path))
        if lane is not None:
            return (lane, "") if "{" not in lane.path else None
        head, _, rest = path.rpartition("/")
        lane = self._of.get((method, f"{head}/"))
        return (lane, rest) if lane is not None and "{" in lane.path else None


class Quick:
    """ASGI middleware in front of the router, behind the door. *root* is the spool's."""

    def __init__(self, app: ASGIApp, lanes: Lanes, root: str) -> None:
        self.app, self.lanes, self.root = app, lanes, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on as if nobody had looked at it."""
        found = self.lanes.find(scope) if scope["type"] == "http" else None
        if found is None or (scope["method"] == _WRITES and not _is_plain(scope)):
            await self.app(scope, receive, send)
            return
        (lane, rest), body = found, b""
        if scope["method"] == _WRITES:
            whole = await _read(receive)
            if whole is None:
                return  # who asked has gone
            body, receive = whole, _again(whole, receive)
        try:
            answer = await lane.answer(rest, body)
        except (SpoolqError, OSError) as error:
            scope["route"] = lane
            await faults.response(Request(scope), error, self.root)(scope, receive, send)
            return
        if answer is None:
            await self.app(scope, receive, send)
            return
        scope["route"] = lane
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def _is_plain(scope: Scope) -> bool:
    """Whether the body is JSON that says how long it is, so that the door has judged its length already."""
    kind, length = b"", b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            kind = value
        elif name == b"content-length":
            length = value
    return kind == b"application/json" and length.isdigit()


async def _read(receive: Receive) -> bytes | None:
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, for the route; then what comes."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return left.pop() if left else await receive()

    return replayed
