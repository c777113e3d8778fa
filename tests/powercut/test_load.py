"""The whole program and the power cut: what a submit acknowledged, and `spoolq run` in the middle of its work."""

from __future__ import annotations

import json
import random
import re
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.powercut.bed import WHEN, Bed
from tests.powercut.load import METRICS
from tests.powercut.test_moves import AT_ONCE
from tests.spooltest.guest import Guest
from tests.spooltest.waiting import wait_for

#: File system, how lazy its kernel is, and the seed of the moments of the two cuts.
STORMS = [("ext4", "at once", 1), ("ext4", "later", 2), ("xfs", "at once", 3), ("xfs", "later", 4)]
_SAID_ENDED = re.compile(r"^\S+ [ab]: completed ([0-9a-f]{8}): succeeded", re.MULTILINE)


@pytest.mark.parametrize("when", WHEN)
def test_what_a_submit_acknowledged_outlives_the_power(tmp_path, cuts, when):
    # Given spools of either durability on either file system
    disks = [(kind, durability) for kind in ("ext4", "xfs") for durability in ("full", "process")]
    paper = {"durability": [durability for _, durability in disks], "when": when}
    with Bed(tmp_path / "bed", [kind for kind, _ in disks], when) as bed:
        # When `spoolq submit` has printed an id, Spool.submit has returned one, and the power is cut
        with bed.boot("acknowledge", paper, "load") as guest:
            guest.wait_for("POINT")
            acknowledged = [line.split() for line in guest.heard("ACK")]
        cuts["acknowledged"] += len(disks)
        with bed.boot("waiting", paper, "load") as guest:
            queues = [json.loads(guest.wait_for("QUEUE", nth=nth)) for nth in range(1, len(disks) + 1)]
    for number, (disk, found) in enumerate(zip(disks, queues, strict=True)):
        jobs = {job: how for where, how, job in acknowledged if int(where) == number}
        assert sorted(jobs.values()) == ["api", "verb"]
        if disk[1] == "full":
            # Then both jobs are there, whole
            asked = {job: json.loads(text)["request"]["command"] for job, text in found.items()}
            assert asked == {job: ["echo", how] for job, how in jobs.items()}
        elif when == "at once":
            # And without fsync none is: the bed cuts
            assert found == {}, disk
        else:
            # Or their names are there, and their contents are not
            assert found == dict.fromkeys(jobs, ""), disk


def _cut_at_random(guest: Guest, word: str, dice: random.Random) -> str:
    """Cut the power a random while after the guest has said *word*; all that it had said."""
    guest.wait_for(word)
    moment = time.monotonic() + dice.uniform(0.2, 8.0)
    wait_for(lambda: time.monotonic() >= moment)
    guest.cut()
    assert not guest.heard("HALT"), guest.said()
    return guest.said()


def _storm(folder, kind, when, seed) -> tuple[list[str], list[dict]]:
    """Work, a cut, recovery, a cut in its midst, and the rest; what the consoles said, and the jobs at the end."""
    dice = random.Random(seed)
    with Bed(folder, [kind], when) as bed:
        with bed.boot("work", {}, "load") as guest:
            said = [_cut_at_random(guest, "BEGAN", dice)]
        with bed.boot("go on", {}, "load") as guest:
            said.append(_cut_at_random(guest, "BEGAN", dice))
        with bed.boot("drain", {}, "load") as guest:
            assert guest.wait_for("DRAINED", 300) == "0", guest.said()
            guest.wait_for("END")
            return [*said, guest.said()], [json.loads(line) for line in guest.heard("JOB")]


def _hold(said: list[str], jobs: list[dict]) -> dict[str, int]:
    """What must be true of a storm; counts of what happened in it."""
    # Whole lines only: several processes write to one console.
    acknowledged = dict(re.findall(r"^ACK (\S{36}) (\d)$", "\n".join(said), re.MULTILINE))
    began = defaultdict(list)
    for job, attempt in re.findall(r"^BEGAN (\S+) (\d+)", "\n".join(said), re.MULTILINE):
        began[job].append(int(attempt))
    found = {row["job"]: row for row in jobs}
    # Then what was acknowledged is there, and has exactly one end, whole
    assert acknowledged.keys() <= found.keys(), f"lost: {acknowledged.keys() - found.keys()}"
    for job, row in found.items():
        record = row["record"]
        assert record is not None, f"{job} is still {row['state']}"
        if record["outcome"] == "succeeded":
            assert record["metrics"] == METRICS
            # And its output is published; what the evaluation itself did not sync may be empty
            assert row["scores"] == "" or json.loads(row["scores"]) == {"results": METRICS}
        else:
            assert (record["outcome"], record["attempt"]) == ("lost", record["max_attempts"])
        # And every attempt that began was counted, each under a number of its own, none beyond what was allowed
        assert began[job] == sorted(set(began[job])), f"{job} began as attempt {began[job]}"
        assert max(began[job], default=0) <= record["attempt"] <= record["max_attempts"]
        assert acknowledged.get(job, str(record["max_attempts"])) == str(record["max_attempts"])
    # And what was said to have ended has ended then, for good
    for number, text in enumerate(said):
        for short in _SAID_ENDED.findall(text):
            (job,) = [job for job in found if job.startswith(short)]
            assert found[job]["record"]["outcome"] == "succeeded"
            assert not any(f"BEGAN {job}" in later for later in said[number + 1 :])
    return {
        "said to have ended": sum(len(_SAID_ENDED.findall(text)) for text in said),
        "acknowledged": len(acknowledged),
        "found": len(found),
        "begun again": sum(len(numbers) > 1 for numbers in began.values()),
        "lost": sum(row["record"]["outcome"] == "lost" for row in jobs),
        "empty outputs": sum(row["scores"] == "" for row in jobs),
        "attempts without a start": sum(row["record"]["attempt"] - len(began[row["job"]]) for row in jobs),
    }


def test_a_queue_under_load_outlives_the_power(tmp_path, cuts, capsys):
    # Given a queue under load, When the power is cut at random, and again while it recovers
    with ThreadPoolExecutor(AT_ONCE) as pool:
        storms = list(pool.map(lambda storm: _storm(tmp_path / str(storm[2]), *storm), STORMS))
    cuts["under load"] += 2 * len(storms)
    # Then at the end all is there, and the storms were storms
    total: dict[str, int] = defaultdict(int)
    for name, (said, jobs) in zip(STORMS, storms, strict=True):
        try:
            counts = _hold(said, jobs)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}\n" + "\n=== cut ===\n".join(said)) from None
        with capsys.disabled():
            print(f"\n{name}: {counts}", end="")
        for what, number in counts.items():
            total[what] += number
        assert counts["acknowledged"] > 0, name
    assert total["begun again"] + total["lost"] > 0, "no cut met a job that ran"
    assert total["said to have ended"] > 0
