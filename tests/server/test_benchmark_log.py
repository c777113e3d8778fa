"""The log of a run as lines, whole and as it grows."""

import pytest

from spoolq.server.benchmark_log import LogLines, progress, whole


@pytest.fixture
def log(tmp_path):
    (tmp_path / "KEY").mkdir()
    return tmp_path / "KEY" / "log.txt"


def add(log, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"one", "one"),
        (b"one\n", "one"),
        (b"one\n\n", "one\n"),
        (b"\n", ""),
        (b"a\r\nb\rc\n", "a\nb\nc"),
        (b"half \xc3", "half �"),
        ("ä".encode() * 70000 + b"\r", "ä" * 70000),
    ],
)
def test_the_whole_log_is_its_lines_joined(log, data, text):
    # Given a log, When it is shown, Then lines are joined by line feeds; a cancelled run's has one line more
    log.write_bytes(data)
    assert "".join(whole(log, cancelled=False)) == text
    said = "Benchmark execution cancelled by user."
    assert "".join(whole(log, cancelled=True)) == (f"{text}\n{said}" if data else said)


def test_there_is_no_log_yet(log):
    # Given a run that has not begun, When its log is asked for in any way, Then there is nothing
    assert "".join(whole(log, cancelled=False)) == ""
    assert LogLines(log).read() is None
    assert progress(log) == (None, None, None)


def test_lines_come_when_they_are_whole(log):
    # Given a follower, When a line is written in pieces, one of them inside a character and one inside a line end
    lines = LogLines(log)
    seen = []
    for piece in (b"on", b"e\ntw", "ö".encode()[:1], "ö".encode()[1:] + b"\r", b"\nthree", b"\n\nlast"):
        add(log, piece)
        seen.append(lines.read())
    # Then it comes once, when it has ended; the last one comes when nothing more will
    assert seen == [[], ["one"], [], [], ["twö"], ["three", ""]]
    assert lines.read() is None
    assert lines.rest() == ["last"] and lines.rest() == []
    lines.close()


def test_a_line_without_an_end_is_cut_into_pieces(log):
    # Given a line of 200 KB, When it is followed, Then it comes in pieces and nothing of it is kept for long
    log.write_bytes(b"x" * 200_000 + b"\n")
    lines, found = LogLines(log), []
    while (new := lines.read()) is not None:
        found += new
    assert "".join(found) == "x" * 200_000 and max(map(len, found)) <= 65536
    lines.close()


def test_what_an_attempt_printed_last_comes_before_the_next_attempts_log(log):
    # Given a follower that has read what there was
    log.write_bytes(b"one\n")
    lines = LogLines(log)
    assert lines.read() == ["one"]
    # When the attempt prints more, its log is put by, and the next attempt begins another
    add(log, b"two\nthr")
    log.rename(log.with_name("log.1.txt"))
    assert lines.read() == ["two"]
    assert lines.read() == ["thr"]
    assert lines.read() is None
    log.write_bytes(b"again\n")
    # Then nothing was lost, and the new log is read from its beginning
    assert lines.read() == ["again"]
    lines.close()
    assert lines.read() == ["again"]
    lines.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[PROGRESS] experiment=a step=perf current=1 total=3 | x", ("a", "perf", 33.3)),
        ("[PROGRESS] experiment=a step=s current=1 total=4 | x\n[PROGRESS] step=t | y\nplain\n", ("a", "t", 25.0)),
        ("[PROGRESS] experiment=a | current=1 total=4", ("a", None, None)),
        ("see [PROGRESS] experiment=a step=b current=1 total=4 |", (None, None, None)),
        ("[PROGRESS] experiment=a step=b current=1 total=0 |", ("a", "b", None)),
        ("[PROGRESS] current=x total=4 |\n[PROGRESS] current=9 total=4 |", (None, None, 100.0)),
        ("[PROGRESS] current=" + "9" * 5000 + " total=" + "9" * 5000 + " |", (None, None, None)),
        ("[PROGRESS]", (None, None, None)),
    ],
)
def test_progress_is_what_the_last_lines_say(log, text, expected):
    # Given lines of progress after much else, When it is read, Then what a line leaves out stays as it was
    log.write_text("x" * 100_000 + "\n" + text)
    assert progress(log) == expected
