"""What people see: harmless text, tables that fit, filtered logs, masked secrets."""

import io
import json
import re
from itertools import pairwise
from types import SimpleNamespace
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spoolq import render
from spoolq.masking import mask
from spoolq.render import LogFilter

SGR = re.compile(rb"\x1b\[[0-9;:]*m")


class Terminal(io.StringIO):
    """A stdout that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 80 columns for stdout."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    shown = Terminal()
    monkeypatch.setattr(render, "sys", SimpleNamespace(stdout=shown))
    return shown


@pytest.fixture
def pipe(monkeypatch):
    """A pipe for stdout."""
    monkeypatch.setenv("COLUMNS", "80")
    shown = io.StringIO()
    monkeypatch.setattr(render, "sys", SimpleNamespace(stdout=shown))
    return shown


class TestSafe:
    @given(st.text())
    @example("\x1b[2J\x07\x9b31m\r\n\t\u202e\u2066\u200f\x00\x7f")
    def test_nothing_comes_out_that_a_terminal_obeys(self, text):
        out = render.safe(text)
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", out)
        out.encode()

    @given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"])))
    def test_plain_text_stays(self, text):
        assert render.safe(text) == text

    def test_lines_become_one_and_a_block_stays_several(self):
        assert render.safe("a\nb\tc") == "a b c"
        assert render.safe_block("a\nb\x1bc") == "a\nb\ufffdc"

    def test_whatever_is_no_text_is_shown_as_text(self):
        assert render.safe(None) == "None" and render.safe(3) == "3"


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """*data* cut at these places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


#: Bytes as an evaluation, or an enemy, may print them: much of what begins, fills and ends escape sequences.
_INTRODUCERS = [b"\x1b", b"\x1b[", b"\x1b]", b"\x1bP", b"\x9b", b"\xc2\x9b", b"\xc2", b"\x9d", b"\xc2\x9d", b"\x1b("]
_MIDDLES = [b"[", b"]", b"P", b"31", b";", b":", b"?25", b"0;title", b" ", b"(", b"1" * 70]
_ENDS = [b"m", b"\x07", b"\x1b\\", b"\xc2\x9c", b"B", b"c", b"J", b"\r", b"\n", b"\t", b"\x08", b"\xff", b"\x00"]
_WHOLE = ["größe".encode(), "模型".encode(), b"\xe6\xa8", b"\x1b[31m", b"\x1b[2J", b"\x1b]0;t\x07"]
_FRAGMENTS = st.sampled_from([*_INTRODUCERS, *_MIDDLES, *_ENDS, *_WHOLE])
_LOGS = st.one_of(st.binary(), st.lists(_FRAGMENTS).map(b"".join))


class TestLogFilter:
    @settings(max_examples=400)
    @given(_LOGS, st.lists(st.integers(min_value=0)))
    @example(b"\x1b\x1b[31m\x1b]0;" + b"x" * 400 + b"\x07end\x1b[2", [3, 300])
    @example(b"\x1b[" + b"1" * 66 + b"m", [66])
    @example(b"\xc2\x9b2J", [1])
    def test_only_colours_come_out_however_the_bytes_are_cut(self, data, cuts):
        # Given any bytes in any chunks
        log = LogFilter()
        # When they go through
        out = b"".join(log.feed(chunk) for chunk in pieces(data, cuts))
        # Then no escape sequence but colours has come out, nor any other control
        rest = SGR.sub(b"", out).decode()
        assert not re.search(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]", rest)
        # And the chunks made no difference
        assert LogFilter().feed(data) == out

    @given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"])), st.lists(st.integers(0)))
    def test_text_stays_as_it_is(self, text, cuts):
        # Given text without controls, but for those that lay out a line
        data = f"{text}\r{text}\t{text}\b\n".encode()
        # When it goes through in chunks
        log = LogFilter()
        # Then it comes out the same
        assert b"".join(log.feed(chunk) for chunk in pieces(data, cuts)) == data

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"\x1b[1;31mred\x1b[0m", b"\x1b[1;31mred\x1b[0m"),
            (b"\x1b[38:2::255:0:0mx", b"\x1b[38:2::255:0:0mx"),
            (b"a\x1b[2Jb\x1b[?25lc\x1b[10;10Hd", b"abcd"),
            (b"a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c", b"abc"),
            (b"a\x1bPpicture\x1b\\b", b"ab"),
            (b"a\x1b(0b\x1bcd\x1b7e", b"abde"),
            (b"a\xc2\x9b2Jb\xc2\x9d0;t\xc2\x9cc", b"abc"),
            (b"a\x1b]0;never ended\nb", b"a\nb"),
            (b"\x1b[31;\x1b[2Jm", b"31;m"),
            (b"\x0e\x0f\x07\x00\x7fa", b"a"),
            (b"caf\xe9", "caf\ufffd".encode()),
        ],
    )
    def test_one_by_one(self, data, expected):
        # Whole, and byte by byte: `flush` by an ordinary sign shows what was kept back
        log = LogFilter()
        whole = LogFilter().feed(data + b".")
        assert whole == expected + b"."
        assert b"".join(log.feed(bytes([byte])) for byte in data + b".") == whole

    def test_the_colour_that_a_log_leaves_on_is_set_back(self):
        log = LogFilter()
        log.feed(b"\x1b[0m\x1b[31mred")
        assert log.end() == b"\x1b[0m"
        log.feed(b"\x1b[0m")
        assert log.end() == b""


