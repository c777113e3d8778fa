"""After a job: its GPUs' memory must come back to what it was before, or the device is put in quarantine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from spoolq.durations import format_duration
from spoolq.errors import SpoolUnusable
from spoolq.gpus import DriverSilent, Gpu, Process
from spoolq.gpus.need import size
from spoolq.gpus.quarantine import impose, is_back
from spoolq.gpus.watched import Watched
from spoolq.lock import lock_directory

#: Between two looks, in seconds.
_LOOK_S = 0.5


@dataclass(slots=True)
class Aftermath:
    """The end of a job on *before*, its GPUs as they were when it got them. *settle* is the limit in seconds.

    CRASH: a runner that is killed here leaves no quarantine, and the level is forgotten; who comes next asks for free
    memory as ever.
    """

    watched: Watched
    before: tuple[Gpu, ...]
    settle: float
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _since: float | None = None
    _look_at: float = field(default=float("-inf"))

    def wait(self) -> float:
        """Seconds after which to ask again; 0 when all is back, or what is not is in quarantine."""
        now = self.clock()
        if self._since is None:
            self._since = now
        if not any(gpu.used_mib is not None for gpu in self.before):
            return 0.0
        if now < self._look_at:
            return self._look_at - now
        try:
            late = self._late(self.watched.look(anew=True))
        except DriverSilent as error:
            self.say(str(error))
            return 0.0  # nothing can be proved; a job that wants a GPU waits until it is seen again
        self._look_at = now + _LOOK_S
        if not late:
            return 0.0
        if now - self._since < self.settle:
            return _LOOK_S
        for gpu, level in late:
            self._impose(gpu, level, now - self._since)
        return 0.0

    def _late(self, now: list[Gpu]) -> list[tuple[Gpu, float]]:
        """The GPUs that have less free than before, for which no newcomer accounts, and how much may be in use."""
        seen = {gpu.key: gpu for gpu in now}
        found = []
        for before in self.before:
            gpu = seen.get(before.key)
            if gpu is None or before.used_mib is None or gpu.used_mib is None:
                continue
            came = _newcomers(before, gpu)
            if any(process.used_mib is None for process in came):
                continue  # somebody is there, and nobody tells how much is theirs
            level = before.used_mib + sum(process.used_mib or 0 for process in came)
            if not is_back(gpu, level):
                found.append((gpu, before.used_mib))
        return found

    def _impose(self, gpu: Gpu, level: float, waited: float) -> None:
        why = (
            f"{size((gpu.used_mib or 0) - level)} of its memory did not come back within {format_duration(waited)} "
            "after a job, and no process is known to have it"
        )
        try:
            quarantine = impose(lock_directory(self.watched.store.settings.lock_dir), gpu, why, level)
        except (OSError, SpoolUnusable) as error:
            self.say(f"cannot write the quarantine of {gpu.title}: {error}. Jobs still ask for free memory.")
            return
        self.say(f"{gpu.title} is in quarantine: {why}. It ends when the memory is back; or rm {quarantine.path}")


def _newcomers(before: Gpu, now: Gpu) -> list[Process]:
    """Processes that were not there. Of ours none is left: the shim has ended them before the job's end was written."""
    known = {process.pid for process in before.processes or ()}
    return [process for process in now.processes or () if process.pid not in known]
