"""A log as a terminal would leave it, and the stream in which it comes, by the page's own modules."""

import json

import pytest

LINES = """(m, pieces, most = 100) => {
  const terminal = new m.Terminal(most);
  for (const piece of pieces) terminal.write(piece);
  return terminal.lines.map((line) => line.text);
}"""
#: What is written, and what a terminal of endless width and height would show.
WRITTEN = {
    "lines": ("one\ntwo\n", ["one", "two", ""]),
    "lines of another system": ("one\r\ntwo", ["one", "two"]),
    "a bar": ("  0%|   |\r 50%|#  |\r100%|###|\ndone", ["100%|###|", "done"]),
    "a shorter text over a longer one": ("longer\rnow", ["nowger"]),
    "erased to the end": ("longer\rno\x1b[K", ["no"]),
    "erased as a whole": ("longer\x1b[2K\rno", ["no"]),
    "backspaces": ("abc\b\bX", ["aXc"]),
    "tabs": ("a\tb", ["a       b"]),
    "two bars, one above the other": (
        "first 0%\nsecond 0%\x1b[A\rfirst 9%\x1b[B\rsecond 9%\n",
        ["first 9%", "second 9%", ""],
    ),
    "further up than there is": ("a\x1b[99Ab", ["ab"]),
    "colours": ("\x1b[1;31mred\x1b[0m \x1b[38;5;2mgreen\x1b[m \x1b[48;2;1;2;3mon\x1b[49m", ["red green on"]),
    "a title": ("\x1b]0;a title\x07text", ["text"]),
    "a title that never ends": ("\x1b]0;a title\nnext", ["", "next"]),
    "a link": ("\x1b]8;;https://a.example\x1b\\here\x1b]8;;\x1b\\", ["here"]),
    "a picture": ("\x1bPq#0;1\x1b\\x", ["x"]),
    "sequences in one byte": ("\x9b31mred\x9b0m \x9d0;t\x9cx", ["red x"]),
    "a cleared screen, which clears nothing here": ("before\n\x1b[2J\x1b[Hafter", ["before", "after"]),
    "what has no shape": ("a\x00b\x1fc\x7f", ["a⟨00⟩b⟨1f⟩c⟨7f⟩"]),
    "what turns others round": ("a\u202eb\u2066c\u200bd\ufeff", ["a⟨202e⟩b⟨2066⟩c⟨200b⟩d⟨feff⟩"]),
    "characters of two units": ("a😀b\rX", ["X😀b"]),
    "half a character": ("a\ud83db", ["a⟨d83d⟩b"]),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_log_is_shown_as_a_terminal_would_leave_it(module, name):
    # Given what a job writes, When the terminal has it whole, Then its lines are these
    text, lines = WRITTEN[name]
    code = f"(m) => ({LINES})(m, [{json.dumps(text)}])"
    assert module("terminal", code) == lines


@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "half a character"])
def test_how_a_log_is_cut_into_pieces_does_not_matter(module, name):
    # Given what a job writes, When it comes in pieces, cut anywhere, Then its lines are the same
    text, lines = WRITTEN[name]
    for cut in range(1, len(text)):
        assert module("terminal", LINES, [text[:cut], text[cut:]]) == lines, cut
    assert module("terminal", LINES, list(text)) == lines


def test_a_log_keeps_its_last_lines_and_counts_the_others(module):
    # Given more lines than are kept, When they are written, Then the last are there
    code = """(m) => {
      const terminal = new m.Terminal(3);
      for (let n = 0; n < 200; n += 1) terminal.write(`row ${n}\\n`);
      return [terminal.lines.map((line) => line.text), terminal.dropped];
    }"""
    assert module("terminal", code) == [["row 198", "row 199", ""], 198]


def test_a_line_without_an_end_is_cut_and_says_so(module):
    # Given a line of a million letters, When it is written, Then it holds some of them, and the number of the others
    code = "(m) => { const t = new m.Terminal(3); t.write('x'.repeat(1e6)); return t.lines[0].text; }"
    text = module("terminal", code)
    assert text.startswith("x" * 16384 + " … 983,616 more characters")


def test_a_mark_is_a_line_that_no_text_can_overwrite(module):
    # Given a mark between two attempts, When the second moves up, Then the mark and what is above stay
    code = """(m) => {
      const terminal = new m.Terminal(9);
      terminal.write("old\\n");
      terminal.mark("attempt 2");
      terminal.write("new\\x1b[9A\\rNEW");
      return terminal.lines.map((line) => line.marker || line.text);
    }"""
    assert module("terminal", code) == ["old", "attempt 2", "NEW"]


def test_colours_become_names_of_classes(module):
    code = """(m) => {
      const terminal = new m.Terminal(9);
      terminal.write("a\\x1b[1;31mb\\x1b[39mc\\x1b[92md\\x1b[38;5;4me");
      return terminal.lines[0].spans().map((span) => [span.text, m.styleClass(span.style)]);
    }"""
    assert module("terminal", code) == [
        ["a", ""],
        ["b", "ansi-red ansi-bold"],
        ["c", "ansi-bold"],
        ["d", "ansi-green ansi-bold"],
        ["e", "ansi-blue ansi-bold"],
    ]


EVENTS = (
    """(m, pieces) => { const parser = new m.EventParser(); return pieces.flatMap((piece) => parser.feed(piece)); }"""
)
STREAM = (
    ': here\n\nid: 1:5\nevent: log\ndata: {"a":1}\n\ndata: two\ndata: lines\n\nid: 7\n\nevent: end\r\ndata: x\r\n\r\n'
)


def test_a_stream_of_events_is_read_however_it_is_cut(module):
    # Given a stream with a comment, an id, data of two lines, an id alone, and line ends of both kinds
    wanted = [
        {"name": "log", "data": '{"a":1}', "id": "1:5"},
        {"name": "message", "data": "two\nlines", "id": None},
        {"name": "end", "data": "x", "id": None},
    ]
    # When it is read whole, or in two pieces, cut anywhere, Then its events are these
    assert module("stream", EVENTS, [STREAM]) == wanted
    for cut in range(1, len(STREAM)):
        assert module("stream", EVENTS, [STREAM[:cut], STREAM[cut:]]) == wanted, cut


def test_each_wait_is_longer_than_the_one_before_and_none_is_endless(module):
    # When waits are asked for, Then they double up to a limit, and chance moves each by up to a half
    waits = module("stream", "(m) => [1, 2, 3, 6, 20].map((n) => [m.backoff(n, () => 0), m.backoff(n, () => 1)])")
    assert waits == [[200, 400], [400, 800], [800, 1600], [6400, 12800], [7500, 15000]]