class TestWidth:
    @pytest.mark.parametrize(
        ("text", "expected"), [("abc", 3), ("模型", 4), ("e\u0301", 1), ("größe", 5), ("🙂", 2), ("", 0)]
    )
    def test_columns(self, text, expected):
        assert render.columns(text) == expected

    @given(st.text(), st.integers(1, 30))
    def test_clipped_text_fits_and_begins_as_it_did(self, text, size):
        out = render.clip(text, size)
        assert render.columns(out) <= max(size, 1)
        assert out == text or (out.endswith("…") and text.startswith(out[:-1]))

    def test_fit_is_for_terminals_only(self, terminal):
        assert render.fit("x" * 100) == "x" * 79 + "…"
        assert render.fit("x" * 100, taken=30) == "x" * 49 + "…"

    def test_a_pipe_gets_it_all(self, pipe):
        assert render.fit("x" * 100) == "x" * 100

    def test_a_paragraph_is_wrapped_between_words(self, pipe):
        out = render.paragraph("see runs/" + "a-b" * 40 + " now " + "word " * 20)
        assert "runs/" + "a-b" * 40 in out.splitlines()[1]
        assert all(len(line) <= 80 for line in out.splitlines() if "runs/" not in line)


class TestTable:
    def test_columns_are_aligned(self, pipe):
        render.table(["job", "took", "what"], [["a", "1.0s", "x"], ["bb", "12s", ""]], right=[1])
        assert pipe.getvalue() == "job  took  what\na    1.0s  x\nbb    12s\n"

    def test_wide_letters_are_aligned_too(self, pipe):
        render.table(["name", "n"], [["模型", "1"], ["abcd", "2"]])
        assert pipe.getvalue() == "name  n\n模型  1\nabcd  2\n"

    def test_nothing_is_shown_of_nothing(self, pipe):
        render.table(["job"], [])
        assert pipe.getvalue() == ""

    def test_a_pipe_gets_whole_cells(self, pipe):
        render.table(["a", "b"], [["x" * 100, "y" * 100]], flexible=0)
        assert pipe.getvalue().splitlines()[1] == f"{'x' * 100}  {'y' * 100}"

    def test_a_terminal_gets_lines_that_fit_the_flexible_column_first(self, terminal):
        render.table(["a", "b", "c"], [["x" * 30, "y" * 30, "z" * 30]], flexible=0)
        line = terminal.getvalue().splitlines()[1]
        assert line == f"{'x' * 15}…  {'y' * 30}  {'z' * 30}" and len(line) == 80

    def test_then_the_widest(self, terminal):
        render.table(["a", "b", "c"], [["x" * 10, "y" * 100, "z" * 60]], flexible=0)
        line = terminal.getvalue().splitlines()[1]
        assert len(line) == 80 and line.startswith("xxxxxxx…  yyyy") and line.count("…") == 3

    @given(st.lists(st.lists(st.text(max_size=120), min_size=4, max_size=4), min_size=1, max_size=5), st.integers(0, 3))
    def test_any_cells_fit_eighty_columns(self, lines, flexible):
        shown = Terminal()
        plain = {"COLUMNS": "80", "NO_COLOR": "1"}
        with mock.patch.object(render, "sys", SimpleNamespace(stdout=shown)), mock.patch.dict("os.environ", plain):
            render.table(["a", "b", "c", "d"], lines, flexible=flexible)
        rows = shown.getvalue().split("\n")
        assert len(rows) == len(lines) + 2
        assert all(render.columns(row) <= 80 for row in rows)


