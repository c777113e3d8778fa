"""Prune: takes ended jobs with their runs, and nothing that anybody still needs."""

import os
import time

import pytest

from spoolq.claims import back
from spoolq.errors import SpoolUnusable
from spoolq.find import find
from spoolq.jobs import Entry
from spoolq.people import retry
from spoolq.prune import oldest_kept, prune
from spoolq.replay import LITTER_AGE_S
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.jobs import claimed, conclude_as, ended, opened, submitted
from tests.spooltest.trees import assert_state, places, record_of
from tests.spooltest.users import without_rights

DAY = 86400.0


class At(Store):
    """A store at a moment that a test sets, in seconds from now."""

    def __init__(self, root) -> None:
        self.offset = 0.0
        super().__init__(root, host="host-a", clock=lambda: time.time() + self.offset)


@pytest.fixture
def store(spool_path):
    return At(spool_path)


def ended_ago(store, days: float, outcome: str = "succeeded", log: bytes = b"") -> Entry:
    """A job that ended that many days ago."""
    store.offset = -days * DAY
    entry = ended(store, submitted(store), outcome)
    store.offset = 0.0
    store.layout.run(entry.stem.key).log.write_bytes(log)
    return entry


def ids(entries) -> list[str]:
    return sorted(entry.stem.uuid for entry in entries)


def test_without_limits_every_ended_job_goes_and_nothing_else(store):
    # Given jobs in every state
    done = [ended(store, submitted(store), outcome) for outcome in ("succeeded", "exit", "cancelled")]
    queued, running = submitted(store), claimed(store, submitted(store)).running
    opened_running = store.layout.run(running.stem.key)
    # When the spool is pruned
    report = prune(store)
    # Then records and runs of the ended are gone, those of the others are not
    assert sorted(job for jobs in report.jobs.values() for job in jobs) == ids(done)
    assert set(report.jobs) == {"completed", "failed", "cancelled"}
    assert set(places(store)) == {queued.uuid, running.stem.uuid}
    assert not any(store.layout.run(entry.stem.key).path.exists() for entry in done)
    assert os.listdir(store.layout.tmp) == []
    assert not opened_running.path.exists() or opened_running.path.is_dir()


def test_only_what_ended_long_enough_ago_goes(store):
    # Given jobs that ended 1, 5 and 10 days ago
    young, middle, old = ended_ago(store, 1), ended_ago(store, 5), ended_ago(store, 10)
    # When what is older than 7 days is pruned, Then that is one
    report = prune(store, older_than=7 * DAY)
    assert report.jobs == {"completed": [old.stem.uuid]} and report.kept == 2
    assert set(places(store)) == {young.stem.uuid, middle.stem.uuid}


def test_it_is_the_end_that_counts_not_the_submission(store):
    # Given a job that was submitted ten days ago and ended today
    store.offset = -10 * DAY
    attempt = opened(store, claimed(store, submitted(store)))
    store.offset = 0.0
    conclude_as(store, attempt, "succeeded")
    # When old ones are pruned, Then it stays
    assert prune(store, older_than=7 * DAY).jobs == {}
    assert_state(store, attempt.running.stem.uuid, State.COMPLETED)


def test_the_newest_are_spared(store):
    # Given five jobs, When all but two are to go, Then the two that ended last stay
    entries = [ended_ago(store, days) for days in (5, 1, 4, 2, 3)]
    report = prune(store, keep=2)
    assert sorted(report.jobs["completed"]) == ids([entries[0], entries[2], entries[4]])
    assert set(places(store)) == {entries[1].stem.uuid, entries[3].stem.uuid}


def test_with_both_limits_a_job_goes_only_if_it_is_past_both(store):
    # Given four jobs of several ages, When both limits are given, Then only what is past both goes
    entries = [ended_ago(store, days) for days in (1, 8, 9, 10)]
    report = prune(store, older_than=7 * DAY, keep=2)
    assert sorted(report.jobs["completed"]) == ids(entries[2:])
    assert prune(store, older_than=7 * DAY, keep=9).jobs == {}


def test_only_the_states_asked_for_are_pruned(store):
    # Given a failed and a completed job, When failed ones are pruned, Then the other stays
    failed, done = ended(store, submitted(store), "exit"), ended(store, submitted(store))
    assert prune(store, states=[State.FAILED]).jobs == {"failed": [failed.stem.uuid]}
    assert_state(store, done.stem.uuid, State.COMPLETED)


def test_a_dry_run_says_the_same_and_touches_nothing(store):
    # Given jobs with logs, and a tree as it is
    for days in (1, 8, 9):
        ended_ago(store, days, log=b"x" * 1000)

    def tree() -> dict[str, int]:
        return {str(path): path.lstat().st_size for path in sorted(store.root.rglob("*"))}

    before = tree()
    # When it is tried without doing it, Then nothing is changed, and it tells what would be
    dry = prune(store, older_than=7 * DAY, dry_run=True)
    assert tree() == before
    wet = prune(store, older_than=7 * DAY)
    assert (dry.jobs, dry.bytes, dry.kept) == (wet.jobs, wet.bytes, wet.kept)


