"""Submissions through a scribe: in order, on disk when told, and no worse for its death."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import psutil
import pytest

from spoolq.errors import SpoolUnusable
from spoolq.server.commits import Commits
from spoolq.transitions import State
from tests.spooltest.trees import queue
from tests.spooltest.waiting import gone, wait_for


def line(n: int = 0) -> bytes:
    return json.dumps({"command": ["true", str(n)]}).encode() + b"\n"


def scribes() -> list[psutil.Process]:
    """Our children that write."""
    children = psutil.Process().children()
    return [child for child in children if "spoolq.server.scribe" in " ".join(child.cmdline())]


def with_commits(store, scenario) -> None:
    """Run *scenario* with a Commits of *store*, and see that no process is left."""

    async def run() -> None:
        commits = Commits(store)
        try:
            await scenario(commits)
        finally:
            await commits.stop()

    asyncio.run(run())
    assert scribes() == []


def test_many_at_once_are_queued_in_the_order_of_asking(store):
    async def scenario(commits: Commits) -> None:
        # Given three hundred submissions at once, When all are told
        stems = await asyncio.gather(*(commits.publish(line(n)) for n in range(300)))
        # Then they stand in the order in which they were asked for, with their bytes
        assert queue(store) == [stem.uuid for stem in stems]
        assert store.layout.queued(stems[7]).read_bytes() == line(7)
        assert len(scribes()) == 1

    with_commits(store, scenario)


def test_a_priority_is_in_the_name(store):
    async def scenario(commits: Commits) -> None:
        assert (await commits.publish(line(), "high")).priority == "high"

    with_commits(store, scenario)


def test_a_line_that_is_longer_than_a_socket_takes_at_once(store):
    async def scenario(commits: Commits) -> None:
        big = json.dumps({"command": ["x" * 3_000_000]}).encode() + b"\n"
        small, large = await asyncio.gather(commits.publish(line()), commits.publish(big))
        assert store.layout.queued(large).read_bytes() == big
        assert store.layout.queued(small).read_bytes() == line()

    with_commits(store, scenario)


def test_a_scribe_that_is_killed_is_told_and_replaced(store):
    async def scenario(commits: Commits) -> None:
        await commits.publish(line())
        (scribe,) = scribes()
        # Given a scribe that is stopped with questions in hand
        scribe.suspend()
        asked = [asyncio.ensure_future(commits.publish(line(n))) for n in range(5)]
        await asyncio.sleep(0.01)
        # When it is killed, Then who asked is told that it is not known
        scribe.send_signal(signal.SIGKILL)
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(answer, SpoolUnusable) and "may be queued or not" in str(answer)
        # and the next submission starts another, of the old one nothing is left
        stem = await commits.publish(line())
        assert stem.uuid in queue(store)
        assert [process.pid for process in scribes()] != [scribe.pid]
        assert not psutil.pid_exists(scribe.pid)

    with_commits(store, scenario)


def test_a_fault_of_the_disk_reaches_who_asked_and_the_next_works(store):
    async def scenario(commits: Commits) -> None:
        await commits.publish(line())
        store.layout.tmp.rename(store.root / "aside")
        with pytest.raises(SpoolUnusable, match="Nothing was queued"):
            await commits.publish(line())
        (store.root / "aside").rename(store.layout.tmp)
        assert (await commits.publish(line())).uuid in queue(store)
        assert len(scribes()) == 1, "the same one"

    with_commits(store, scenario)


def test_a_spool_that_is_gone_starts_no_scribe(store, capfd):
    async def scenario(commits: Commits) -> None:
        store.layout.state(State.QUEUED).rename(store.root / "aside")
        with pytest.raises(SpoolUnusable):
            await commits.publish(line())

    with_commits(store, scenario)
    said = capfd.readouterr().err
    assert "SpoolUnusable: cannot open spool" in said and "Traceback" not in said


def test_who_goes_away_does_not_confuse_the_others(store):
    async def scenario(commits: Commits) -> None:
        await commits.publish(line())
        asked = [asyncio.ensure_future(commits.publish(line(n))) for n in range(20)]
        await asyncio.sleep(0)
        for late in asked[::2]:
            late.cancel()
        stems = await asyncio.gather(*asked[1::2])
        for n, stem in zip(range(1, 20, 2), stems, strict=True):
            assert store.layout.queued(stem).read_bytes() == line(n)

    with_commits(store, scenario)


PARENT = """
import asyncio, sys
from pathlib import Path
from spoolq.server.commits import Commits
from spoolq.store import Store

async def main():
    await Commits(Store(Path(sys.argv[1]))).publish(b'{"command": ["true"]}\\n')
    print("queued", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_it_ends_with_a_parent_that_is_killed(store):
    # Given a process with a scribe
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(store.root)], stdout=subprocess.PIPE)
    assert parent.stdout is not None and parent.stdout.readline() == b"queued\n"
    (scribe,) = psutil.Process(parent.pid).children()
    # When it is killed, Then the scribe ends by itself
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(10)
    parent.stdout.close()
    wait_for(lambda: gone(scribe), 10, "the scribe's end")
