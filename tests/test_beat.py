"""The heartbeat process: what it says, and when it says that it was."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from spoolq.beat import FENCED, Beater
from tests.spooltest.waiting import wait_for


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    path = tmp_path / "STEM@CLAIM.json"
    path.touch()
    return path


def _said_until(beater: Beater, moment: float) -> list[float]:
    said: list[float] = []
    wait_for(lambda: said.extend(beater.read()) or moment in said or (said and said[-1] > moment))
    return said


def test_a_beat_is_as_old_as_it_is_however_late_it_is_read(claim: Path):
    # Given a heartbeat that nobody listens to, and that is stopped
    began = time.monotonic()
    beater = Beater(claim, claim.with_name(".beat"), 0.01)
    wait_for(claim.with_name(".beat").exists)
    wait_for(lambda: claim.with_name(".beat").stat().st_mtime_ns > claim.stat().st_mtime_ns)
    os.kill(beater.pid, signal.SIGSTOP)
    os.waitpid(beater.pid, os.WUNTRACED)
    stopped = time.monotonic()
    # When time passes, and it is heard at last
    wait_for(lambda: time.monotonic() > stopped + 0.1)
    said = beater.read()
    # Then its beats are those of then, in order
    assert said and said == sorted(said)
    assert began < said[0] and said[-1] < stopped
    # And there is no more
    assert beater.read() == []
    beater.stop()
    os.waitpid(beater.pid, 0)


def test_a_claim_that_is_gone_is_told_and_so_is_the_end_of_the_process(claim: Path):
    # Given a heartbeat
    beater = Beater(claim, claim.with_name(".beat"), 0.01)
    _said_until(beater, 0.0)
    # When the claim is taken away
    claim.rename(claim.with_name("STEM@OTHER.json"))
    # Then it says so, and ends
    assert _said_until(beater, FENCED)[-1] == FENCED
    os.waitpid(beater.pid, 0)
    with pytest.raises(EOFError):
        beater.read()
    os.close(beater.reader)
