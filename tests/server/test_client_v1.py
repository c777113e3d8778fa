"""Client: a spool behind `/api/v1`, as `Spool` is one on a disk."""

import threading
import uuid

import pytest

import spoolq
from spoolq.api import Spool
from spoolq.client import Client, Conflict, Invalid, Job, NoSuchJob, TokenRefused, TryLater, Unreachable
from spoolq.client.stream import Event, events
from spoolq.errors import SpoolqError, WaitTimeout
from spoolq.models import JobInfo
from spoolq.transitions import State
from tests.server.dialect import taken
from tests.server.live import Live
from tests.spooltest.jobs import conclude_as, ended, submitted
from tests.spooltest.trees import queue

COMMAND = {"command": ["true"]}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def remote(live):
    with Client(live.base + "/") as made:
        yield made


def test_what_is_submitted_is_a_job_with_its_policy(remote, store):
    job = remote.submit(COMMAND, priority="high", timeout="2h", grace=3, max_attempts=2, retry_on=["exit"])
    assert isinstance(job, Job) and isinstance(job, JobInfo)
    assert queue(store) == [job.job_id]
    assert (job.status, job.priority, job.timeout, job.grace) == (State.QUEUED, "high", 7200.0, 3.0)
    assert (job.max_attempts, job.retry_on, job.request, job.position_in_queue) == (2, ["exit"], COMMAND, 0)
    assert remote.get(job.job_id) == remote.get(job.job_id[:8]) == remote.get("last")


def test_one_key_is_one_job(remote, store):
    key = str(uuid.uuid4())
    first, second = remote.submit(COMMAND, key=key), remote.submit(COMMAND, key=key)
    assert first.job_id == second.job_id and len(queue(store)) == 1
    with pytest.raises(Conflict, match=r"the key .* was used for another request"):
        remote.submit({"command": ["false"]}, key=key)


def test_several_are_queued_together_or_not_at_all(remote, store):
    jobs = remote.submit_all([COMMAND, {"request": COMMAND, "priority": "low"}])
    assert queue(store) == [job.job_id for job in jobs]
    with pytest.raises(Invalid, match="job 1") as raised:
        remote.submit_all([COMMAND, {"command": []}])
    assert raised.value.field == "jobs.1.command" and len(queue(store)) == 2


def test_a_request_is_validated_and_not_queued(remote, store):
    assert remote.validate(COMMAND)["recipe"] == "command"
    with pytest.raises(Invalid) as raised:
        remote.validate({"command": []})
    assert (raised.value.status, raised.value.field) == (422, "command")
    assert queue(store) == []


def test_jobs_are_listed_page_by_page(remote, store, monkeypatch):
    # Given more jobs than a page holds
    monkeypatch.setattr("spoolq.client.v1._PAGE", 3)
    stems = [submitted(store) for _ in range(7)]
    done = ended(store, submitted(store)).stem
    # When they are listed, Then all come, in order; so many as are wanted; and those of a kind
    assert [job.job_id for job in remote.jobs()] == [stem.uuid for stem in [*stems, done]]
    assert [job.job_id for job in remote.jobs(limit=4)] == [stem.uuid for stem in stems[:4]]
    assert [job.job_id for job in remote.jobs(["completed"])] == [done.uuid]
    assert [job.job_id for job in remote.jobs(q=stems[5].uuid[:13])] == [stems[5].uuid]
    assert list(remote.jobs(limit=0)) == []


def test_moves(remote, store):
    first, second = remote.submit(COMMAND).job_id, remote.submit(COMMAND).job_id
    assert remote.prioritise(second, "urgent") == 0
    assert remote.cancel(first) == "cancelled"
    assert remote.retry(first) == "queued"
    taken(store)
    assert remote.cancel(second) == "requested"
    with pytest.raises(Conflict):
        remote.prioritise(second, "low")


def test_the_queue_is_paused_and_resumed(remote, store):
    remote.pause("a reboot")
    assert remote.status()["paused"] is True and remote.status()["pause"]["reason"] == "a reboot"
    remote.pause()
    remote.resume()
    assert remote.status()["paused"] is False


def test_a_wait_ends_with_the_jobs(remote, store):
    # Given three jobs, two of them ended
    first, second = ended(store, submitted(store)).stem.uuid, ended(store, submitted(store), "exit").stem.uuid
    third = remote.submit(COMMAND).job_id
    # When two are waited for, or any of three, Then those that have ended are given
    assert [job.status for job in remote.wait(first, second)] == [State.COMPLETED, State.FAILED]
    assert [job.job_id for job in remote.wait(third, second, any_one=True)] == [second]
    with pytest.raises(WaitTimeout, match=r"after 0\.02 s only 1 of 2 jobs had ended"):
        remote.wait(first, third, timeout=0.02, poll_interval=0.005)
    threading.Timer(0.05, Spool.of(store).cancel, [third]).start()
    assert remote.wait(third, poll_interval=0.01)[0].status == State.CANCELLED


