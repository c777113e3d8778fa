"""docs/cli.md is made of what `--help` says, and every example can be typed as it stands.

`SPOOLQ_UPDATE_GOLDEN=1 python -m pytest tests/test_cli_docs.py` writes the page anew.
"""

import contextlib
import io
import os
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from unittest import mock

import pytest
import typer.main

from spoolq import errors
from spoolq.cli import _HELP, VERBS, _split, build, main, module_of
from spoolq.durations import parse_duration
from spoolq.names import PRIORITIES

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "cli.md"
#: What the parser raises; typer exports only some of its subclasses.
_USAGE_ERROR = typer.BadParameter.__mro__[1]
_INTRODUCTION = """\
# The command line

    spoolq [--spool DIR] VERB …

{verbs}

## A job

A JOB on the command line is

- an id, such as `1b4e28ba-2fa1-4d2b-883f-0016d3cca427`, or the beginning of one that no other job shares: `1b4e`;
- `last`: the newest job of the spool, whatever its state;
- the name of the file that was dropped, with or without `.json`; of several of that name, the newest;
- a KEY, the name of its record or run folder.

## The spool

`--spool DIR`, before the verb or behind it; else `$SPOOLQ_SPOOL`; else `./spool`.

## Output

Answers go to stdout, talk to stderr. `--json` puts one JSON document on stdout, and nothing else. A record has the keys
that [the protocol](protocol.md) lists, and secrets in `env` are masked. On a terminal lines are cut to its width, and
states are coloured unless `NO_COLOR` is set; a pipe or a file gets whole lines without colours. A pipe that is closed
early (`spoolq list | head -1`) is no error.

## Exit codes

{codes}

`logs -f` ends with the job's own exit code, and 130 is Ctrl-C. An error is one line on stderr: what was tried, why not,
and what to do next. Only a command line that makes no sense gets more, its usage.

## Durations

A number of seconds, or numbers with units one after another: `90`, `250ms`, `15m`, `2h30m`, `7d`.

## Priorities

{priorities}: all urgent jobs are served before all high ones, and so on. Within a
priority the older comes first.

## Completion

`spoolq --install-completion` teaches verbs, options and states to bash, zsh or fish; `--show-completion` prints the
script instead.
"""
_CODES = {
    errors.EXIT_OK: "done",
    errors.EXIT_JOB_FAILED: "the job, or one of the jobs, did not complete; `doctor` has found a fault",
    errors.EXIT_USAGE: "the command line or a request is wrong; nothing was queued",
    errors.EXIT_NOT_FOUND: "there is no such job, or several whose ids begin so",
    errors.EXIT_NOT_ALLOWED: "not allowed in the job's state, or for this user",
    errors.EXIT_SPOOL_UNUSABLE: "the spool is missing or incomplete, its settings are wrong, or its disk refuses",
    errors.EXIT_TRY_AGAIN: "try again: the lock was held, or `wait --timeout` was over",
}


def help_of(*verb: str) -> str:
    """What `spoolq VERB --help` shows at 80 columns."""
    out = io.StringIO()
    environment = mock.patch.dict(os.environ, {"COLUMNS": "80"})
    with environment, contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*verb, "--help"])
    return out.getvalue()


def page() -> str:
    """docs/cli.md as it should be."""
    first = {verb: help_of(verb).split("\n\n")[1].split(". ")[0] for verb in VERBS}
    sentences = {verb: " ".join(text.split()).rstrip(".") for verb, text in first.items()}
    verbs = "\n".join(["| verb | |", "| --- | --- |", *(f"| [{v}](#{v}) | {said} |" for v, said in sentences.items())])
    codes = "\n".join(["| code | |", "| --- | --- |", *(f"| {code} | {said} |" for code, said in _CODES.items())])
    parts = [_INTRODUCTION.format(verbs=verbs, codes=codes, priorities=", ".join(f"`{name}`" for name in PRIORITIES))]
    parts += [f"## {verb}\n\n```text\n{help_of(verb)}```\n" for verb in VERBS]
    return "\n".join(parts)


def examples(text: str) -> list[str]:
    """The command lines after `Example:` in a help text, each whole."""
    return re.findall(r"Example: (.+)", text)


def commands(line: str) -> Iterator[list[str]]:
    """The calls of spoolq in a line of shell, without what stands round them."""
    words = shlex.split(line, comments=True)
    call: list[str] = []
    for word in [*words, "&&"]:
        if word in ("&&", "||", "|", ";", "&"):
            if call[:1] == ["spoolq"]:
                yield call[1:]
            call = []
        else:
            call.append(word)


def parse(argv: list[str]) -> None:
    """Have the real parser read a command line, without running it; raises its usage error."""
    verb, arguments, command = _split([word for word in argv if word != "…"])
    assert verb in VERBS, f"{argv} names no verb"
    group = typer.main.get_command(build([verb]))
    context = group.make_context("spoolq", [verb], obj=command)
    group.commands[verb].make_context(verb, arguments[1:], parent=context)


def documented() -> list[str]:
    """The lines of shell that call spoolq in the code blocks of README.md and docs/."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]
    return [row.strip() for text in texts for row in text.splitlines() if re.match(r"( {4})?spoolq [a-z-]", row)]


def test_the_page_is_what_help_says():
    # Given the page, written anew if that was asked for
    if os.environ.get("SPOOLQ_UPDATE_GOLDEN"):
        PAGE.write_text(page(), encoding="utf-8")
    # Then it is what the program says now
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/cli.md is stale; SPOOLQ_UPDATE_GOLDEN=1 renews it"


def test_the_page_knows_every_exit_code():
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert set(_CODES) == codes


def test_the_durations_on_the_page_are_durations():
    assert [parse_duration(text) for text in ("90", "250ms", "15m", "2h30m", "7d")] == [90, 0.25, 900, 9000, 604800]


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_has_an_example_that_can_be_typed(verb):
    # Given the help of a verb
    text = help_of(*([verb] if verb else []))
    lines = examples(text)
    # Then it has an example, which uses it, and which is not broken into two lines
    assert lines, "there is no Example: in it"
    assert lines == examples(import_module(module_of(verb)).command.__doc__ if verb else _HELP)
    calls = [call for line in lines for call in commands(line)]
    assert any(call[0] == verb for call in calls) or not verb
    # And the parser takes every call in it
    for call in calls:
        parse(call)


@pytest.mark.parametrize("line", documented())
def test_what_the_documents_show_can_be_typed(line):
    calls = list(commands(line))
    assert calls
    for call in calls:
        parse(call)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("spoolq status --colour", "No such option: --colour"),
        ("spoolq retry", "Missing argument"),
        ("cd x && spoolq list --state done | head", "'done' is not one of"),
        ("spoolq frobnicate", "names no verb"),
    ],
)
def test_an_example_that_cannot_be_typed_is_noticed(line, fault):
    # Given a line with a fault, then the parser names it
    with pytest.raises((AssertionError, _USAGE_ERROR)) as raised:
        for call in commands(line):
            parse(call)
    assert fault in getattr(raised.value, "format_message", raised.value.__str__)()
