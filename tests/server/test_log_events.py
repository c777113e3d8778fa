"""`GET /api/v1/jobs/{id}/log/events`: what a job prints, as it prints it, to its end."""

import subprocess
import sys
import time
from contextlib import ExitStack

from spoolq import history
from spoolq.find import find
from tests.server.live import events
from tests.spooltest.jobs import claimed, conclude_as, ended, opened, retried, submitted


def text(found):
    return "".join(event.data["text"] for event in found if event.name == "log")


def is_end(event):
    return event.name == "end"


class Running:
    """A running job that prints what it is told to."""

    def __init__(self, store, stem=None):
        self.store, self.stem = store, stem or submitted(store)
        self.begin()

    def begin(self):
        self.attempt = opened(self.store, claimed(self.store, self.stem))
        history.record(self.store, self.stem.key, "started", nonce=self.attempt.origin)

    def prints(self, more):
        with self.store.layout.run(self.stem.key).log.open("a", encoding="utf-8") as log:
            log.write(more)

    def ends(self, outcome="succeeded"):
        conclude_as(self.store, self.attempt, outcome)

    @property
    def path(self):
        return f"/api/v1/jobs/{self.stem.uuid}/log/events"


def test_a_log_is_followed_from_before_its_beginning_to_its_end(live, store):
    # Given a job that waits, and somebody who follows it
    stem = submitted(store)
    with events(live.client, f"/api/v1/jobs/{stem.uuid[:13]}/log/events") as stream:
        # When it runs, prints, and ends
        job = Running(store, stem)
        job.prints("one\n")
        first = stream.until(lambda event: event.name == "log")[-1]
        job.prints("two €\n")
        job.ends()
        found = stream.until(is_end)
        # Then all of it came, with places, then the record, and then the stream ended
        assert (first.id, first.data) == ("1:4", {"attempt": 1, "offset": 0, "text": "one\n"})
        assert text(found) == "two €\n"
        assert found[-1].id == "1:12"
        assert (found[-1].data["job_id"], found[-1].data["status"]) == (stem.uuid, "completed")
        assert list(stream) == []


def test_who_comes_back_goes_on_behind_the_last_text(live, store):
    job = Running(store)
    job.prints("abcdef")
    with events(live.client, job.path) as stream:
        last = stream.until(lambda event: event.name == "log")[-1].id
    job.prints("ghi")
    job.ends()
    for how in ({"headers": {"Last-Event-ID": last}}, {"params": {"last_event_id": last}}):
        with events(live.client, job.path, **how) as stream:
            assert text(stream.until(is_end)) == "ghi"
    # From the middle, and when all has been seen
    with events(live.client, job.path, headers={"Last-Event-ID": "1:3"}) as stream:
        assert text(stream.until(is_end)) == "defghi"
    with events(live.client, job.path, headers={"Last-Event-ID": "1:9"}) as stream:
        assert [event.name for event in stream.until(is_end)] == ["end"]
    with events(live.client, job.path, headers={"Last-Event-ID": "nonsense"}) as stream:
        assert text(stream.until(is_end)) == "abcdefghi"
    assert live.get(f"/jobs/{job.stem.uuid}/log/events", 422, last_event_id="x")["field"] == "last_event_id"


def test_a_new_attempt_says_so(live, store):
    job = Running(store)
    job.prints("first")
    with events(live.client, job.path) as stream:
        stream.until(lambda event: event.name == "log")
        # When it is reclaimed and begins anew, as after a power cut
        store.disk.rename(store.layout.running(job.attempt.running), store.layout.queued(job.stem))
        job.begin()
        job.prints("second")
        found = stream.until(lambda event: event.name == "log")
        assert [(event.name, event.id) for event in found] == [("attempt", "2:0"), ("log", "2:6")]
        assert found[0].data == {"attempt": 2}
        job.ends("exit")
        assert stream.until(is_end)[-1].data["outcome"] == "exit"
    # And who had only heard the first attempt is told the rest of it before the second
    with events(live.client, job.path, headers={"Last-Event-ID": "1:2"}) as stream:
        found = stream.until(is_end)
    assert [event.name for event in found] == ["log", "attempt", "log", "end"]
    assert text(found) == "rstsecond"