def test_a_log_is_read_and_followed_to_its_end(remote, store):
    # Given a running job that has printed
    job = remote.submit(COMMAND).job_id
    attempt = taken(store)
    run = store.layout.run(attempt.running.stem.key)
    run.log.write_text("one\ntwo\n")
    assert (remote.log(job), remote.log(job, tail=1)) == ("one\ntwo\n", "two\n")
    # When it is followed, prints on and ends, Then all comes, and the iteration ends
    text, seen = "", remote.follow(job)
    text += next(seen)
    with run.log.open("a") as log:
        log.write("three ü\n")
    while "three" not in text:
        text += next(seen)
    conclude_as(store, attempt, "succeeded")
    text += "".join(seen)
    assert text == "one\ntwo\nthree ü\n"
    assert any(event["event"] == "claimed" for event in remote.history(job))


def test_a_stream_goes_on_when_the_server_is_restarted(served):
    # Given a follower of a running job
    store = served.store
    job = submitted(store).uuid
    attempt = taken(store)
    run = store.layout.run(attempt.running.stem.key)
    run.log.write_text("before\n")
    with Client(served.base) as client:
        follower = client.follow(job)
        text = next(follower)
        # When the server is killed, the job prints, and the server comes back
        served.kill()
        with run.log.open("a") as log:
            log.write("meanwhile\n")
        served.restart()
        # Then nothing is missing, and nothing comes twice
        while "meanwhile" not in text:
            text += next(follower)
        conclude_as(store, attempt, "exit")
        assert text + "".join(follower) == "before\nmeanwhile\n"


def test_events_tell_changes_and_are_taken_up_behind_the_last(remote, store):
    # Given a listener
    listening = remote.events()
    assert next(listening).name == "queue"
    job = remote.submit(COMMAND).job_id
    change = next(event for event in listening if event.name == "change")
    assert (change.data["job_id"], change.data["status"]) == (job, "queued")
    # When something happens after it has gone, and another begins behind the last id, Then that comes first
    listening.close()
    remote.cancel(job)
    again = next(event for event in remote.events(change.id) if event.name == "change")
    assert (again.data["job_id"], again.data["status"]) == (job, "cancelled")


def test_results(remote, store):
    metrics = {"mmlu": {"acc": 0.5, "acc_stderr": 0.1}}
    jobs = [ended(store, submitted(store), metrics=metrics).stem.uuid for _ in range(2)]
    assert {row["job_id"] for row in remote.results()} == set(jobs)
    assert [row["task"] for row in remote.results(jobs[:1], task="mmlu")] == ["mmlu"]
    assert [job["job_id"] for job in remote.compare(*jobs)["jobs"]] == jobs


def test_faults_have_classes(remote, store, live):
    with pytest.raises(NoSuchJob, match="not found"):
        remote.get("00000000-0000-4000-8000-000000000000")
    with pytest.raises(Conflict):
        remote.cancel(ended(store, submitted(store)).stem.uuid)
    with pytest.raises(Invalid) as raised:
        remote.submit({"model": "m"})
    assert isinstance(raised.value, SpoolqError) and raised.value.status == 422
    aside = store.root / "aside"
    store.layout.state(State.QUEUED).rename(aside)
    with pytest.raises(TryLater):
        remote.submit(COMMAND)
    aside.rename(store.layout.state(State.QUEUED))
    with Client("http://127.0.0.1:1") as nobody, pytest.raises(Unreachable, match="cannot reach"):
        nobody.status()


def test_a_token_is_needed_where_there_is_one(store):
    server = Live(store, token="t" * 32, read_only_token="r" * 32)
    try:
        with Client(server.base) as stranger, pytest.raises(TokenRefused, match="a token is needed"):
            stranger.status()
        with Client(server.base, token="r" * 32) as reader:
            assert reader.status()["read_only"] is True
            with pytest.raises(TokenRefused, match="may only look"):
                reader.submit(COMMAND)
        with Client(server.base, token="t" * 32) as owner:
            assert owner.submit(COMMAND).job_id in queue(store)
    finally:
        server.stop()


def test_a_stream_is_not_awaited_for_ever(monkeypatch):
    monkeypatch.setattr("spoolq.client.line._PATIENCE_S", 0.05)
    monkeypatch.setattr("spoolq.client.line._PAUSE_S", 0.01)
    with Client("http://127.0.0.1:1") as nobody, pytest.raises(Unreachable):
        next(nobody.events())


def test_events_are_parsed_as_the_format_has_them():
    lines = [
        ": a comment", "", "id: 1:5", "event: log", 'data: {"text":', 'data: "a"}', "", "data: 3", "", "event: cut",
        "data: 4",
    ]  # fmt: skip
    assert list(events(lines)) == [Event("log", {"text": "a"}, "1:5"), Event("message", 3, "1:5")]


def test_it_is_a_name_of_the_package():
    assert spoolq.Client is Client
