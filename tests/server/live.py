"""The HTTP face of a spool on a free port, in a thread of this process: quick to start, and to look into."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from spoolq.server import app as application
from spoolq.server.listen import bind
from spoolq.store import Store
from tests.spooltest.waiting import wait_for

#: What these tests are about; the other dialects have tests and servers of their own.
OURS = ("login", "metrics", "v1", "events")


class Live:
    """A running server; `client` asks it, `face` is what its routes see."""

    def __init__(self, store: Store, *, routers: Sequence[str] = OURS, prune: bool = False, **options: Any) -> None:
        self.store = store
        listener = bind("127.0.0.1", 0)
        before, application.ROUTERS = application.ROUTERS, tuple(routers)
        try:
            chosen = dataclasses.replace(store.settings.server, **options)
            self.app = application.create_app(store, chosen, prune=prune)
        finally:
            application.ROUTERS = before
        self.face = self.app.state.face
        self.base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(self.app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]}, daemon=True)
        self.thread.start()
        wait_for(lambda: self.server.started or not self.thread.is_alive(), 20, "the server")
        token = options.get("token")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = httpx.Client(base_url=self.base, trust_env=False, timeout=30, headers=headers)

    def make_routes(self) -> None:
        """Have FastAPI make its routes, which it does at the first request, of objects that all applications of a
        process share: two that do so at once, each in its thread, confuse each other. A server has its process for
        itself.
        """
        assert self.client.get("/nowhere").status_code == 404

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        """The document at *path* below `/api/v1`."""
        return self._checked(self.client.get(f"/api/v1{path}", params=query), status)

    def post(self, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """What POSTing *body* there gives."""
        return self._checked(self.client.post(f"/api/v1{path}", json=body, headers=headers), status)

    @staticmethod
    def _checked(answer: httpx.Response, status: int) -> Any:
        assert answer.status_code == status, answer.text
        return answer.json()

    def ids(self, **query: Any) -> list[str]:
        """The ids of a listing's page, in its order."""
        return [job["job_id"] for job in self.get("/jobs", **query)["jobs"]]

    def stop(self) -> None:
        """End it, streams and all."""
        self.client.close()
        self.server.should_exit = True
        self.thread.join(10)
        assert not self.thread.is_alive(), "the server did not stop"


@dataclasses.dataclass(frozen=True)
class Event:
    """A server-sent event; *data* is its JSON."""

    name: str
    id: str | None
    data: Any


class Stream:
    """The events of one stream, as a browser would read them."""

    def __init__(self, response: httpx.Response) -> None:
        self.response, self.comments = response, 0
        self._lines = response.iter_lines()

    def __iter__(self) -> Iterator[Event]:
        name, id, data = "message", None, []
        for line in self._lines:
            if not line:
                if data:
                    yield Event(name, id, json.loads("\n".join(data)))
                name, id, data = "message", None, []
                continue
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not field:
                self.comments += 1
            elif field == "event":
                name = value
            elif field == "id":
                id = value
            elif field == "data":
                data.append(value)

    def until(self, wanted: Any, most: int = 1000) -> list[Event]:
        """The events up to and with the first for which *wanted* holds; fails when there is none among *most*."""
        found: list[Event] = []
        for event in self:
            found.append(event)
            if wanted(event):
                return found
            assert len(found) < most, f"{most} events, and none of them that one"
        raise AssertionError(f"the stream ended after {[(event.name, event.data) for event in found]}")


@contextmanager
def events(client: httpx.Client, path: str, **options: Any) -> Iterator[Stream]:
    """Open the stream at *path*; one that says nothing for 20 s fails."""
    with client.stream("GET", path, timeout=20, **options) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)
