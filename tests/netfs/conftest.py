"""One bed for all tests of this folder; each test has a spool of its own on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from spoolq.names import token
from tests.spooltest.guest import need_guests

from .bed import Bed
from .server import PROGRAMS
from .shared import Shared


@pytest.fixture(scope="session")
def bed() -> Iterator[Bed]:
    """The server and the hosts; skips, or fails under SPOOLQ_REQUIRE_NETFS, where they cannot be had."""
    need_guests("netfs", *PROGRAMS)
    made = Bed()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def share(bed: Bed, request: pytest.FixtureRequest) -> Iterator[Callable[..., Shared]]:
    """Makes a spool on the export, named after the test; what runs of it is ended with the test."""
    made: list[Shared] = []

    def make(settings: str = "", **options: str) -> Shared:
        name = re.sub(r"[^a-z0-9]+", "-", request.node.name)[:30].strip("-") + f"-{token(4)}"
        made.append(Shared(bed, name, settings, **options))
        return made[-1]

    yield make
    for shared in made:
        shared.close()
