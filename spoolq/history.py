"""``runs/KEY/history.jsonl``: one line an event, written by whoever runs. Attempts are counted from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spoolq.files import revalidate
from spoolq.store import Store


def record(store: Store, key: str, event: str, *, sync: bool = False, **facts: Any) -> None:
    """Append an event of job *key*; creates the run folder. Raises OSError: a claim that cannot write is given back."""
    run = store.layout.run(key)
    line = json.dumps({"at": store.now(), "event": event, **facts}, ensure_ascii=False) + "\n"
    try:
        store.disk.append_line(run.history, line.encode(), sync=sync)
    except FileNotFoundError:
        store.disk.make_directory(run.path)
        store.disk.append_line(run.history, line.encode(), sync=sync)


def events(store: Store, key: str) -> list[dict[str, Any]]:
    """All events of job *key*, oldest first; [] without a history. A torn last line (a crash) is left out."""
    path = store.layout.run(key).history
    try:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            if not store.network:
                return []
            # RACE: another host may have begun it since this one last looked; attempts are counted from it.
            revalidate(store.layout.runs, path.parent)
            data = path.read_bytes()
    except OSError:
        return []
    rows = data.splitlines()
    found = []
    for row in rows:
        try:
            event = json.loads(row)
        except ValueError:
            continue
        if isinstance(event, dict):
            found.append(event)
    return found


def attempts(past: list[dict[str, Any]], standing: str | None = None) -> int:
    """How many attempts the job has had: its claims, less those given back before anything was started.

    *standing* is the nonce of a claim that stands now: an attempt even when a power cut took its line.
    """
    nonces = {str(event["nonce"]) for event in past if event.get("event") in ("claimed", "reclaimed")}
    unstarted = {str(e.get("nonce")) for e in past if e.get("event") == "requeued" and not e.get("started")}
    if standing is not None:
        nonces.add(standing)
    return len(nonces - unstarted)


def last(past: list[dict[str, Any]], name: str, nonce: str | None = None) -> dict[str, Any] | None:
    """The newest event *name* (of the claim *nonce*, if given), or None."""
    matching = (e for e in reversed(past) if e.get("event") == name and (nonce is None or e.get("nonce") == nonce))
    return next(matching, None)


def was_retried(past: list[dict[str, Any]], record: Mapping[str, Any]) -> bool:
    """Whether *record* tells of an end before a retry: the file of a retried job holds it until its next end."""
    return any(event.get("event") == "retried" and event.get("of") == record.get("claim") for event in past)


def was_raised(past: list[dict[str, Any]], level: str) -> bool:
    """Whether somebody who may has given the job that priority; its file's name alone proves nothing."""
    return any(event.get("event") == "prioritised" and event.get("level") == level for event in past)


def since_retry(past: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events since a person last asked for a retry: what `max_attempts` counts."""
    asked = [index for index, event in enumerate(past) if event.get("event") == "retried"]
    return past[asked[-1] :] if asked else past


def chain(past: list[dict[str, Any]], nonce: str) -> list[str]:
    """The nonces of an attempt, newest first: *nonce*, and through the adoptions back to the one it began under."""
    found = [nonce]
    for event in reversed(past):
        if event.get("event") == "adopted" and event.get("nonce") == found[-1]:
            found.append(str(event["of"]))
    return found


def seniority(past: list[dict[str, Any]], nonce: str) -> tuple[int, int]:
    """Orders the claims of a job by when they were made, the later the greater; a canceller's, without a line, first.

    By the order of the lines, not by `at`: no two hosts' clocks are compared.
    """
    attempt = chain(past, nonce)
    begun = next((i for i, event in enumerate(past) if attempt[-1] in (event.get("nonce"), event.get("of"))), -1)
    return begun, len(attempt)


def origin(past: list[dict[str, Any]], nonce: str) -> str:
    """The nonce that an attempt began under."""
    return chain(past, nonce)[-1]
