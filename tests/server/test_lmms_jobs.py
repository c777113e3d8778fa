"""A job as lmms-eval's dialect shows it: local times, absolute paths, other recipes' jobs, nothing stale or secret."""

import dataclasses
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spoolq import history
from spoolq.find import find
from spoolq.jobs import Entry
from spoolq.names import new_stem
from spoolq.people import prioritise, retry
from spoolq.server.face import Face
from spoolq.server.lmms_jobs import Jobs, local
from spoolq.store import Store
from spoolq.submit import publish
from spoolq.transitions import State
from tests.server.dialect import FILLED, REQUEST, entry, taken
from tests.spooltest.jobs import conclude_as, ended


@pytest.fixture
def jobs(store):
    return Jobs(Face(store, store.settings.server))


def shown(jobs, entry: Entry):
    body = jobs.body(entry)
    return None if body is None else json.loads(body)


def test_times_are_this_servers_own_without_an_offset(monkeypatch):
    # Given a server in Berlin, in winter and in summer
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert local("2026-01-02T03:04:05.000006+00:00") == "2026-01-02T04:04:05.000006"
        assert local("2026-07-02T23:04:05+00:00") == "2026-07-03T01:04:05.000000"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert local(None) is None
    assert local("yesterday") is None


def test_a_result_has_absolute_paths_that_are_there_and_sorted_samples(store, jobs):
    # Given a job with results in its own folder, as the record has them: relative to the spool
    stem = publish(store, {"recipe": "lmms-eval", "request": REQUEST})
    run = store.layout.relative(store.layout.run(stem.key).output)
    result = {"org__m": {"results": f"{run}/org__m/1_results.json", "samples": [f"{run}/b", f"{run}/a"]}}
    done = ended(store, stem, "succeeded", result={**result, "x": {"results": None, "samples": []}})
    # When it is shown, Then the paths are the server's own
    here = str(store.root.absolute() / run)
    assert shown(jobs, done)["result"] == {
        "org__m": {"results": f"{here}/org__m/1_results.json", "samples": [f"{here}/a", f"{here}/b"]},
        "x": {"results": None, "samples": []},
    }


def test_paths_elsewhere_stay_as_they_are(store, jobs):
    result = {"m": {"results": "/scores/m/1_results.json", "samples": ["/scores/m/b", "/scores/m/a"], "n": 3}}
    expected = {"m": {**result["m"], "samples": ["/scores/m/a", "/scores/m/b"]}}
    assert shown(jobs, entry(store, result=result))["result"] == expected


def test_a_failed_job_has_the_records_error(store, jobs):
    seen = shown(jobs, entry(store, "exit"))
    assert (seen["status"], seen["error"], seen["result"]) == ("failed", "it ended as exit", None)
    assert seen["started_at"] is None or seen["started_at"] <= seen["completed_at"]


def test_a_running_job_says_since_when(store, jobs):
    publish(store, {"recipe": "lmms-eval", "request": REQUEST})
    attempt = taken(store)
    history.record(store, attempt.running.stem.key, "started", nonce=attempt.running.claim.nonce, pid=1)
    seen = shown(jobs, Entry(State.RUNNING, attempt.running.stem, attempt.running.claim))
    assert seen["status"] == "running" and seen["request"] == FILLED
    assert datetime.now() - datetime.fromisoformat(seen["started_at"]) < timedelta(minutes=1)


def test_a_job_of_another_recipe_is_shown_as_it_was_asked_for(store, jobs):
    # Given jobs of other recipes, one with a secret
    command = publish(store, {"command": ["true"], "env": {"API_KEY": "s3cret"}})
    harness = publish(store, {"recipe": "lm-eval", "request": {**REQUEST, "seed": 3}})
    worker = publish(store, {"request": {"x": 1}, "resource_type": "sim"})
    # When they are shown, Then their requests are theirs, masked; another harness's has the defaults beside its own
    seen = [shown(jobs, Entry(State.QUEUED, stem))["request"] for stem in (command, harness, worker)]
    assert seen == [{"command": ["true"], "env": {"API_KEY": "***"}}, {**REQUEST, "seed": 3, **FILLED}, {"x": 1}]


