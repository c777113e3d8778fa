"""What every route module gets: the open spool, what the operator said, the view, the wake-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import anyio.to_thread
from starlette.requests import HTTPConnection

from spoolq.api import Spool
from spoolq.sections import ServerSection
from spoolq.server.commits import Commits
from spoolq.server.figures import Figures
from spoolq.server.quick import Lanes
from spoolq.server.view import View
from spoolq.server.wake import Wake
from spoolq.store import Store

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


@dataclass
class Face:
    """One spool behind HTTP. Holds nothing that is not on disk, so any number of them agree."""

    store: Store
    options: ServerSection
    #: Whether the oldest ended jobs beyond `max_completed_jobs` are also removed from the disk.
    prune: bool = False
    view: View = field(init=False)
    wake: Wake = field(init=False)
    spool: Spool = field(init=False)
    figures: Figures = field(init=False)
    lanes: Lanes = field(init=False)
    commits: Commits = field(init=False)

    def __post_init__(self) -> None:
        self.view = View(self.store)
        self.wake = Wake(self.store)
        self.spool = Spool.of(self.store)
        self.figures = Figures()
        self.lanes = Lanes()
        self.commits = Commits(self.store)
        self._parts: dict[object, Any] = {}

    def part(self, kind: Callable[[Face], Answer]) -> Answer:
        """The one *kind* of this face, made when it is first asked for: what a module's routes and `running` share."""
        if kind not in self._parts:
            self._parts[kind] = kind(self)
        made: Answer = self._parts[kind]
        return made

    async def work(self, function: Callable[Given, Answer], *args: Given.args, **named: Given.kwargs) -> Answer:
        """Run what touches the disk in a thread: a file system that hangs must not stop who asks for nothing of it."""
        return await anyio.to_thread.run_sync(lambda: function(*args, **named))

    def reading(self, request: HTTPConnection) -> bool:
        """Whether this caller's token lets him only look."""
        return bool(request.scope.get("spoolq.read_only"))

    def moved(self) -> None:
        """Something was changed through us: look afresh, and wake who waits."""
        self.view.moved()
        self.wake.poke()
