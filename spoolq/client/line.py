"""The line to a server's `/api/v1`: requests, their faults, and streams that are taken up again when they break."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from spoolq.client.faults import TryLater, check, unreachable
from spoolq.client.stream import Event, events

#: A stream says something every 15 s; when it has not for so many seconds, the connection is dead.
_SILENCE_S = 45.0
#: A broken stream is taken up again for so long, in seconds, and so often: a server is restarted in less.
_PATIENCE_S, _PAUSE_S = 60.0, 0.5


class Line:
    """Connections to *base_url*; *timeout* is of one request, in seconds, None for none."""

    def __init__(self, base_url: str, token: str | None, timeout: float | None) -> None:
        self.base_url, self.timeout = base_url.rstrip("/"), timeout
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(timeout=timeout, headers=headers)

    def ask(self, method: str, path: str, **said: Any) -> httpx.Response:
        """The answer of `/api/v1` + *path*; raises Unreachable, or what `check` makes of a refusal."""
        try:
            response = self.http.request(method, f"{self.base_url}/api/v1{path}", **said)
        except httpx.HTTPError as error:
            raise unreachable(self.base_url, error) from None
        check(response)
        return response

    def json(self, method: str, path: str, **said: Any) -> Any:
        """The same, parsed."""
        return self.ask(method, path, **said).json()

    def listen(self, path: str, params: Mapping[str, Any], last: str | None = None) -> Iterator[Event]:
        """The events of a stream, behind the one with the id *last*; one that breaks is taken up where it broke.

        Ends never: the caller knows the last event. Raises Unreachable when it cannot be taken up for a minute.
        """
        broken_since: float | None = None
        while True:
            try:
                for event in self._stream(path, params, last):
                    broken_since, last, params = None, event.id or last, {}
                    yield event
            except (httpx.TransportError, TryLater) as error:
                broken_since = broken_since or time.monotonic()
                if time.monotonic() - broken_since > _PATIENCE_S:
                    if isinstance(error, TryLater):
                        raise
                    raise unreachable(self.base_url, error) from None
            time.sleep(_PAUSE_S)

    def _stream(self, path: str, params: Mapping[str, Any], last: str | None) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream"} | ({} if last is None else {"Last-Event-ID": last})
        url, patience = f"{self.base_url}/api/v1{path}", httpx.Timeout(self.timeout, read=_SILENCE_S)
        with self.http.stream("GET", url, params=dict(params), headers=headers, timeout=patience) as response:
            if not response.is_success:
                response.read()
                check(response)
            yield from events(response.iter_lines())
