"""One look for all who ask at once."""

import asyncio

from spoolq.server.shared import Shared


def test_a_look_is_shared_by_those_who_came_before_it_began():
    # Given a look that takes a moment, and what it sees
    looks, now = [], [0]

    async def look():
        looks.append(seen := now[0])
        await asyncio.sleep(0.01)
        return seen

    async def ask():
        shared = Shared(look)
        first = asyncio.create_task(shared.get())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        # When something changes while it is under way, and many ask
        now[0] = 1
        rest = [asyncio.create_task(shared.get()) for _ in range(50)]
        return await first, set(await asyncio.gather(*rest))

    # Then they have a second look, together
    assert asyncio.run(ask()) == (0, {1})
    assert looks == [0, 1]


def test_a_look_that_fails_fails_for_all_who_share_it_and_for_nobody_else():
    looks = []

    async def look():
        looks.append(1)
        await asyncio.sleep(0)
        if len(looks) == 1:
            raise OSError("gone")
        return "here"

    async def ask():
        shared = Shared(look)
        first = await asyncio.gather(shared.get(), shared.get(), return_exceptions=True)
        return first, await shared.get()

    first, second = asyncio.run(ask())
    assert [str(error) for error in first] == ["gone", "gone"]
    assert second == "here"