def test_a_bare_job_is_of_the_default_recipe(store, jobs):
    store.settings = dataclasses.replace(store.settings, default_recipe="mine")
    stem = publish(store, dict(REQUEST))
    assert shown(jobs, Entry(State.QUEUED, stem))["request"] == REQUEST


def test_what_no_recipe_takes_is_shown_all_the_same(store, jobs):
    # Given a dropped file that a runner has not rejected yet
    stem = new_stem(datetime.now(UTC))
    for content, request in ((b'{"model": 1, "tasks": []}', {"model": 1, "tasks": []}), (b"{oops", None)):
        store.layout.queued(stem).write_bytes(content)
        seen = shown(jobs, Entry(State.QUEUED, stem))
        assert (seen["status"], seen["request"]) == ("queued", request)
        store.layout.queued(stem).unlink()
    assert shown(jobs, Entry(State.QUEUED, stem)) is None


def test_what_is_kept_of_a_job_ends_with_its_file(store, jobs, monkeypatch):
    # Given a queued job that was shown, and is read no more
    stem = publish(store, {"recipe": "lmms-eval", "request": REQUEST})
    queued = Entry(State.QUEUED, stem)
    first = shown(jobs, queued)
    with monkeypatch.context() as patched:
        patched.setattr("spoolq.server.lmms_jobs.describe", lambda *_: pytest.fail("it was read again"))
        assert shown(jobs, queued) == first
    # When the same name holds another file, Then that is shown
    other = json.dumps({"recipe": "lmms-eval", "request": {**REQUEST, "model": "other"}})
    path = store.layout.queued(stem)
    (store.root / "other").write_text(other)
    (store.root / "other").replace(path)
    assert shown(jobs, queued)["request"]["model"] == "other"
    # When it is claimed, Then it is not there any more
    taken(store)
    assert shown(jobs, queued) is None


def test_a_second_end_is_not_shown_as_the_first(store, jobs):
    # Given a job that failed, was shown, is retried and completes
    failed = entry(store, "exit")
    assert shown(jobs, failed)["error"] == "it ended as exit"
    retry(store, failed)
    attempt = taken(store)
    conclude_as(store, attempt, "exit")
    again = shown(jobs, failed)
    # Then it is shown with its new end
    assert again["status"] == "failed" and shown(jobs, failed) == again
    record = json.loads(store.layout.terminal(State.FAILED, failed.stem.key).read_text())
    assert again["completed_at"] == local(record["completed_at"])


def test_the_text_follows_the_queue_and_not_what_is_kept(store, jobs):
    # Given two queued jobs
    first, second = (publish(store, {"recipe": "lmms-eval", "request": REQUEST}) for _ in range(2))
    assert shown(jobs, Entry(State.QUEUED, second))["position_in_queue"] == 1
    # When the first goes behind, Then the second has moved up
    prioritise(store, find(store, first.uuid), "low")
    jobs.face.view.moved()
    assert shown(jobs, Entry(State.QUEUED, second))["position_in_queue"] == 0


def test_it_keeps_no_more_than_its_room(store, jobs, monkeypatch):
    monkeypatch.setattr("spoolq.server.lmms_jobs._ROOM", 2000)
    stems = [publish(store, {"recipe": "lmms-eval", "request": REQUEST}) for _ in range(20)]
    for stem in stems * 2:
        assert shown(jobs, Entry(State.QUEUED, stem))["job_id"] == stem.uuid
    assert sum(len(kept.text) for kept in jobs._kept.values()) == jobs._size <= 2000


def test_results_of_a_relative_spool_are_absolute(store, jobs, monkeypatch):
    monkeypatch.chdir(store.root.parent)
    relative = Store(Path(store.root.name))
    done = entry(store, result={"m": {"results": "runs/x/output/m/1_results.json", "samples": []}})
    seen = shown(Jobs(Face(relative, relative.settings.server)), done)
    assert seen["result"]["m"]["results"] == f"{store.root}/runs/x/output/m/1_results.json"
