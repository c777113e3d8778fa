"""`spoolq demo`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spoolq.cli.options import JsonOption
from spoolq.errors import EXIT_JOB_FAILED

if TYPE_CHECKING:
    from spoolq.api import Spool

_TIMEOUT_S = 600.0
#: Offline, so that nothing is looked for on a hub; slot locks of its own, since it uses no GPU.
_SETTINGS = """\
settle = "2s"
lock_dir = {locks}
[env]
HF_HUB_OFFLINE = "1"
HF_DATASETS_OFFLINE = "1"
CUDA_VISIBLE_DEVICES = ""
"""


def command(
    directory: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Where to make it; else a new temporary directory.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """See it at work: a spool, a runner, files dropped, and scores.

    With lm-eval installed two of the files are real evaluations (offline, without a GPU). Takes under two minutes.

    Example: spoolq demo
    """
    from spoolq.api import Spool
    from spoolq.demo.drops import INSTALL, bring, drops, harness_installed

    place = _place(directory)
    spool = Spool.create(place / "spool")
    settings = _SETTINGS.format(locks=_quoted(place / "locks"))
    spool.store.layout.settings.write_text(settings, encoding="utf-8")
    say = _talk if json else _line
    say(f"A spool is a directory tree. This one is {place / 'spool'}\n")
    if not harness_installed():
        say(f"lm-eval is not installed here, so its two evaluations are left out.\nThis installs it:\n  {INSTALL}\n")
    runner = _start_runner(place)
    try:
        files = drops(sys.executable)
        say("Files are dropped into it, as anyone may who can write there:")
        for drop in files:
            argv = bring(drop, place, place / "spool" / "queued")
            say(f"  {argv[0]} {drop.name} spool/queued/")
        say("\nA runner picks them up at once, one after another:")
        done = _watch(spool, len(files), runner, json)
    finally:
        runner.terminate()
        runner.wait(30)
    _report(spool, place, done, json)
    if not done or len(spool.list(["completed"])) != len(files) - 2:
        _talk(f"spoolq: the demonstration did not end as it should; the runner's words are in {place / 'run.log'}")
        raise typer.Exit(EXIT_JOB_FAILED)


def _place(directory: Path | None) -> Path:
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="spoolq-demo-"))
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise typer.BadParameter(f"{directory} is not empty", param_hint="--dir")
    return directory.resolve()


def _quoted(path: Path) -> str:
    import json

    return json.dumps(str(path))


def _start_runner(place: Path) -> subprocess.Popen[bytes]:
    with (place / "run.log").open("wb") as log:
        argv = [sys.executable, "-m", "spoolq", "run", "--spool", str(place / "spool")]
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _watch(spool: Spool, expected: int, runner: subprocess.Popen[bytes], json: bool) -> bool:
    from spoolq.demo.show import follow

    if not json:
        return follow(spool, expected, lambda: runner.poll() is None, _TIMEOUT_S)
    from contextlib import redirect_stdout

    with redirect_stdout(sys.stderr):
        return follow(spool, expected, lambda: runner.poll() is None, _TIMEOUT_S)


def _report(spool: Spool, place: Path, done: bool, json: bool) -> None:
    from dataclasses import asdict

    from spoolq import render
    from spoolq.results import number

    found = spool.results()
    if json:
        records = list(spool.records())
        render.emit_json(
            {"spool": str(place / "spool"), "done": done, "jobs": records, "results": [asdict(r) for r in found]}
        )
        return
    render.line("\nThe scores:")
    cells = [[row.job_id[:8], row.model, row.task, row.metric, number(row.value), number(row.stderr)] for row in found]
    render.table(["job", "model", "task", "metric", "value", "stderr"], cells, right=[4, 5], flexible=1)
    for record in spool.records(["failed"]):
        kind = "Rejected" if record["outcome"] == "invalid" else "Failed"
        said = str(record["error"])
        cause, found_log, log = said.partition(". Last lines of ")
        last = f". Its log ends: {log.splitlines()[-1]}" if found_log else ""
        render.line("\n" + render.paragraph(f"{kind} {record['job_id'][:8]}: {render.safe(cause + last)}"))
    script = Path(sys.executable).with_name("spoolq")
    command = "spoolq" if shutil.which("spoolq") else str(script) if script.exists() else f"{sys.executable} -m spoolq"
    where = f"--spool {place / 'spool'}"
    render.line("\nTo go on:")
    for verb, what in (("status", ""), ("show", " last"), ("results", " --format md")):
        render.line(f"  {command} {verb}{what} {where}")


def _line(text: str) -> None:
    from spoolq import render

    render.line(text)
    sys.stdout.flush()


def _talk(text: str) -> None:
    from spoolq import render

    render.talk(text)
