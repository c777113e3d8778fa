"""Many clients at once on one HTTP server, each with a connection of its own that is kept: a program of its own.

Reads one JSON document from stdin: `host`, `port`, `connections`, `requests` (that many answers are counted), and
`messages`: pairs of a method with a path, and a body or null, sent in turn. Prints one document: the latencies in ms,
how long it took in all, how much of that this process computed (near 1 it is the bottleneck itself), answers by status.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast


def requests_of(document: dict[str, Any]) -> list[bytes]:
    """Each message as it goes over the wire."""
    host = f"Host: {document['host']}:{document['port']}\r\n"
    made = []
    for line, body in document["messages"]:
        text = "" if body is None else json.dumps(body)
        head = f"{line} HTTP/1.1\r\n{host}"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        made.append(f"{head}\r\n{text}".encode())
    return made


class Load:
    """What all connections share: the next message, and what came of the last ones."""

    def __init__(self, messages: list[bytes], count: int) -> None:
        self.messages: Iterator[bytes] = itertools.cycle(messages)
        self.left = count
        self.open = 0
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Connection(asyncio.Protocol):
    """One client: sends, reads the whole answer, sends again."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.wanted = -1
        self.head, self.got, self.sent = bytearray(), 0, 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember it; `ask` begins when all are connected."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is one without saying so
        self.load.open += 1

    def ask(self) -> None:
        """Send the next message, if any is left."""
        assert self.transport is not None
        if self.load.left <= 0:
            self.transport.close()
            return
        self.load.left -= 1
        self.wanted, self.got = -1, 0
        self.head.clear()
        message = next(self.load.messages)
        self.sent = time.perf_counter()
        self.transport.write(message)

    def data_received(self, data: bytes) -> None:
        """Read on; only the head of an answer is looked at."""
        if self.wanted < 0:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._read_head(bytes(self.head[:end]).lower())
            self.got = len(self.head) - end - 4
        else:
            self.got += len(data)
        if self.got >= self.wanted:
            self.load.latencies.append((time.perf_counter() - self.sent) * 1000)
            self.ask()

    def _read_head(self, head: bytes) -> None:
        self.load.statuses[head[9:12].decode()] += 1
        _, _, rest = head.partition(b"content-length:")
        self.wanted = int(rest.partition(b"\r\n")[0])

    def connection_lost(self, _error: Exception | None) -> None:
        """The last one says that all is done."""
        self.load.open -= 1
        if self.load.open == 0 and not self.load.done.done():
            self.load.done.set_result(None)


async def drive(document: dict[str, Any]) -> dict[str, Any]:
    """Connect, ask until the count is reached, and tell."""
    load = Load(requests_of(document), document["requests"])
    loop = asyncio.get_running_loop()
    made = []
    for _ in range(document["connections"]):
        _, connection = await loop.create_connection(lambda: Connection(load), document["host"], document["port"])
        made.append(connection)
    began, computed = time.perf_counter(), time.process_time()
    for connection in made:
        connection.ask()
    await load.done
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "computing": (time.process_time() - computed) / seconds,
        "latencies": load.latencies,
        "statuses": load.statuses,
    }


def main() -> None:
    """Read the document, drive, print."""
    with contextlib.suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    json.dump(asyncio.run(drive(json.load(sys.stdin))), sys.stdout)


if __name__ == "__main__":
    main()
