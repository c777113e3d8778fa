"""`GET /api/v1/jobs/{id}/log`: whole, by ranges of bytes, the last lines, and earlier attempts."""

import os

import pytest

from spoolq import history
from spoolq.server.printed import logs_of, open_log
from tests.spooltest.jobs import claimed, conclude_as, ended, opened, retried, submitted

TEXT = "one\ntwo\nthree — ünï\n"


@pytest.fixture
def printed(store):
    """A job that has printed TEXT and ended."""
    stem = submitted(store)
    attempt = opened(store, claimed(store, stem))
    store.layout.run(stem.key).log.write_text(TEXT, encoding="utf-8")
    conclude_as(store, attempt, "exit")
    return stem


def log(live, stem, status=200, *, range=None, **query):
    headers = {} if range is None else {"Range": range}
    answer = live.client.get(f"/api/v1/jobs/{stem.uuid}/log", params=query, headers=headers)
    assert answer.status_code == status, answer.text
    return answer


def test_the_whole_log_as_text_and_nothing_else(live, printed):
    answer = log(live, printed)
    assert answer.content == TEXT.encode()
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-log-size"] == answer.headers["content-length"] == str(len(TEXT.encode()))
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-3", 0, 3),
        ("bytes=4-", 4, None),
        ("bytes=-5", -5, None),
        ("bytes=4-9999", 4, None),
        ("bytes=3-3", 3, 3),
    ],
)
def test_a_range_of_bytes(live, printed, wanted, first, last):
    data = TEXT.encode()
    answer = log(live, printed, 206, range=wanted)
    expected = data[first : None if last is None else last + 1]
    assert answer.content == expected
    begin = first % len(data)
    assert answer.headers["content-range"] == f"bytes {begin}-{begin + len(expected) - 1}/{len(data)}"


def test_a_range_behind_the_end_says_how_long_it_is(live, printed):
    for wanted in ("bytes=9999-", "bytes=-0", f"bytes={len(TEXT.encode())}-"):
        answer = log(live, printed, 416, range=wanted)
        assert answer.headers["content-range"] == f"bytes */{len(TEXT.encode())}"


@pytest.mark.parametrize("wanted", ["bytes=x-y", "lines=0-1", "bytes=0-1,3-4", "bytes=-", "bytes=5-2"])
def test_what_is_no_single_range_gets_the_whole_or_nothing(live, printed, wanted):
    # A range whose end is before its beginning is none (RFC 9110, 14.1.1); several are not served
    status = 416 if wanted == "bytes=5-2" else 200
    answer = log(live, printed, status, range=wanted)
    assert status == 416 or answer.text == TEXT


def test_a_range_of_another_version_is_the_whole(live, printed):
    answer = live.client.get(f"/api/v1/jobs/{printed.uuid}/log", headers={"Range": "bytes=0-1", "If-Range": '"x"'})
    assert (answer.status_code, answer.text) == (200, TEXT)


def test_the_last_lines(live, printed):
    assert [log(live, printed, tail=n).text for n in (0, 1, 2, 99)] == ["", TEXT[8:], TEXT[4:], TEXT]
    assert log(live, printed, 422, tail=-1).json()["field"] == "tail"


def test_a_job_that_has_printed_nothing(live, store):
    stem = submitted(store)
    answer = log(live, stem)
    assert (answer.content, answer.headers["x-log-size"]) == (b"", "0")
    assert log(live, stem, tail=5).content == b""
    log(live, stem, 416, range="bytes=0-")
    assert "there is none" in log(live, stem, 404, attempt=1).json()["detail"]


def test_a_log_grows_and_is_read_on_from_its_size(live, store):
    stem = claimed(store, submitted(store)).running.stem
    run = store.layout.run(stem.key)
    run.path.mkdir(parents=True)
    run.log.write_text("a")
    size = log(live, stem).headers["x-log-size"]
    with run.log.open("a") as more:
        more.write("bc")
    assert log(live, stem, 206, range=f"bytes={size}-").text == "bc"


def test_each_attempt_has_its_log(live, store, printed):
    # Given a job that was retried and has printed again
    stem = retried(store, live.face.view.find(printed.uuid))
    assert log(live, stem, attempt=1).text == TEXT
    attempt = opened(store, claimed(store, stem))
    store.layout.run(stem.key).log.write_text("again")
    history.record(store, stem.key, "started", nonce=attempt.origin)
    # When they are asked for by number, Then each is there; without one the newest is
    assert log(live, stem, attempt=1).text == TEXT
    assert log(live, stem, attempt=2).text == log(live, stem).text == "again"
    log(live, stem, 404, attempt=3)
    log(live, stem, 422, attempt=0)


def test_a_log_that_is_about_to_be_put_by_is_the_earlier_attempts(store, printed):
    # Given a second claim that is written down, and has not put the log of the first attempt by
    entry = ended(store, submitted(store), "exit")
    stem = entry.stem
    store.layout.run(stem.key).log.write_text("first")
    retried(store, entry)
    taken = claimed(store, stem)
    history.record(store, stem.key, "claimed", nonce=taken.running.claim.nonce)
    # When its logs are looked for, Then that is the first's
    assert set(logs_of(store, stem.key)) == {1}
    # And once it has started, one that lies there is the second's
    history.record(store, stem.key, "started", nonce=taken.running.claim.nonce)
    assert set(logs_of(store, stem.key)) == {2}


def test_a_log_that_is_a_link_is_not_followed(live, store, tmp_path):
    stem = submitted(store)
    run = store.layout.run(stem.key)
    run.path.mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    run.log.symlink_to(tmp_path / "secret")
    assert "secret" not in log(live, stem, 503).text


def test_a_log_of_any_size_goes_out_piece_by_piece(live, store):
    stem = submitted(store)
    run = store.layout.run(stem.key)
    run.path.mkdir(parents=True)
    block = os.urandom(1 << 20)
    run.log.write_bytes(block * 3)
    assert log(live, stem).content == block * 3


def test_nothing_stays_open(live, store, printed):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        log(live, printed)
        log(live, printed, 416, range="bytes=99999-")
        opened_log = open_log(store, printed.key)
        assert opened_log is not None
        del opened_log
    assert len(os.listdir("/proc/self/fd")) <= before + 2
