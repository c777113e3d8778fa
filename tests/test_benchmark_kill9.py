"""The experiment behind the table of peers in docs/reliability.md, with spoolq itself."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from benchmarks import kill9
from benchmarks.kill9_bed import Bed
from benchmarks.kill9_queues import QUEUES, Spoolq


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill9, "_AT_THE_GATE_S", 0.5)


def test_a_row_of_the_table_is_measured_and_nothing_is_left(tmp_path: Path, quick):
    # Given the experiment with spoolq, When watcher and runner are killed
    row = kill9.experiment(Spoolq, "watcher and runner", tmp_path)
    # Then the row says so
    assert row == [
        "spoolq",
        "watcher and runner",
        "10 of 10",
        "goes on",
        "1 / 1",
        "0",
        "exit, exit code 7, attempt 1",
        "`test_watcher_and_runner`",
    ]
    # And all that it had started is ended
    psutil.wait_procs(Bed(tmp_path).family(), timeout=10)
    assert not Bed(tmp_path).family()


class _Careless(Spoolq):
    """A queue whose operator runs the next jobs himself, beside whatever is in hand."""

    def start(self) -> None:
        if not (self.bed.folder / "spool").exists():
            super().start()
            return
        for number in range(10):
            self.bed.begin(*self.bed.job(f"q{number}"))


def test_jobs_beside_the_orphan_are_counted(tmp_path: Path, quick, monkeypatch: pytest.MonkeyPatch):
    # Given a queue that runs jobs beside the one in hand when it is started again
    monkeypatch.setattr(kill9, "_AT_THE_GATE_S", 10.0)
    # When its watcher and runner are killed
    row = kill9.experiment(_Careless, "watcher and runner", tmp_path)
    # Then the table has them
    assert row[2:6] == ["10 of 10", "goes on", "1 / 1", "10"]


@pytest.mark.parametrize("kind", QUEUES, ids=lambda kind: kind.name)
def test_every_queue_is_run_or_said_to_be_missing(kind):
    assert kind.missing() is None or "install" in kind.missing()
    assert kind.victims
