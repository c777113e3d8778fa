"""lmms-eval's routes under two hundred clients: `spoolq serve` beside lmms-eval's own server, both deep in work."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.bed import Bed
from benchmarks.http_servers import CONNECTIONS, REQUEST, Answers, Server, ours, theirs
from benchmarks.report import Figure, Line
from benchmarks.samples import median, number, quantile, ratios, spread

DEPTH = 10_000
#: Route -> requests of a round. What changes the queue comes last: of lmms-eval's server it cannot be taken back.
_COUNTS = {"GET /jobs/{id}": 1200, "GET /queue": 600, "POST /evaluate": 2000}


def measure(bed: Bed, peer: Path | None) -> Figure:
    """Each route in rounds, the servers in turn, each first in every other round."""
    rounds, depth = bed.rounds(7, 2), bed.scaled(DEPTH, 500)
    figure = Figure(
        "http",
        "lmms-eval's routes over HTTP",
        f"{CONNECTIONS} connections that are kept, each asking again as soon as it is answered; {depth} jobs wait when "
        f"each of {rounds} rounds begins. The jobs asked for are drawn at random. durability `full`: what is "
        "answered is on disk. The client is a process of its own. Beside it lmms-eval's own server, with as many jobs "
        "queued in its memory and one that runs; each server waits while the other is driven.",
    )
    with ExitStack() as stack:
        servers = {"ours": stack.enter_context(ours(bed, depth))}
        if peer is not None:
            servers["theirs"] = stack.enter_context(theirs(bed, peer, depth))
        else:
            figure.notes.append("lmms-eval's own server was not measured: give `--peer-python`, one that has it.")
        for server in servers.values():  # what is imported, or started, when it is first asked for
            for route in _COUNTS:
                server.drive(_messages(server, route, 0), CONNECTIONS)
        for route, full in _COUNTS.items():
            found = _rounds(servers, route, bed.scaled(full, 300), rounds)
            figure.lines += _lines(route, found)
            for name, answers in found.items():
                figure.samples[f"{route}, {name}, requests/s"] = [one.rate for one in answers]
                figure.samples[f"{route}, {name}, ms"] = [value for one in answers for value in one.latencies]
                figure.samples[f"{route}, {name}, share of the client"] = [one.client for one in answers]
    busiest = max(max(values) for name, values in figure.samples.items() if name.endswith("share of the client"))
    figure.notes.append(f"The client computed at most {busiest:.0%} of a round, so it was not what was measured.")
    return figure


def _rounds(servers: dict[str, Server], route: str, count: int, rounds: int) -> dict[str, list[Answers]]:
    found: dict[str, list[Answers]] = {name: [] for name in servers}
    for turn in range(rounds):
        names = list(servers) if turn % 2 else list(servers)[::-1]
        for name in names:
            server = servers[name]
            server.restore()
            found[name].append(server.drive(_messages(server, route, turn), count))
    return found


def _messages(server: Server, route: str, turn: int) -> Sequence[tuple[str, Any]]:
    if route == "POST /evaluate":
        return [(route, REQUEST)]
    if route == "GET /queue":
        return [(route, None)]
    ids = server.get("/queue")["queued_jobs"]
    return [(f"GET /jobs/{job}", None) for job in random.Random(turn).sample(ids, min(1000, len(ids)))]


def _lines(route: str, found: dict[str, list[Answers]]) -> list[Line]:
    rates = {name: [one.rate for one in answers] for name, answers in found.items()}
    slow = {name: [quantile(one.latencies, 0.99) for one in answers] for name, answers in found.items()}
    lines = [Line(f"{route}, answers", spread(rates["ours"], "/s")), Line(f"{route}, p99", spread(slow["ours"], "ms"))]
    if "theirs" in found:
        faster, shorter = ratios(rates["ours"], rates["theirs"]), ratios(slow["ours"], slow["theirs"])
        for line, values, unit, ratio in (
            (lines[0], rates["theirs"], "/s", faster),
            (lines[1], slow["theirs"], "ms", shorter),
        ):
            line.beside = f"lmms-eval {spread(values, unit)}"
            line.ratio = f"{number(median(ratio))} ({number(min(ratio))} to {number(max(ratio))})"
        lines[0].mark, lines[0].met = "over 1", median(faster) > 1
        lines[1].mark, lines[1].met = "under 1", median(shorter) < 1
    return lines
