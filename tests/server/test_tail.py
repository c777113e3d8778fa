"""A log followed through its attempts, by bytes, in text that is never cut inside a character."""

import random
from itertools import pairwise

import pytest

from spoolq import history
from spoolq.find import find
from spoolq.server.tail import Tail
from tests.spooltest.jobs import claimed, conclude_as, opened, retried, submitted
from tests.spooltest.waiting import wait_for


@pytest.fixture
def job(store):
    """A running job: its key, its attempt, and its log."""
    stem = submitted(store)
    attempt = opened(store, claimed(store, stem))
    history.record(store, stem.key, "started", nonce=attempt.origin)
    return Job(store, stem, attempt)


class Job:
    def __init__(self, store, stem, attempt):
        self.store, self.stem, self.attempt = store, stem, attempt
        self.key, self.run = stem.key, store.layout.run(stem.key)

    def prints(self, data):
        with self.run.log.open("ab") as log:
            log.write(data if isinstance(data, bytes) else data.encode())

    def again(self):
        """It fails, is retried, and runs once more."""
        conclude_as(self.store, self.attempt, "exit")
        stem = retried(self.store, find(self.store, self.stem.uuid))
        self.attempt = opened(self.store, claimed(self.store, stem))
        history.record(self.store, self.key, "started", nonce=self.attempt.origin)


def pieces(tail, **options):
    """All that can be read now: (attempt, offset, end, text), or (attempt,) for a beginning."""
    found = []
    while (piece := tail.read(**options)) is not None:
        found.append((piece.attempt,) if piece.begins else (piece.attempt, piece.offset, piece.end, piece.text))
    return found


def test_what_is_printed_comes_once_with_its_place(store, job):
    tail = Tail(store, job.key)
    assert pieces(tail) == []
    job.prints("one\n")
    assert pieces(tail) == [(1, 0, 4, "one\n")]
    assert pieces(tail) == []
    job.prints("two\nthree")
    assert pieces(tail) == [(1, 4, 13, "two\nthree")]


def test_a_character_is_never_cut(store, job):
    # Given text of characters of one to four bytes, printed in pieces that know nothing of them
    rng = random.Random(4)
    text = "".join(rng.choices("aé€😀\n", k=400))
    data, tail, found = text.encode(), Tail(store, job.key), []
    while data:
        cut = rng.randint(1, 5)
        job.prints(data[:cut])
        data = data[cut:]
        found += pieces(tail)
    # When the pieces are put together, Then it is the text, and each ends where the next begins
    assert "".join(piece[3] for piece in found) == text
    assert all(before[2] == after[1] for before, after in pairwise(found))
    assert found[-1][2] == len(text.encode())


def test_half_a_character_at_the_end_goes_when_nothing_follows(store, job):
    tail = Tail(store, job.key)
    job.prints(b"x\xe2\x82")
    assert pieces(tail) == [(1, 0, 1, "x")]
    assert pieces(tail, final=True) == [(1, 1, 3, "�")]
    assert pieces(tail, final=True) == []


def test_bytes_that_are_no_text_do_not_stop_it(store, job):
    job.prints(b"a\xff\xfeb\x00\x1b[31m")
    assert pieces(Tail(store, job.key)) == [(1, 0, 10, "a��b\x00\x1b[31m")]


def test_a_new_attempt_begins_after_the_end_of_the_one_before(store, job):
    # Given a reader of the first attempt, which is behind
    tail = Tail(store, job.key)
    job.prints("first, ")
    assert pieces(tail) == [(1, 0, 7, "first, ")]
    job.prints(b"to its end \xe2")
    # When the job fails, is retried, and prints again
    job.again()
    job.prints("second")
    # Then nothing of either is missed
    assert pieces(tail) == [(1, 7, 18, "to its end "), (1, 18, 19, "�"), (2,), (2, 0, 6, "second")]
    # And a third attempt is followed like the second
    job.again()
    job.prints("third")
    assert pieces(tail) == [(3,), (3, 0, 5, "third")]


def test_it_goes_on_from_any_place_of_any_attempt(store, job):
    job.prints("abcdef")
    job.again()
    job.prints("ghi")
    assert pieces(Tail(store, job.key, (1, 4))) == [(1, 4, 6, "ef"), (2,), (2, 0, 3, "ghi")]
    assert pieces(Tail(store, job.key, (2, 1))) == [(2, 1, 3, "hi")]
    assert pieces(Tail(store, job.key, (2, 3))) == []
    # A place behind the end is the end, and one of an attempt that there is not is the beginning of the newest
    assert pieces(Tail(store, job.key, (2, 99))) == []
    assert pieces(Tail(store, job.key, (7, 2))) == [(2, 0, 3, "ghi")]
    assert pieces(Tail(store, job.key)) == [(2, 0, 3, "ghi")]


def test_the_last_lines_first(store, job):
    job.prints("one\ntwo\nthree\n")
    assert pieces(Tail(store, job.key, lines=2)) == [(1, 4, 14, "two\nthree\n")]
    tail = Tail(store, job.key, lines=0)
    assert pieces(tail) == []
    job.prints("four\n")
    assert pieces(tail) == [(1, 14, 19, "four\n")]
    # A place to go on from counts before the lines
    assert pieces(Tail(store, job.key, (1, 8), lines=1)) == [(1, 8, 19, "three\nfour\n")]


def test_a_large_log_comes_in_pieces(store, job):
    data = b"x" * 200_000
    job.prints(data)
    found = pieces(Tail(store, job.key))
    assert len(found) == 4
    assert "".join(piece[3] for piece in found).encode() == data


def test_a_job_that_has_not_begun_is_waited_for(store):
    stem = submitted(store)
    tail = Tail(store, stem.key)
    assert pieces(tail) == []
    assert tail.attempt == 0
    job = Job(store, stem, opened(store, claimed(store, stem)))
    assert pieces(tail) == []
    job.prints("begun")
    wait_for(lambda: pieces(tail) == [(1, 0, 5, "begun")], 1)
    tail.close()
