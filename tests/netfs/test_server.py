"""A file server that dies: between replies, and after it has done a rename and before it has said so."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from spoolq.transitions import State
from tests.spooltest.waiting import wait_for

from .bed import AT, V4, Bed
from .network import SERVER
from .shared import Shared
from .test_sharing import assert_each_ran_once, assert_first_in_first_out, claims

pytestmark = [pytest.mark.netfs, pytest.mark.timeout(400)]

_PROXY_PORT = 2050
_TRACE = ("strace", "-f", "-o", "/mnt/trace", "-e", "trace=rename,renameat2", "-e", "signal=none")
_NONCE = r"host-A\.all\.[0-9a-f]{8}"

#: Claims a job under a name that was looked up before; tells what a lookup says after the rename has failed.
_CLAIM = """\
import pathlib, sys
from spoolq import claims, names
from spoolq.find import find
from spoolq.store import Store
store = Store(pathlib.Path(sys.argv[1]))
stem, chosen = find(store, sys.argv[2]).stem, names.new_claim(store.host, "all")
target = store.layout.running(names.Running(stem, chosen))
assert not target.exists()
claims.new_claim = lambda *_: chosen
stands = claims.stands
def asked(*arguments):
    print("lookup:", target.exists())
    return stands(*arguments)
claims.stands = asked
print("won:", claims.claim(store, stem, "all") is not None)
"""


def test_a_server_that_is_killed_and_restarted_loses_no_job_and_no_runner(bed, share):
    # Given two hosts in the midst of their jobs
    shared = share()
    jobs = shared.submit_counting("A", 60, "sleep 0.3")
    pids = {host: shared.start(host) for host in "AB"}
    wait_for(lambda: all(len(shared.ran(host)) > 6 for host in "AB"), 120, "jobs on both hosts")
    # When the server is killed and started again, twice
    for _ in range(2):
        before = len(list((shared.root / "completed").iterdir()))
        bed.server.kill()
        killed = time.monotonic()
        time.sleep(0.05)
        bed.server.start()
        wait_for(lambda n=before: len(list((shared.root / "completed").iterdir())) > n + 3, 120, "more ends")
        print(f"jobs ended again {time.monotonic() - killed:.0f} s after the server was killed")
    # Then every job has run once, in the order of the queue
    shared.await_all(jobs, 240)
    assert_each_ran_once(shared, jobs)
    assert_first_in_first_out(claims(shared, jobs))
    # And no watcher, runner or shim has died
    for host, pid in pids.items():
        said = shared.said(host)
        assert shared.on(host).alive(pid)
        assert not [word for word in ("ended (", "Traceback", "was killed", "lost") if word in said], said


@contextmanager
def _proxied(bed: Bed, at: str, first: str, second: str) -> Iterator[subprocess.Popen[str]]:
    """Host A's only mount is one through the proxy: with another one, its kernel would see that both are one server."""
    argv = [sys.executable, "-I", str(Path(__file__).with_name("proxy.py")), SERVER, str(_PROXY_PORT), first, second]
    process = subprocess.Popen(
        ["ip", "netns", "exec", bed.network.name, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        bed.on("A").sh(f"umount {AT}").ok()
        bed.mount("A", at, V4, port=_PROXY_PORT)
        yield process
    finally:
        bed.machines["A"].cut()  # the next test finds it with the usual mount
        process.kill()
        process.communicate()


def _lose_the_reply(bed: Bed, proxy: subprocess.Popen[str], done: Callable[[], object]) -> None:
    """The server does the rename, dies before its reply gets through, and comes back."""
    fired = threading.Thread(target=proxy.stdout.readline, daemon=True)
    fired.start()
    fired.join(120)
    assert not fired.is_alive(), "the rename was never asked for"
    wait_for(done, 20, "the rename on the server")
    bed.server.kill()
    bed.server.start()
    proxy.stdin.write("\n")
    proxy.stdin.flush()


@pytest.mark.parametrize("which", ["claim", "finish"])
def test_a_rename_that_was_done_and_reported_as_failed_is_recognised(bed, share, which):
    # Given host A, whose runner's mount goes through a proxy, and a job of host B
    plain = share()
    at = f"/mnt/{which}"
    job = plain.submit("B", *plain.counting())
    key = plain.get(job).run_dir.rpartition("/")[2]
    names = [re.escape(f"{key}.json"), re.escape(f"{key}@") + _NONCE + r"\.json"]
    with _proxied(bed, at, *(names if which == "claim" else reversed(names))) as proxy:
        through = copy.copy(plain)
        through.path = f"{at}/{plain.name}"
        # When the reply to the claiming (or the finishing) rename is lost with the server
        through.run("A", before=_TRACE)
        moved = {"claim": lambda: list((plain.root / "running").glob("*@*.json")), "finish": lambda: _ended(plain)}
        _lose_the_reply(bed, proxy, moved[which])
        # Then the job runs once, ends once, and its record is there
        plain.await_status(job, "completed", 120)
        wait_for(lambda: plain.events(job, "finished"), 30, "the last line of the history")
        # And the client was told indeed that there was no such file
        refused = [row for row in plain.on("A").read("/mnt/trace").splitlines() if "ENOENT" in row and key in row]
        print(f"{which}: {[row[-60:] for row in refused]}")
        assert len(refused) == 1
        assert_each_ran_once(plain, [job], "A")
        assert [event["event"] for event in plain.events(job)] == ["claimed", "started", "finished"]
        info = plain.get(job)
        assert (info.attempt, info.outcome, info.worker) == (1, "succeeded", "host-A.all")
        assert not list((plain.root / ".tmp").iterdir())
        assert plain.places() == {job: [State.COMPLETED]}


def test_a_claim_is_recognised_although_a_lookup_denies_it(bed, share):
    # Given a queued job, and a claimant on host A whose kernel holds that there is no file of the claim's name
    shared = share()
    job = shared.submit("B", "true")
    key = shared.get(job).run_dir.rpartition("/")[2]
    names = (re.escape(f"{key}.json"), re.escape(f"{key}@") + _NONCE + r"\.json")
    with _proxied(bed, "/mnt/lookup", *names) as proxy, ThreadPoolExecutor() as background:
        # When the reply to its rename is lost with the server
        claimed = background.submit(bed.on("A").python, _CLAIM, f"/mnt/lookup/{shared.name}", job, timeout=150)
        _lose_the_reply(bed, proxy, lambda: list((shared.root / "running").glob("*@*.json")))
        # Then a lookup still says that there is no such file, and the claim is known to be won all the same
        assert claimed.result().ok().split() == ["lookup:", "False", "won:", "True"]


def _ended(shared: Shared) -> list[Path]:
    return list((shared.root / "completed").iterdir())