class TestColours:
    def test_on_a_terminal(self, terminal):
        assert render.coloured("x", "failed") == "\x1b[31mx\x1b[0m"
        assert render.coloured("x", "queued") == "x"

    @pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
    def test_not_when_unwanted(self, terminal, monkeypatch, name, value):
        monkeypatch.setenv(name, value)
        assert render.coloured("x", "failed") == "x"

    def test_not_in_a_pipe(self, pipe):
        assert render.coloured("x", "failed") == "x"


class TestSecrets:
    @pytest.mark.parametrize(
        "name",
        ["HF_TOKEN", "hf_token", "OPENAI_API_KEY", "APIKEY", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "PGPASSWD",
         "DB_PASS", "GPG_PASSPHRASE", "GOOGLE_CREDENTIALS", "PRIVATE_PEM", "SSH_KEY", "KEY", "HTTP_AUTH"],
    )  # fmt: skip
    def test_are_masked(self, name):
        assert mask({"env": {name: "value"}}) == {"env": {name: "***"}}

    @pytest.mark.parametrize(
        "name",
        ["PATH", "CUDA_VISIBLE_DEVICES", "KEYBOARD", "MONKEY", "PASSES", "GIT_AUTHOR_NAME", "TOKENIZERS_PARALLELISM"],
    )
    def test_others_are_not(self, name):
        assert mask({"env": {name: "value"}}) == {"env": {name: "value"}}

    def test_wherever_an_env_is(self, pipe):
        # Given a record in a list in a document
        document = {"waiting": [{"request": {"env": {"A_TOKEN": "s3cret", "B": "b"}, "command": ["x"]}}]}
        # When it is printed
        render.emit_json(document)
        # Then the secret is not, and the document itself is as it was
        shown = json.loads(pipe.getvalue())
        assert shown["waiting"][0]["request"] == {"env": {"A_TOKEN": "***", "B": "b"}, "command": ["x"]}
        assert document["waiting"][0]["request"]["env"]["A_TOKEN"] == "s3cret"

    def test_also_in_the_few_words_about_a_job_that_no_recipe_took(self):
        # Given a request with a slip in it, When it is listed, Then its token is not
        shown = render.subject({"request": {"comand": ["x"], "env": {"HF_TOKEN": "s3cret"}}})
        assert "s3cret" not in shown and "HF_TOKEN" in shown

    def test_an_env_that_is_no_object_is_harmless(self):
        assert mask({"env": ["HF_TOKEN=x"]}) == {"env": ["HF_TOKEN=x"]}
        assert mask({"env": None}) == {"env": None}


class TestWords:
    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            ({"command": ["/opt/bin/python", "eval.py", "a b"]}, "python eval.py 'a b'"),
            ({"command": ["sh", "-c", "exit 3"]}, "sh -c 'exit 3'"),
            ({"model": "hf", "tasks": ["a", "b"], "model_args": {"pretrained": "org/m"}}, "hf org/m: a, b"),
            ({"model": "hf", "tasks": "a,b"}, "hf: a,b"),
            ({"dataset": "x", "seed": 1}, "dataset=x seed=1"),
            ({"dataset": "x\ny"}, "dataset=x y"),
            ({"command": "not a list", "model": 3, "tasks": {"a": 1}}, "3: {'a': 1}"),
            ({"command": ["\x1b[2J"]}, "'\ufffd[2J'"),
            ({}, ""),
            (None, ""),
        ],
    )
    def test_subject(self, request_, expected):
        assert render.subject({"request": request_}) == expected

    def test_progress(self):
        assert (
            render.progress_text({"stage": "Running", "percent": 5, "done": "8", "total": "160"})
            == "Running 5% (8/160)"
        )
        assert render.progress_text({"stage": "Loading", "percent": 5}) == "Loading 5%"
        assert render.progress_text(None) == ""

    def test_age(self):
        assert render.age("2026-01-01T00:00:00+00:00", "2026-01-01T02:10:00+00:00") == "2h10m"
        assert render.age("2026-01-01T00:00:05+00:00", "2026-01-01T00:00:00+00:00") == "0.0s"
        assert render.age(None) == ""
