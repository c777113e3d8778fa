"""The command line. Each verb is one file, imported only when it is the one that is run: start-up is a feature."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand

from spoolq.errors import (
    EXIT_NOT_ALLOWED,
    EXIT_OK,
    EXIT_SPOOL_UNUSABLE,
    EXIT_TRY_AGAIN,
    EXIT_USAGE,
    ClaimLost,
    SpoolqError,
)

#: The verbs in the order of `--help`; `module_of` says where each lives, as `command`.
VERBS = (
    "init", "submit", "run", "status", "top", "list", "show", "position", "logs", "wait", "cancel", "retry", "priority",
    "pause", "resume", "results", "prune", "notify", "doctor", "demo", "serve", "pool",
    "generate", "check-results", "worker",
)  # fmt: skip
#: Those that take a command after ``--``.
_COMMANDS = ("submit", "worker")

_HELP = """The evaluation queue that is a directory tree.

Drop a JSON file into SPOOL/queued/, or submit it; `spoolq run` evaluates one after another; results end in
SPOOL/completed/. The spool is --spool DIR, else $SPOOLQ_SPOOL, else ./spool. A JOB is an id, the beginning of one,
`last`, or the name of the file that was dropped.

Exit codes: 0 ok; 1 the job did not complete; 2 usage; 3 no such job; 4 not allowed in this state or for this user;
5 the spool is unusable; 75 try again.

Example: spoolq submit -- python eval.py && spoolq run --drain
"""


class _Verb(TyperCommand):
    """A verb: shows what must be given as JOB, not {JOB}; a reader that has gone (`| head`) is no error of ours."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The pieces of the usage line."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def invoke(self, ctx: Any) -> NoReturn:
        """Run the verb, and see that what it printed has arrived before its exit code is final."""
        code = EXIT_OK
        gc.enable()  # `spoolq` starts without
        try:
            try:
                super().invoke(ctx)
            except typer.Exit as left:
                code = left.exit_code
            sys.stdout.flush()
        except BrokenPipeError:
            _close_stdout()
        raise typer.Exit(code)


def module_of(verb: str) -> str:
    """The module of a verb: `check-results` lives in spoolq.cli.check_results."""
    return f"spoolq.cli.{verb.replace('-', '_')}"


def build(verbs: Iterable[str] = VERBS) -> typer.Typer:
    """The application with these verbs only."""
    app = typer.Typer(
        help=_HELP,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_version_option)
    for verb in verbs:
        command = import_module(module_of(verb)).command
        app.command(verb, cls=_Verb, short_help=_first_sentence(command.__doc__))(command)
    return app


def _first_sentence(text: str) -> str:
    """What the list of verbs says of one, whole: click would cut it to a line."""
    return " ".join(text.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")


def _show_version(asked: bool) -> None:
    if asked:
        from spoolq import __version__

        sys.stdout.write(f"spoolq {__version__}\n")
        raise typer.Exit


def _version_option(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_show_version, is_eager=True),
) -> None:
    pass


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    arguments = [*(sys.argv[1:] if argv is None else argv)]  # `list` is a verb of this package once it is imported
    verb, arguments, command = _split(arguments)
    move = f"run `spoolq {verb}`"
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale, or a path, that is not UTF-8
    try:
        app = build([verb] if verb in VERBS and "_SPOOLQ_COMPLETE" not in os.environ else VERBS)
        app(args=arguments, prog_name="spoolq", obj=command)
    except ClaimLost as error:
        code = _complain(f"cannot {move}: {error}. Try again.", EXIT_TRY_AGAIN)
    except SpoolqError as error:
        said = str(error)
        code = _complain(said if said.startswith("cannot ") else f"cannot {move}: {said}", error.exit_code)
    except PermissionError as error:
        step = "Ask the spool's owner, or act as the user who runs it."
        code = _complain(f"cannot {move}: {_cause(error)}. {step}", EXIT_NOT_ALLOWED)
    except OSError as error:
        code = _complain(f"cannot {move}: {_cause(error)}. Mend that, then try again.", EXIT_SPOOL_UNUSABLE)
    else:
        code = EXIT_USAGE
    sys.exit(code)


def _complain(message: str, code: int) -> int:
    """Say why, in one line on stderr, once what was for stdout is out; returns *code*."""
    try:
        sys.stdout.flush()
    except OSError:
        _close_stdout()
    from spoolq.plain import one_line

    sys.stderr.write(f"spoolq: {one_line(message)}\n")
    return code


def _cause(error: OSError) -> str:
    cause = error.strerror or str(error)
    return f"{cause}: {os.fsdecode(error.filename)}" if error.filename else cause


def _close_stdout() -> None:
    """Let what is still to be flushed go nowhere, or the interpreter would complain of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _split(arguments: list[str]) -> tuple[str | None, list[str], list[str] | None]:
    """The verb, the arguments with a leading `--spool DIR` put behind it, and what follows the first ``--``.

    click cannot tell `submit FILE` from `submit -- COMMAND` once it has parsed them.
    """
    command = None
    if "--" in arguments:
        at = arguments.index("--")
        arguments, command = arguments[:at], arguments[at + 1 :]
    leading: list[str] = []
    rest = [*arguments]
    while rest and (rest[0] == "--spool" or rest[0].startswith("--spool=")):
        leading.append(rest.pop(0))
        if leading[-1] == "--spool" and rest:
            leading.append(rest.pop(0))
    if not rest or rest[0] not in VERBS:
        return None, rest, command
    verb = rest[0]
    if command is not None and verb not in _COMMANDS:
        return verb, [verb, *leading, *rest[1:], "--", *command], None
    return verb, [verb, *leading, *rest[1:]], command
