"""What becomes of an attempt whose owner is dead; every point of it is tried by the crash suite."""

import json

import pytest

from spoolq import history, process
from spoolq.recover import recover
from spoolq.submit import publish
from spoolq.transitions import State
from tests.spooltest.jobs import say
from tests.spooltest.trees import assert_state, record_of
from tests.test_crash import start_and_die

SCORES = {"results": {"task": {"acc": 0.5}}}


@pytest.fixture
def ended(store, monkeypatch):
    """An attempt of a dead runner whose evaluation has exited 0, begun in the boot that is named; with what results."""

    def make(boot: str, results: str):
        stem = publish(store, {"command": ["true"], "results": "results.json"})
        with monkeypatch.context() as patch:
            patch.setattr(process, "boot_id", lambda: boot)
            attempt = start_and_die(store, stem)
        run = store.layout.run(stem.key)
        (run.partial / "results.json").write_text(results)
        run.end(attempt.origin).write_text(
            json.dumps({"nonce": attempt.origin, "started_at": store.now(), "exit_code": 0})
        )
        return attempt

    return make


@pytest.mark.parametrize("boot", [process.boot_id(), "another-boot"])
def test_an_end_with_results_is_recorded_whatever_has_happened_since(store, ended, boot):
    attempt = ended(boot, json.dumps(SCORES))
    assert recover(store, "gpu0", say) == 0
    assert record_of(store, attempt.running.stem.uuid)["metrics"] == SCORES["results"]


def test_an_end_without_results_is_the_evaluations_fault(store, ended):
    attempt = ended(process.boot_id(), "")
    assert recover(store, "gpu0", say) == 0
    assert record_of(store, attempt.running.stem.uuid)["outcome"] == "no_results"


def test_results_that_a_restart_of_the_host_took_are_not(store, ended):
    # Given an end that was synced, and results that were not, by a boot that is over
    attempt = ended("another-boot", "")
    # When it is recovered, Then the attempt is lost, and the job runs again
    assert recover(store, "gpu0", say) == 0
    assert_state(store, attempt.running.stem.uuid, State.QUEUED)
    assert history.last(history.events(store, attempt.running.stem.key), "reclaimed")["reason"] == "lost"