def test_it_tells_what_it_freed(store):
    # Given a job with a log, an output and a link to something huge
    entry = ended_ago(store, 0, log=b"x" * 5000)
    run = store.layout.run(entry.stem.key)
    run.output.mkdir()
    (run.output / "results.json").write_bytes(b"y" * 3000)
    (run.output / "model").symlink_to(store.layout.settings)
    sizes = [path.lstat().st_size for path in run.path.rglob("*") if path.is_file() and not path.is_symlink()]
    sizes.append(store.layout.terminal(State.COMPLETED, entry.stem.key).stat().st_size)
    # When it is pruned, Then the bytes are those of its own files
    assert prune(store).bytes == sum(sizes)
    assert store.layout.settings.exists()


def test_links_in_a_run_are_not_followed(store, tmp_path):
    # Given a run whose output is a link to a folder of somebody's
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "data").write_text("1")
    entry = ended(store, submitted(store))
    store.layout.run(entry.stem.key).output.symlink_to(tmp_path / "mine")
    # When it is pruned, Then the link goes, and the folder stays
    prune(store)
    assert (tmp_path / "mine" / "data").exists()


def test_a_job_whose_record_is_not_written_is_skipped(store):
    # Given a failed job whose record is still on its way
    stem = submitted(store)
    store.layout.queued(stem).rename(store.layout.terminal(State.FAILED, stem.key))
    # When all are pruned, Then it stays, and the report says so
    report = prune(store)
    assert (report.jobs, report.skipped, report.kept) == ({}, [stem.uuid], 1)
    assert_state(store, stem.uuid, State.FAILED)


def test_a_record_without_a_readable_end_is_judged_by_its_submission(store):
    # Given an old record whose end somebody has mangled
    store.offset = -10 * DAY
    entry = ended(store, submitted(store))
    store.offset = 0.0
    path = store.layout.terminal(State.COMPLETED, entry.stem.key)
    path.write_text(path.read_text().replace('"completed_at": "2', '"completed_at": "x'))
    # When a long time is asked for, Then its stamp counts, which is in the file server's time
    assert prune(store, older_than=7 * DAY).jobs == {}
    store.offset = 8 * DAY
    assert prune(store, older_than=7 * DAY).jobs == {"completed": [entry.stem.uuid]}


def test_what_is_no_job_is_never_pruned(store):
    # Given files that people keep beside the records
    for state in ("completed", "failed", "cancelled"):
        (store.root / state / "README").write_text("x")
        (store.root / state / "notes.json").write_text("{}")
    prune(store)
    assert all(len(os.listdir(store.root / state)) == 2 for state in ("completed", "failed", "cancelled"))


class TestOrphans:
    """Run folders whose job is nowhere."""

    KEY = "20261120T120730.123456Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427"

    def orphan(self, store, age: float):
        path = store.layout.run(self.KEY).path
        path.mkdir()
        (path / "log.txt").write_bytes(b"x" * 100)
        then = time.time() - age
        os.utime(path, (then, then))
        return path

    def test_old_ones_go(self, store):
        # Given an orphan of over an hour, When the spool is pruned, Then it is gone, and counted
        path = self.orphan(store, LITTER_AGE_S + 60)
        report = prune(store)
        assert (report.orphans, report.bytes) == ([self.KEY], 100)
        assert not path.exists() and os.listdir(store.layout.tmp) == []

    def test_young_ones_may_belong_to_an_admission_under_way(self, store):
        # Given an orphan of a minute, When the spool is pruned, Then it stays
        path = self.orphan(store, 60)
        assert prune(store).orphans == [] and path.exists()

    def test_they_stay_as_long_as_jobs_do(self, store):
        # Given an orphan younger than the limit, When the spool is pruned, Then it stays
        path = self.orphan(store, 2 * DAY)
        assert prune(store, older_than=7 * DAY).orphans == [] and path.exists()

    def test_pruning_one_state_says_nothing_about_orphans(self, store):
        # Given an orphan, When one state is pruned, Then it stays
        path = self.orphan(store, 2 * DAY)
        assert prune(store, states=[State.FAILED]).orphans == [] and path.exists()

    def test_a_dry_run_leaves_them(self, store):
        # Given an orphan, When pruning is only tried, Then it is told, and stays
        path = self.orphan(store, 2 * DAY)
        assert prune(store, dry_run=True).orphans == [self.KEY] and path.exists()

    def test_other_folders_are_left_alone(self, store):
        # Given a folder that is no run's, When the spool is pruned, Then it stays
        (store.layout.runs / "notes").mkdir()
        os.utime(store.layout.runs / "notes", (0, 0))
        assert prune(store).orphans == []

    @pytest.mark.parametrize("state", State)
    def test_the_run_of_a_job_in_any_state_is_none(self, store, state):
        # Given a job with an old run folder in each state
        stem = submitted(store)
        if state is State.RUNNING:
            claimed(store, stem)
        elif state is not State.QUEUED:
            ended(store, stem, {"completed": "succeeded", "failed": "exit"}.get(state, "cancelled"))
        path = store.layout.run(stem.key).path
        path.mkdir(exist_ok=True)
        os.utime(path, (0, 0))
        # When orphans are looked for, Then it is not one
        assert prune(store, older_than=1.0).orphans == []
        assert path.exists()


