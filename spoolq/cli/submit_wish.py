"""What a `spoolq submit` asks for, as documents: made, multiplied, checked, and put into the queue once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spoolq.cli import request_flags

if TYPE_CHECKING:
    from spoolq.store import Store
    from spoolq.transitions import State

#: A document, and what to call where it came from: a file, a line; None for the flags and a command.
Sourced = tuple[str | None, dict[str, Any]]
#: Policy that the options alone do not make well-formed.
_CHECKED = {"after", "not_before", "labels", "group", "num_gpus", "min_free_memory"}


@dataclass(frozen=True, slots=True)
class Wish:
    """The command line: fields of a request, policy, a command, and how many jobs are made of each document."""

    given: dict[str, Any]
    policy: dict[str, Any]
    command: list[str] | None
    cwd: str | None
    env: list[str]
    sweeps: tuple[str, ...]
    split_tasks: bool

    @property
    def is_plain(self) -> bool:
        """Whether it is a command that is well-formed by construction: to have it checked would import pydantic."""
        return self.command is not None and not self.sweeps and not self.split_tasks and not _CHECKED & set(self.policy)

    def own(self) -> dict[str, Any]:
        """The document of the flags, or of the command; raises RequestInvalid."""
        with request_flags.refusing():
            if self.command is not None:
                return request_flags.of_command(list(self.command), self.cwd, self.env, self.policy)
            return request_flags.of_flags(self.given, self.policy)

    def expanded(self, documents: list[Sourced]) -> list[Sourced]:
        """*documents*, each as the several that it stands for; raises RequestInvalid."""
        if not self.sweeps and not self.split_tasks:
            return documents
        from spoolq.variants import expand, parse_sweep

        with request_flags.refusing():
            sweeps = [parse_sweep(text) for text in self.sweeps]
        found: list[Sourced] = []
        for source, document in documents:
            with request_flags.refusing(source):
                found.extend((source, one) for one in expand(document, sweeps, self.split_tasks))
        return found


@dataclass(frozen=True, slots=True)
class Checked:
    """A document that a runner will take, and where it came from."""

    source: str | None
    document: dict[str, Any]
    priority: str
    recipe: str


def check_all(store: Store, documents: list[Sourced], *, plain: bool) -> list[Checked]:
    """Refuse what no runner could take, naming source and field; *plain*: they are well-formed by construction."""
    if plain:
        return [Checked(source, one, one.get("priority", "normal"), "command") for source, one in documents]
    from spoolq.parents import resolve
    from spoolq.requests import accept

    found = []
    for source, document in documents:
        with request_flags.refusing(source):
            whole = resolve(store, document)
            job = accept(whole, os.getuid(), store.settings)
            found.append(Checked(source, whole, job.envelope.priority, job.recipe.name))
    return found


@dataclass(frozen=True, slots=True)
class Placed:
    """A job that is in the queue, or was there already: then it may run."""

    uuid: str
    name: str
    state: State
    new: bool

    def document(self, store: Store) -> dict[str, Any]:
        """Its id, place and path; `new` only for one that was there already, as false."""
        from spoolq.find import count_before
        from spoolq.transitions import State

        queued = self.state is State.QUEUED
        return {
            "job_id": self.uuid,
            "position_in_queue": count_before(store, self.name) if queued else None,
            "path": str(store.layout.state(self.state) / self.name),
            **({} if self.new else {"new": False}),
        }


@dataclass(frozen=True, slots=True)
class Once:
    """Whether an equal job that is queued or runs is taken in place of a new one: by its request, or by *key*."""

    unique: bool
    key: str | None

    def put(self, store: Store, one: Checked) -> Placed:
        """Queue it, or find the job that is there; raises SpoolUnusable, LockTimeout."""
        from spoolq.transitions import State

        if self.key is None and not self.unique:
            from spoolq.submit import publish

            stem = publish(store, one.document, one.priority)
            return Placed(stem.uuid, f"{stem}.json", State.QUEUED, True)
        from spoolq.keyed import digest, named, submit_once

        envelope = one.document if isinstance(one.document.get("request"), dict) else {"request": one.document}
        key = digest(one.recipe, envelope["request"]) if self.key is None else named(self.key)
        entry, new = submit_once(store, one.document, one.priority, key)
        name = entry.running if entry.state is State.RUNNING else entry.stem
        return Placed(entry.stem.uuid, f"{name}.json", entry.state, new)
