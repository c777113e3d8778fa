"""An HTTP server that answers what a test has written down, for answers that no server of ours would give."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

#: Method, path and query (single values) -> status and body; text is sent as it stands, all else as JSON.
Answer = Callable[[str, str, dict[str, str]], tuple[int, object]]


class Answering:
    """What was asked, in turn, and where."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def paths(self) -> list[str]:
        """`METHOD PATH` of every request."""
        return [f"{method} {path}" for method, path, _ in self.asked]


@contextmanager
def answering(answer: Answer) -> Iterator[Answering]:
    """Serve *answer* on a port of the system's choice."""
    state = Answering(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            split = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(split.query).items()}
            state.asked.append((self.command, split.path, query))
            state.headers.append(dict(self.headers.items()))
            status, body = state.answer(self.command, split.path, query)
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
