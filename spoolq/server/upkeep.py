"""What a server does by itself for remote workers: takes back what is silent for too long, and logs the statistics."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Iterator

from spoolq import remote
from spoolq.errors import SpoolqError
from spoolq.figures import Figures
from spoolq.jobqueue import Sweep
from spoolq.server.face import Face
from spoolq.workers import Workers

log = logging.getLogger("spoolq.server.jobqueue")


class Upkeep:
    """The tasks of one server; *workers* is what its routes use."""

    def __init__(self, face: Face, workers: Workers) -> None:
        self.face, self.workers = face, workers
        self.settings = face.store.settings.jobqueue
        self.every = min(self.settings.job_sweep_interval, self.settings.resource_sweep_interval)
        self.figures = Figures(workers)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Both tasks, while this lasts."""
        # Made here: nothing is silent for longer than this server has been up.
        sweep = Sweep(self.workers, self.every)
        with _spoken():
            tasks = [asyncio.create_task(self._sweep(sweep)), asyncio.create_task(self._count())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _sweep(self, sweep: Sweep) -> None:
        while True:
            try:
                if await self.face.work(sweep.turn):
                    self.face.moved()
            except (SpoolqError, OSError) as error:
                log.warning("cannot look after the workers: %s. Trying again.", error)
            await asyncio.sleep(self.every)

    async def _count(self) -> None:
        while True:
            try:
                lines = await self.face.work(self._lines)
            except (SpoolqError, OSError) as error:
                log.warning("cannot count the workers' jobs: %s. Trying again.", error)
            else:
                if lines is not None:
                    log.info("%s", lines[0])
                    for warning in lines[1]:
                        log.warning("%s", warning)
            await asyncio.sleep(self.settings.statistics_interval)

    def _lines(self) -> tuple[str, list[str]] | None:
        """None while there is no pool, and no worker has asked for a job: nobody wants to know then."""
        if not self.workers.asked and not remote.are_expected(self.face.store):
            return None
        return self.figures.lines()


@contextlib.contextmanager
def _spoken() -> Iterator[None]:
    """Have the dialect's log lines shown on stderr, unless somebody has said what is to be done with them."""
    before, speaker = log.level, None
    log.setLevel(logging.INFO)
    if not log.hasHandlers():
        speaker = logging.StreamHandler(sys.stderr)
        speaker.setFormatter(logging.Formatter("%(asctime)s [%(levelname)s] %(message)s"))
        log.addHandler(speaker)
    try:
        yield
    finally:
        log.setLevel(before)
        if speaker is not None:
            log.removeHandler(speaker)
