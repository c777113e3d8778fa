"""A job's log: its tail, and following it through attempts to the end. Bytes go through as they are."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoolq import logs
from spoolq.claims import reclaim
from spoolq.errors import JobNotFound
from spoolq.logs import exit_code, follow, read_tail
from tests.spooltest.jobs import claimed, conclude_as, ended, opened, submitted


def tail(path, lines: int | None) -> bytes:
    return b"".join(read_tail(path, lines))


@given(
    st.lists(st.binary(max_size=12).map(lambda row: row.replace(b"\n", b"x")), max_size=12),
    st.booleans(),
    st.integers(1, 15),
    st.integers(1, 9),
)
@settings(deadline=None, max_examples=200)
def test_the_last_lines_are_those_that_tail_gives(tmp_path_factory, rows, ends, lines, chunk):
    # Given a log of any lines, with or without a newline at its end, read in chunks of any size
    path = tmp_path_factory.getbasetemp() / "tail.txt"
    content = b"\n".join(rows) + (b"\n" if ends else b"")
    path.write_bytes(content)
    before, logs._CHUNK = logs._CHUNK, chunk
    try:
        # When the last of it is asked for, Then it is what splitting the whole gives
        assert tail(path, lines) == b"".join(_last(content, lines))
        assert tail(path, None) == content
        assert tail(path, 0) == b""
    finally:
        logs._CHUNK = before


def _last(content: bytes, lines: int) -> list[bytes]:
    """The last lines of *content*, each with its newline; nothing but newlines ends a line."""
    rows = content.split(b"\n")
    kept = [row + b"\n" for row in rows[:-1]] + ([rows[-1]] if rows[-1] else [])
    return kept[-lines:]


def test_a_log_that_is_not_there_is_empty(tmp_path):
    # Given no log, When it is read, Then there is nothing
    assert tail(tmp_path / "none", 10) == b""
    assert tail(tmp_path / "none", None) == b""


def test_a_log_is_never_a_link(tmp_path):
    # Given an evaluation that put a link where its log was
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "log.txt").symlink_to(tmp_path / "secret")
    # When it is read, Then it is not followed
    with pytest.raises(OSError):
        tail(tmp_path / "log.txt", None)


def test_a_huge_log_is_read_from_its_end(tmp_path):
    # Given a log with a hole of 8 GiB
    with (tmp_path / "log.txt").open("wb") as file:
        file.seek(8 << 30)
        file.write(b"\nlast but one\nlast\n")
    # When its last lines are asked for, Then that is quick
    assert tail(tmp_path / "log.txt", 2) == b"last but one\nlast\n"


class Story:
    """A clock at which things happen: the nth look at it is the nth of *acts*, and each of them takes a second."""

    def __init__(self, *acts) -> None:
        self.acts = list(acts)
        self.now = 0.0

    def __call__(self) -> float:
        act = self.acts.pop(0) if self.acts else nothing
        act()
        self.now += 0.01 if act is nothing else 1.0
        return self.now


def nothing() -> None:
    """Nothing happens."""


@pytest.fixture
def quick(monkeypatch):
    """Looks follow one another at once."""
    monkeypatch.setattr(logs, "_PAUSE_S", 0.0)


def followed(store, job: str, lines: int | None = None, clock=None) -> tuple[bytes, dict]:
    """All that following gives: the bytes, and the record at the end."""
    *chunks, record = follow(store, job, lines, clock or Story())
    assert all(isinstance(chunk, bytes) for chunk in chunks)
    return b"".join(chunks), record


def test_an_ended_jobs_log_comes_whole_then_its_record(store):
    # Given an ended job whose log has any bytes, When it is followed, Then they come as they are, then the record
    entry = ended(store, submitted(store), "exit")
    store.layout.run(entry.stem.key).log.write_bytes(b"one\r\x1b[31mtwo\xff\n")
    said, record = followed(store, entry.stem.uuid)
    assert said == b"one\r\x1b[31mtwo\xff\n"
    assert (record["outcome"], record["job_id"]) == ("exit", entry.stem.uuid)


def test_it_starts_with_the_last_lines_when_asked(store):
    # Given a log of three lines, When the last are asked for, Then those come
    entry = ended(store, submitted(store))
    store.layout.run(entry.stem.key).log.write_bytes(b"one\ntwo\nthree\n")
    assert followed(store, entry.stem.uuid, 2)[0] == b"two\nthree\n"
    assert followed(store, entry.stem.uuid, 0)[0] == b""


def test_a_job_that_never_printed_has_only_its_end(store):
    # Given a job without a log, When it is followed, Then only its record comes
    entry = ended(store, submitted(store), "cancelled")
    assert followed(store, entry.stem.uuid)[0] == b""


def test_it_follows_from_before_the_start_to_the_end(store, quick):
    # Given a queued job that is claimed, prints twice, and ends
    stem = submitted(store)
    log = store.layout.run(stem.key).log
    attempts = []

    def say(text: bytes) -> None:
        with log.open("ab") as file:
            file.write(text)

    story = Story(
        *[nothing] * 4,
        lambda: attempts.append(opened(store, claimed(store, stem))),
        nothing,
        lambda: say(b"hello "),
        *[nothing] * 3,
        lambda: say(b"world\n"),
        nothing,
        lambda: (say(b"bye\n"), conclude_as(store, attempts[0], "succeeded")),
    )
    # When it is followed from the beginning, Then all comes, in order, and then the record
    said, record = followed(store, stem.uuid, clock=story)
    assert said == b"hello world\nbye\n"
    assert record["outcome"] == "succeeded"


@pytest.mark.parametrize("looks_between", [0, 1, 3])
def test_a_new_attempts_log_is_followed_in_turn(store, quick, looks_between):
    # Given a job whose first attempt printed and was lost
    stem = submitted(store)
    run = store.layout.run(stem.key)
    first = opened(store, claimed(store, stem))
    run.log.write_bytes(b"first attempt\n")
    attempts = []

    def run_again() -> None:
        reclaim(store, first.running, "lost", nonce=first.origin, attempt=1)
        attempts.append(opened(store, claimed(store, stem)))
        run.log.write_bytes(b"second attempt\n")

    # When the second one prints and ends, at once or after some looks
    story = Story(
        *[nothing] * 5, run_again, *[nothing] * looks_between, lambda: conclude_as(store, attempts[0], "exit")
    )
    said, record = followed(store, stem.uuid, clock=story)
    # Then both are told, and the record is the last
    assert said == b"first attempt\nsecond attempt\n"
    assert (record["outcome"], record["attempt"]) == ("exit", 2)


def test_a_quick_second_attempt_is_not_missed(store, quick):
    # Given a job whose second attempt prints and ends between two looks
    stem = submitted(store)
    run = store.layout.run(stem.key)
    first = opened(store, claimed(store, stem))
    run.log.write_bytes(b"first attempt\n")

    def run_again_and_end() -> None:
        reclaim(store, first.running, "exit", nonce=first.origin, attempt=1)
        second = opened(store, claimed(store, stem))
        run.log.write_bytes(b"second attempt\n")
        conclude_as(store, second, "exit")

    # When it is followed, whatever the look before which that happens
    story = Story(*[nothing] * 4, run_again_and_end)
    # Then nothing that it printed is missing
    assert followed(store, stem.uuid, clock=story)[0] == b"first attempt\nsecond attempt\n"


@pytest.mark.parametrize("looks", range(1, 9))
def test_nothing_is_missing_whenever_the_second_attempt_comes(store, quick, looks):
    # Given a second attempt that is over in a moment, When that is at any look, Then its output is told
    stem = submitted(store)
    run = store.layout.run(stem.key)
    first = opened(store, claimed(store, stem))
    run.log.write_bytes(b"first attempt\n")

    def run_again_and_end() -> None:
        reclaim(store, first.running, "exit", nonce=first.origin, attempt=1)
        second = opened(store, claimed(store, stem))
        run.log.write_bytes(b"second attempt\n")
        conclude_as(store, second, "exit")

    said, _ = followed(store, stem.uuid, clock=Story(*[nothing] * (looks - 1), run_again_and_end))
    assert said in (b"first attempt\nsecond attempt\n", b"second attempt\n")
    assert said.endswith(b"second attempt\n")


def test_a_job_that_is_pruned_meanwhile_is_an_error(store, quick):
    # Given a job that vanishes, When somebody is at it, Then he is told that there is none
    stem = submitted(store)
    story = Story(*[nothing] * 4, lambda: store.layout.queued(stem).unlink())
    with pytest.raises(JobNotFound):
        followed(store, stem.uuid, clock=story)


def test_who_stops_following_leaves_no_descriptor_open(store):
    # Given somebody who reads one chunk and goes
    attempt = opened(store, claimed(store, submitted(store)))
    store.layout.run(attempt.running.stem.key).log.write_bytes(b"hello\n")
    before = len(os.listdir("/proc/self/fd"))
    following = follow(store, attempt.running.stem.uuid)
    assert next(following) == b"hello\n"
    following.close()
    # Then nothing is left open
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"status": "completed", "exit_code": 0}, 0),
        ({"status": "failed", "exit_code": 3}, 3),
        ({"status": "failed", "exit_code": None, "signal": 9}, 137),
        ({"status": "failed", "exit_code": 0, "signal": None}, 1),
        ({"status": "failed", "exit_code": None, "signal": None}, 1),
        ({"status": "cancelled", "exit_code": None, "signal": 15}, 143),
        ({"status": "cancelled"}, 1),
    ],
)
def test_it_ends_with_the_jobs_own_exit_code(record, code):
    # Given a record, When following it ends, Then with the code that a shell would give
    assert exit_code(record) == code
