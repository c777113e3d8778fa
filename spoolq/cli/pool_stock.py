"""`spoolq pool add`, `list`, `load`, `drain` and `remove`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from spoolq.cli.options import open_store
from spoolq.errors import PoolUnknown, RequestInvalid

if TYPE_CHECKING:
    from spoolq.stock import Pool, Resource
    from spoolq.store import Store

#: A name or an address, an IPv6 one in brackets, and a port.
_ENDPOINT = re.compile(r"(?:\[(?P<address>[0-9a-fA-F:.]+)\]|(?P<host>[^\s:\[\]{}/]+)):(?P<port>[0-9]{1,5})")


def run(
    action: str, words: Sequence[str], *, jobs: Path | None, index: int | None, off: bool, spool: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Do it, and say what was done."""
    store = open_store(spool)
    if action == "add":
        said = _add(store, words[0], words[1:])
    elif action == "list":
        said = _list(store, words)
    elif action == "load":
        said = _load(store, Path(words[0]), jobs)
    elif action == "drain":
        said = _drain(store, words[0], on=not off)
    else:
        said = _remove(store, words[0], index)
    from spoolq import render

    document, lines = said
    if as_json:
        render.emit_json(document)
    else:
        for line in lines:
            render.line(line)


Said = tuple[Any, list[str]]


def _add(store: Store, kind: str, texts: Sequence[str]) -> Said:
    from spoolq.stock import add, check

    resources = [_resource(text) for text in texts]
    for resource in resources:  # all of them, before the first is added
        check(kind, resource)
    added = [add(store, kind, resource) for resource in resources]
    return {"type": kind, "indices": added}, [f"added {kind}[{index}]" for index in added]


def _resource(text: str) -> dict[str, Any]:
    from spoolq.documents import parse_object

    endpoint = _ENDPOINT.fullmatch(text)
    if endpoint is not None and int(endpoint["port"]) < 1 << 16:
        return {"host": endpoint["host"] or endpoint["address"], "port": int(endpoint["port"])}
    if not text.lstrip().startswith("{"):
        raise typer.BadParameter(f"{text!r} is neither host:port nor a JSON object", param_hint="RESOURCE")
    return parse_object(text.encode("utf-8", "surrogateescape"), "the resource")


def _list(store: Store, words: Sequence[str]) -> Said:
    from spoolq.stock import pools

    found = pools(store)
    if words:
        found = [pool for pool in found if pool.kind == words[0]]
        if not found:
            raise PoolUnknown(words[0])
    lines = [line for pool in found for line in _shown(pool)]
    return {"pools": [_document(pool) for pool in found]}, lines or ["no resources; `spoolq pool add` adds some"]


def _used(pool: Pool) -> int:
    return sum(1 for row in pool.resources if row.worker is not None)


def _shown(pool: Pool) -> list[str]:
    from spoolq import render

    total, used = len(pool.resources), _used(pool)
    share = f"{used / total:.0%}" if total else "0%"
    head = f"{pool.kind}  {used} of {total} leased ({share}){'  draining' if pool.draining else ''}"
    return [render.coloured(head, "bold"), *(_row(row) for row in pool.resources)]


def _row(row: Resource) -> str:
    from spoolq import render

    what = "cannot be read" if row.resource is None else endpoint(row.resource)
    who = "" if row.worker is None else f"  {row.worker} for job {row.job}{_since(row.beat)}"
    return render.safe(f"  {row.index:>3}  {what}{who}")


def _since(beat: float | None) -> str:
    import time

    from spoolq.durations import format_duration

    return "" if beat is None else f", heard {format_duration(max(0.0, time.time() - beat))} ago"


def endpoint(resource: dict[str, Any]) -> str:
    """``HOST PORT`` of a resource that has just these two to say, or all of it as JSON."""
    host, port = resource.get("host"), resource.get("port")
    if isinstance(host, str) and host and isinstance(port, int | str) and not isinstance(port, bool):
        return f"{host} {port}"
    return json.dumps(resource, ensure_ascii=False)


def _document(pool: Pool) -> dict[str, Any]:
    from datetime import UTC, datetime

    def lease(row: Resource) -> dict[str, Any] | None:
        if row.worker is None:
            return None
        at = None if row.beat is None else datetime.fromtimestamp(row.beat, UTC).isoformat(timespec="microseconds")
        return {"worker": row.worker, "job_id": row.job, "heartbeat_at": at}

    total = len(pool.resources)
    rows = [{"index": row.index, "resource": row.resource, "lease": lease(row)} for row in pool.resources]
    facts = {"type": pool.kind, "total": total, "used": _used(pool), "draining": pool.draining}
    return {**facts, "utilisation": _used(pool) / total if total else 0.0, "resources": rows}


def _load(store: Store, resources: Path, jobs: Path | None) -> Said:
    from dataclasses import asdict

    from spoolq import render
    from spoolq.pool_load import load

    done = load(store, _read(resources), [] if jobs is None else _read(jobs))
    for kind, count in done.missing.items():
        noun = "job waits" if count == 1 else "jobs wait"
        render.talk(f"no resources of type {render.safe(kind)}: {count} {noun} for them in vain")
    lines = [f"added {done.resources} resources, {done.resources_known} were there"]
    if jobs is not None:
        lines.append(f"added {done.pending} jobs and {done.done} that are done, {done.jobs_known} were there")
    return asdict(done), lines


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise RequestInvalid(f"cannot load {path}: it is no JSON: {error}. Give the file as it was written.") from None


def _drain(store: Store, kind: str, on: bool) -> Said:
    from spoolq.stock import drain

    changed = drain(store, kind, on)
    state = "draining" if on else "open"
    return {"type": kind, "draining": on, "changed": changed}, [f"{kind} {'is' if changed else 'was already'} {state}"]


def _remove(store: Store, kind: str, index: int | None) -> Said:
    from spoolq.stock import remove

    count = remove(store, kind, index)
    what = f"{kind}[{index}]" if index is not None else f"{count} of type {kind}"
    return {"type": kind, "removed": count}, [f"removed {what}"]
