"""What is looked at from time to time: jobs and leases of remote workers that nobody hears of, and the figures.

Age is told by the file server's clock on both sides, and nothing is older than this observer has been looking: while a
server is down nobody can be heard, and that is no worker's fault.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from spoolq import remote
from spoolq.claims import requeue
from spoolq.durations import format_duration
from spoolq.errors import ClaimLost, SpoolqError
from spoolq.files import GONE
from spoolq.finish import finish
from spoolq.jobs import Entry, describe, read_final
from spoolq.pools import expire, shelves
from spoolq.transitions import State
from spoolq.workers import Held, Workers

Say = Callable[[str], None]
#: On a network mount what is known of a file may be this old, so nobody is judged sooner, in seconds.
_NETWORK_FLOOR_S = 180.0
#: A claim of which nobody was told for so many seconds never will be told of.
_TOLD_S = 5.0
#: When the file server's clock has moved by so many seconds against ours, one of the two was set, or this host slept.
_LEAP_S = 10.0


class Vigil:
    """For how long an observer has been looking without a break, by its own monotonic clock.

    A break is longer than *gap* seconds, or a leap of the file server's clock: then nobody knows who was silent.
    """

    def __init__(self, gap: float, clock: Callable[[], float]) -> None:
        self.gap, self.clock = gap, clock
        self._since = self._looked = clock()
        self._offset: float | None = None

    def look(self) -> None:
        """Somebody looks now."""
        now = self.clock()
        if now - self._looked > self.gap:
            self._since = now
        self._looked = now

    def lasted(self, server_time: float) -> float:
        """Seconds since it began; *server_time* is now by the file server's clock."""
        now = self.clock()
        offset = server_time - now
        if self._offset is not None and abs(offset - self._offset) > _LEAP_S:
            self._since = now
        self._offset = offset
        return now - self._since


class Sweep:
    """Takes jobs and leases back from workers that are silent. `turn` is called every *every* seconds.

    *patience* multiplies the time-outs, for an observer that is only there in case that no server is.
    """

    def __init__(
        self,
        workers: Workers,
        every: float,
        *,
        patience: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self.workers, self.say, self.clock = workers.store, workers, workers.say, clock
        settings = self.store.settings.jobqueue
        self.job_limit = self._limit(settings.job_heartbeat_timeout, patience)
        self.lease_limit = self._limit(settings.resource_heartbeat_timeout, patience)
        self.intervals = settings.job_sweep_interval, settings.resource_sweep_interval
        self.vigil = Vigil(max(min(self.job_limit, self.lease_limit) / 2, 3 * every), clock)
        self._due = [float("-inf"), float("-inf")]

    def _limit(self, timeout: float, patience: float) -> float:
        return patience * (max(timeout, _NETWORK_FLOOR_S) if self.store.network else timeout)

    def turn(self) -> bool:
        """Look at what is due; whether anything was taken back. Raises OSError, SpoolUnusable: look again later."""
        self.vigil.look()
        taken = False
        for place, step in enumerate((self._jobs, self._leases)):
            if self.clock() >= self._due[place]:
                self._due[place] = self.clock() + self.intervals[place]
                taken = step() or taken
        return taken

    def _jobs(self) -> bool:
        standing = self.workers.standing()
        now = self.store.server_time() if standing else 0.0
        return sum(self._job(held, now) for held in standing) > 0

    def _job(self, held: Held, now: float) -> bool:
        """Judge one; an error of one never keeps the others from being judged."""
        try:
            silent = now - self._heard(held)
            if held.worker is None:
                return silent > _TOLD_S and self._give_back(held)
            if silent > self.job_limit and self.vigil.lasted(now) > self.job_limit:
                return self._reclaim(held, silent)
        except ClaimLost:  # it has ended, or somebody else was first
            pass
        except (OSError, SpoolqError) as error:
            if not isinstance(error, OSError) or error.errno not in GONE:
                self.say(f"cannot judge job {held.job_id}: {error}. Trying again later.")
        return False

    def _heard(self, held: Held) -> float:
        """When its worker was last heard, in POSIX seconds of the file server: its heartbeat, or the claim itself."""
        try:
            return self.store.layout.beat(held.running).lstat().st_mtime
        except FileNotFoundError:
            return self.store.layout.running(held.running).lstat().st_ctime

    def _give_back(self, held: Held) -> bool:
        """CRASH: a server was killed between its claim and the line that says whose it is; nobody was told."""
        nonce = held.running.claim.nonce
        requeue(self.store, held.running, "nobody was told of it", nonce=nonce, started=False, warn=self.say)
        return True

    def _reclaim(self, held: Held, silent: float) -> bool:
        store, running = self.store, held.running
        record = describe(store, Entry(State.RUNNING, running.stem, running.claim))
        if record is None:
            return False
        final = read_final(store, running)
        if final is not None and final.get("claim") == str(running.claim):
            # CRASH: its worker had said how it ended, and the server was killed before that was done.
            finish(store, store.layout.running(running), running, final, warn=self.say)
            self.say(f"Job {held.job_id} {final.get('status')}: its end had been cut short (worker={held.worker})")
        elif remote.give_up(store, running, record, "lost", warn=self.say):
            self.say(f"Job {held.job_id} reclaimed after heartbeat timeout (worker={held.worker})")
        else:
            error = f"{held.worker} was not heard of for {format_duration(silent)}; no attempt is left"
            remote.end(store, running, record, State.FAILED, "lost", warn=self.say, error=error)
            self.say(f"Job {held.job_id} failed after heartbeat timeout (worker={held.worker}): no attempt is left")
        return True

    def _leases(self) -> bool:
        if not any(shelf.leases for shelf in shelves(self.store).values()):
            return False
        now, freed = self.store.server_time(), False
        if self.vigil.lasted(now) > self.lease_limit:
            for kind, lease in expire(self.store, self.lease_limit, now, self.say):
                self.say(f"Resource {kind}[{lease.index}] freed (heartbeat timeout)")
                freed = True
        return freed