def test_the_last_lines_of_a_long_log(live, store):
    job = Running(store)
    job.prints("".join(f"line {n}\n" for n in range(1000)))
    with events(live.client, job.path, params={"tail": 2}) as stream:
        assert text(stream.until(lambda event: event.name == "log")) == "line 998\nline 999\n"
        job.prints("more\n")
        assert text(stream.until(lambda event: event.name == "log")) == "more\n"
        job.ends()
        stream.until(is_end)


def test_what_would_be_markup_or_would_move_a_cursor_is_text(live, store):
    job = Running(store)
    printed = "<script>alert(1)</script>\x1b[2J\r\n\ndata: x\n\nevent: end\n\x00"
    job.prints(printed)
    job.ends()
    with events(live.client, job.path) as stream:
        found = stream.until(is_end)
    assert [event.name for event in found] == ["log", "end"]
    assert text(found) == printed


def test_it_is_told_soon(live, store):
    job = Running(store)
    with events(live.client, job.path) as stream:
        took = []
        for n in range(5):
            began = time.monotonic()
            job.prints(f"{n}\n")
            stream.until(lambda event: event.name == "log")
            took.append(time.monotonic() - began)
    assert sorted(took)[2] < 0.5


def test_many_follow_many_logs(live, store):
    # Given ten jobs, each followed by four
    jobs = [Running(store) for _ in range(10)]
    with ExitStack() as stack:
        streams = [(job, stack.enter_context(events(live.client, job.path))) for job in jobs for _ in range(4)]
        # When all print and end, Then each reader has his own job's log, whole
        for number, job in enumerate(jobs):
            job.prints(f"log of {number}\n")
            job.ends()
        for job, stream in streams:
            found = stream.until(is_end)
            assert text(found) == f"log of {jobs.index(job)}\n"
            assert found[-1].data["job_id"] == job.stem.uuid


def test_a_job_that_is_retried_is_followed_anew(live, store):
    entry = ended(store, submitted(store), "exit")
    store.layout.run(entry.stem.key).log.write_text("before")
    with events(live.client, f"/api/v1/jobs/{entry.stem.uuid}/log/events") as stream:
        assert stream.until(is_end)[-1].data["status"] == "failed"
    job = Running(store, retried(store, find(store, entry.stem.uuid)))
    with events(live.client, job.path) as stream:
        job.prints("after")
        job.ends()
        found = stream.until(is_end)
    assert text(found).endswith("after")
    assert found[-1].data["status"] == "completed"


def test_a_job_that_is_pruned_meanwhile_ends_the_stream(live, store):
    stem = submitted(store)
    with events(live.client, f"/api/v1/jobs/{stem.uuid}/log/events") as stream:
        store.disk.unlink(store.layout.queued(stem))
        assert list(stream) == []


def test_a_real_job_is_followed_live(live, store):
    # Given a real runner, and a job that prints now and then
    command = [sys.executable, "-u", "-c", "import time\nfor n in range(5):\n print(n)\n time.sleep(0.1)"]
    job = live.post("/jobs", {"command": command}, 201)["job_id"]
    argv = [sys.executable, "-m", "spoolq", "run", "--drain", "--spool", str(store.root)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as runner:
        # When it is followed, Then its lines come while it runs, and its record at the end
        with events(live.client, f"/api/v1/jobs/{job}/log/events") as stream:
            found = stream.until(is_end)
        assert runner.wait(20) == 0
    assert text(found) == "0\n1\n2\n3\n4\n"
    assert len(found) > 3
    assert found[-1].data["exit_code"] == 0