class Interrupted(Store):
    """A store on which something happens just before a state is listed for the nth time."""

    def __init__(self, root, state: State, nth: int, act) -> None:
        super().__init__(root, host="host-a")
        self._state, self._left, self._act = state, nth, act

    def names(self, state: State) -> list[str]:
        if state is self._state:
            self._left -= 1
            if self._left == 0:
                self._act()
        return super().names(state)


def test_a_job_that_is_requeued_while_prune_lists_keeps_its_run(store):
    # Given a job that has run for hours
    running = claimed(store, submitted(store)).running
    run = store.layout.run(running.stem.key).path
    run.mkdir()
    (run / "log.txt").write_text("hours of it")
    os.utime(run, (0, 0))
    # When it goes back to the queue after prune has listed that, and before it lists what runs
    seen = Interrupted(store.root, State.RUNNING, 1, lambda: back(store, running))
    prune(seen)
    # Then its run folder is no orphan
    assert_state(store, running.stem.uuid, State.QUEUED)
    assert (run / "log.txt").read_text() == "hours of it"


@pytest.mark.parametrize("nth", [1, 2])
def test_a_job_that_is_retried_while_prune_lists_keeps_its_run(store, nth):
    # Given a failed job that is to be kept
    entry = ended(store, submitted(store), "exit")
    run = store.layout.run(entry.stem.key)
    run.log.write_text("a traceback")
    os.utime(run.path, (0, 0))
    # When somebody retries it while prune is listing
    seen = Interrupted(store.root, State.FAILED, nth, lambda: retry(store, entry))
    prune(seen, older_than=DAY)
    # Then nothing of it is lost
    assert_state(store, entry.stem.uuid, State.QUEUED)
    assert run.log.read_text() == "a traceback"


def test_a_job_that_is_retried_after_it_was_listed_stays(store):
    # Given a failed job that somebody retries when prune is about to take it
    entry = ended(store, submitted(store), "exit")
    record = record_of(store, entry.stem.uuid)

    def step(name, path):
        if name == "rename" and path.name.endswith(".pruned"):
            raise AssertionError("its run folder was about to go")

    pruning = Store(store.root, host="host-a")
    original = pruning.locked

    def locked(**options):
        if find(store, entry.stem.uuid).state is State.FAILED:
            retry(store, entry)
        return original(**options)

    pruning.locked = locked
    pruning.disk.step = step
    # When it is pruned, Then the retry wins
    assert prune(pruning).jobs == {}
    assert_state(store, entry.stem.uuid, State.QUEUED)
    assert record["outcome"] == "exit"


def test_two_prunes_at_once_take_each_job_once(store):
    # Given twenty jobs and two processes
    for _ in range(20):
        ended(store, submitted(store))
    reader, writer = os.pipe()
    pids = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            report = prune(Store(store.root, host="host-a"))
            os.write(writer, b"%d\n" % sum(map(len, report.jobs.values())))
            os._exit(0)
        pids.append(pid)
    os.close(writer)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    # When both prune, Then together they took all, and none twice
    with os.fdopen(reader) as answers:
        assert sum(map(int, answers.read().split())) == 20
    assert places(store) == {} and os.listdir(store.layout.runs) == []


def test_an_empty_spool_has_nothing_to_prune(store):
    # Given an empty spool, When it is pruned, Then the report is empty
    report = prune(store)
    assert (report.jobs, report.orphans, report.bytes, report.kept, report.skipped) == ({}, [], 0, 0, [])


def test_a_spool_that_cannot_be_listed_says_so(store, public_store):
    # Given a state that is gone, and one that may not be read, When it is pruned, Then the error says which
    store.layout.state(State.FAILED).rmdir()
    with pytest.raises(SpoolUnusable, match="failed: it is gone"):
        prune(store)
    public_store.layout.state(State.CANCELLED).chmod(0)
    said = without_rights(lambda: prune(public_store))
    assert said.startswith("SpoolUnusable: cannot list") and "cancelled: permission denied" in said


def test_the_moment_before_which_jobs_are_old():
    # Given a moment and an age, When it is shown, Then as the moment that lies so far back
    assert oldest_kept(1_800_000_000, DAY) == "2027-01-14T08:00:00+00:00"
