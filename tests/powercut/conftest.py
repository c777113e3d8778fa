"""Every test here needs guests, and says how many cuts it has made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.powercut.bed import PROGRAMS
from tests.spooltest.guest import need_guests

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.powercut)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session", autouse=True)
def _guests() -> None:
    need_guests("powercut", *PROGRAMS)


@pytest.fixture(scope="session")
def cuts() -> Counter[str]:
    """How often the power was cut, by what for: a disk counts as one."""
    return Counter()
