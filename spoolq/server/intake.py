"""Submitting over HTTP: what a request may name on this host, and that one key queues one job, whatever is killed.

What is submitted here is the server's user's: the token is the only thing that tells strangers apart.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spoolq import requests
from spoolq.documents import MAX_DEPTH, is_deeper
from spoolq.errors import NotAllowed, RequestInvalid, SpoolqError
from spoolq.jobs import Entry, describe
from spoolq.keyed import find_id, uuid_of
from spoolq.names import Stem
from spoolq.parents import require
from spoolq.requests import Job
from spoolq.server.face import Face
from spoolq.submit import publish


def check(face: Face, document: Mapping[str, Any]) -> Job:
    """The job in *document*, if a request over HTTP may ask for it; raises RequestInvalid naming the field."""
    if is_deeper(dict(document), MAX_DEPTH):
        raise RequestInvalid(f"the request is nested deeper than {MAX_DEPTH} levels")
    job = requests.accept(document, os.getuid(), face.store.settings)
    allowed = face.options.recipes
    if allowed is not None and job.recipe.name not in allowed:
        raise RequestInvalid(
            f"field `recipe`: {job.recipe.name!r} is not open to requests over HTTP; the operator may list it in "
            "`recipes` under [server]",
            "recipe",
        )
    require(face.store, job.envelope.after)
    if not job.is_workers:  # a remote worker's request names nothing on this host
        _check_paths(face, job.request)
    return job


def submit(face: Face, document: Mapping[str, Any], *, key: str | None = None) -> tuple[Stem, bool]:
    """Queue *document*; returns its STEM, and whether it is new. Once this has returned, the job survives a power cut.

    With *key* the same key gives the same job, also after a crash, also by another server: the job's id is made of the
    key, and whether it is there is looked up under the lock. Raises RequestInvalid, NotAllowed when the key was used
    for another request, SpoolUnusable, LockTimeout.
    """
    return _put(face, document, check(face, document), key)


def submit_all(
    face: Face, documents: Sequence[Mapping[str, Any]], *, key: str | None = None
) -> list[tuple[Stem, bool]]:
    """Queue several, all or none: each is checked before the first is queued. The rest as `submit`, for each.

    CRASH: killed between two of them, those before are queued. Sent again with the same *key*, they are found.
    """
    jobs = []
    for place, document in enumerate(documents):
        try:
            jobs.append(check(face, document))
        except RequestInvalid as error:
            raise RequestInvalid(f"job {place}: {error}", f"jobs.{place}.{error.field or ''}".rstrip(".")) from None
    queued: list[tuple[Stem, bool]] = []
    try:
        for place, (document, job) in enumerate(zip(documents, jobs, strict=True)):
            queued.append(_put(face, document, job, None if key is None else f"{key}\0{place}"))
    except SpoolqError:
        _withdraw(face, [stem for stem, new in queued if new])
        raise
    return queued


def _put(face: Face, document: Mapping[str, Any], job: Job, key: str | None) -> tuple[Stem, bool]:
    if key is None:
        return publish(face.store, document, job.envelope.priority), True
    uuid = uuid_of(key)
    with face.store.locked():
        # CRASH: killed before the rename inside `publish`, there is no job of that id, and the next try makes it.
        known = find_id(face.store, uuid)
        if known is None:
            return publish(face.store, document, job.envelope.priority, uuid=uuid), True
    _check_same(face, known, job, key)
    return known.stem, False


def _withdraw(face: Face, stems: Sequence[Stem]) -> None:
    """Take back what was queued of a batch that failed. RACE: what a runner has claimed meanwhile runs."""
    for stem in stems:
        with contextlib.suppress(OSError):  # a disk that refuses this too: the log says of what it failed
            face.store.disk.unlink(face.store.layout.queued(stem))


def _check_same(face: Face, known: Entry, job: Job, key: str) -> None:
    record = describe(face.store, known)
    asked = None if record is None else record["request"]
    # A queued job's file holds what was submitted, an ended one's the request with its defaults.
    same = asked is None or _digest(asked) == _digest(job.request) or _digest(asked) == _digest(job.envelope.request)
    if not same:
        shown = key.partition("\0")[0][:80]
        raise NotAllowed(
            f"cannot submit: the key {shown!r} was used for another request, job {known.stem.uuid}. Use a new key."
        )


def _digest(request: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def _check_paths(face: Face, request: Mapping[str, Any]) -> None:
    """Raise RequestInvalid for a path that the operator has not opened to requests over HTTP."""
    roots = face.options.output_roots
    roots = face.store.settings.output_roots if roots is None else roots
    if request.get("output_dir"):
        check_under("output_dir", str(request["output_dir"]), roots, "output_roots")
    if request.get("include_path"):
        check_under("include_path", str(request["include_path"]), face.options.include_roots, "include_roots")
    tasks = request.get("tasks")
    for place, task in enumerate(tasks if isinstance(tasks, list) else []):
        # Harnesses take a file or a folder of task definitions, which are code, where a task's name is expected.
        if isinstance(task, str) and ("/" in task or task.endswith((".yaml", ".yml", ".py", ".json"))):
            check_under(f"tasks.{place}", task, face.options.include_roots, "include_roots")


def check_under(field: str, wanted: str, roots: Sequence[str], setting: str) -> None:
    """Raise RequestInvalid unless the path *wanted* lies, links followed, under one of *roots*."""
    real = Path(os.path.realpath(wanted))
    if Path(wanted).is_absolute() and any(real.is_relative_to(os.path.realpath(root)) for root in roots):
        return
    raise RequestInvalid(
        f"field `{field}`: {wanted!r} is under no directory that is open to requests over HTTP; leave it out, or let "
        f"the operator add one to `{setting}` under [server]",
        field,
    )
