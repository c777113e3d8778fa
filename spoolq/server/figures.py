"""What the server counts of itself: requests by route, and how long they took. Of this process, gone with it."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: The label of what led to no route: there was none, or the door let nobody in.
NO_ROUTE = "none"


class Figures:
    """Counters in a registry of their own, so that several servers in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "spoolq_http_requests", "Requests answered", ["route", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "spoolq_http_request_seconds",
            "From a request to the first byte of its answer",
            ["route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._of: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request has been answered. To find the two counters by their labels takes longer than to count."""
        found = self._of.get((route, method, status))
        if found is None:
            found = self.requests.labels(route, method, str(status)), self.seconds.labels(route)
            self._of[route, method, status] = found
        found[0].inc()
        found[1].observe(seconds)


class Counted:
    """ASGI middleware that counts requests when their answers begin: a stream may never end."""

    def __init__(self, app: ASGIApp, figures: Figures, clock: Callable[[], float] = time.perf_counter) -> None:
        self.app, self.figures, self.clock = app, figures, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, answered = self.clock(), False

        def count(status: int) -> None:
            nonlocal answered
            answered = True
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self.figures.count(route_of(scope), method, status, self.clock() - began)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception:
            if not answered:
                count(500)
            raise


def route_of(scope: Scope) -> str:
    """The template of the route that a request was led to, with the prefix under which its router is included."""
    template = getattr(scope.get("route"), "path", None)
    if not isinstance(template, str):
        return NO_ROUTE
    # Some versions of FastAPI give the route as its own router has it; the prefixes are plain, so the path has them.
    path, own = scope["path"].rstrip("/").split("/"), template.rstrip("/").split("/")
    return "/".join([*path[: len(path) - len(own) + 1], *own[1:]]) or "/"
