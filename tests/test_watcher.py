"""The watcher's waiting; what it does with real runners is tested with the processes."""

import socket
import subprocess
import time

from spoolq.watcher import Watcher, _Child


def test_a_runner_that_has_hung_up_and_is_not_dead_yet_does_not_make_it_spin(store):
    # Given a watcher with a runner that has closed its end of the socket and goes on living
    watcher = Watcher(store, {})
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.close()
    with subprocess.Popen(["sleep", "600"]) as runner:
        watcher.children["all"] = _Child(runner, ours, time.monotonic())
        # When it waits, it hears of that at once
        watcher.sweep_at = watcher.look_at = time.monotonic() + 60
        watcher._wait()
        # Then the next wait lasts until something is due
        began = time.monotonic()
        watcher.sweep_at = began + 0.3
        watcher._wait()
        assert 0.25 < time.monotonic() - began < 5
        runner.kill()
    ours.close()


def test_it_waits_no_longer_than_until_something_is_due(store):
    # Given a look that is due at once, a restart soon, and a drain
    watcher = Watcher(store, {}, drain=True)
    watcher.sweep_at = watcher.look_at = time.monotonic() + 60
    assert watcher._patience() == 0.5
    watcher.restart_at["all"] = time.monotonic() + 0.1
    assert 0 < watcher._patience() <= 0.1
    watcher.sweep_at = 0.0
    assert watcher._patience() == 0.0
