"""Who waits for a change is woken by one, and by the timer where nothing is heard."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from spoolq.server import wake
from spoolq.server.wake import Wake
from spoolq.watch import Watch
from tests.spooltest.jobs import claimed, submitted


@contextlib.asynccontextmanager
async def awake(store) -> AsyncIterator[Wake]:
    made = Wake(store)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def woken_by(made: Wake, act) -> float:
    """Seconds from *act* until somebody who waits is woken."""
    seen = made.count
    waiting = asyncio.create_task(made.after(seen, 5))
    await asyncio.sleep(0)
    began = time.monotonic()
    await asyncio.to_thread(act)
    assert await waiting > seen
    return time.monotonic() - began


@pytest.fixture
def no_timer(monkeypatch):
    monkeypatch.setattr(wake, "_TIMER_S", 60.0)


def test_a_change_of_any_state_wakes(store, no_timer):
    async def scene() -> list[float]:
        async with awake(store) as made:
            stem = submitted(store)
            return [
                await woken_by(made, lambda: submitted(store)),
                await woken_by(made, lambda: claimed(store, stem)),
                await woken_by(made, made.poke),
            ]

    # Given somebody who waits, When a job is queued, or claimed, or we say so, Then he is woken before any timer
    assert max(asyncio.run(scene())) < 1


def test_without_a_watch_the_timer_wakes(store, monkeypatch):
    # Given a host without inotify watches left
    monkeypatch.setattr(Watch, "start", lambda _self: "no watches left")
    monkeypatch.setattr(wake, "_TIMER_S", 0.05)

    async def scene() -> float:
        async with awake(store) as made:
            return await woken_by(made, lambda: submitted(store))

    # When something changes, Then it is heard all the same
    assert asyncio.run(scene()) < 1


def test_a_folder_of_resources_that_comes_later_is_watched_too(store, monkeypatch):
    monkeypatch.setattr(wake, "_TIMER_S", 0.05)

    async def scene() -> None:
        async with awake(store) as made:
            folder = store.layout.pools / "a_1"
            folder.mkdir()
            async with asyncio.timeout(5):
                while made._watch is None or folder not in made._watch.directories:
                    await made.after(made.count, 1)
            await made.after(made.count, 1)

    asyncio.run(scene())


def test_who_waits_for_nothing_is_let_go_in_time(store, no_timer):
    async def scene() -> float:
        async with awake(store) as made:
            began = time.monotonic()
            await made.after(made.count, 0.05)
            return time.monotonic() - began

    assert 0.05 <= asyncio.run(scene()) < 1


def test_what_changed_before_one_waits_is_not_missed(store, no_timer):
    async def scene() -> int:
        async with awake(store) as made:
            seen = made.count
            made.poke()
            await asyncio.sleep(0)
            return await made.after(seen, 5) - seen

    assert asyncio.run(scene()) >= 1
