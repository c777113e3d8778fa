"""`spoolq doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spoolq.cli.options import JsonOption, SpoolOption, duration, root
from spoolq.errors import EXIT_JOB_FAILED

if TYPE_CHECKING:
    from spoolq.doctor.examine import Examination
    from spoolq.doctor.finding import Finding

_SIGNS = {"ok": "✓ ok", "note": "· note", "warning": "! warning", "fault": "✗ FAULT"}
_COLOURS = {"ok": "completed", "note": "dim", "warning": "cancelled", "fault": "failed"}
#: The width of the columns before the text.
_SIGN, _NAME = 9, 18


def command(
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is certainly safe, and say what was done.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 also for warnings.")] = False,
    hosts: Annotated[
        int, typer.Option(min=1, max=16, metavar="N", help="Wait for the same command on N - 1 other hosts.")
    ] = 1,
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long to wait for them.")] = "60s",
    spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    """Prove on this mount what the queue rests on.

    Races renames, tries locks, looks at mount options, rights, clocks, limits and what was left behind. Safe beside a
    working queue: it tries things in hidden files of its own. Started with --hosts 2 on two hosts at once, they race
    one another. Exit 1 when there is a fault, 5 when there is no spool.

    Example: spoolq doctor --fix

    Example: spoolq doctor --hosts 2 --timeout 2m
    """
    from spoolq import render
    from spoolq.doctor.examine import examine

    seconds = duration(timeout, "--timeout") or 0.0
    if seconds > 1800:
        raise typer.BadParameter("at most 30m: what is older may be cleared as litter", param_hint="--timeout")
    seen = examine(root(spool), fix=fix, hosts=hosts, timeout=seconds)
    if json:
        render.emit_json(seen.document())
    else:
        _print(seen, fix)
    counts = seen.counts()
    if counts["fault"] or (strict and counts["warning"]):
        raise typer.Exit(EXIT_JOB_FAILED)


def _print(seen: Examination, fix: bool) -> None:
    from spoolq import render
    from spoolq.durations import format_duration

    render.line(f"spool {render.safe(seen.patient.root)}")
    for group, found in seen.groups.items():
        render.line("\n" + render.coloured(group, "bold"))
        for finding in found:
            _finding(finding)
    counts = seen.counts()
    parts = [f"{counts['ok']} ok"]
    for verdict in ("note", "warning", "fault"):
        number = counts[verdict]
        text = f"{number} {verdict}{'' if number == 1 else 's'}"
        parts.append(render.coloured(text, _COLOURS[verdict]) if number else text)
    mendable = sum(finding.mend is not None for finding in seen.findings)
    more = f"; --fix can mend {mendable}" if mendable and not fix else ""
    render.line(f"\n{', '.join(parts)} in {format_duration(seen.seconds)}{more}")


def _finding(finding: Finding) -> None:
    """The verdict, the name and what was measured; below it what that breaks, what to do, what was done."""
    from spoolq import render

    sign = render.coloured(f"{_SIGNS[finding.verdict]:<{_SIGN}}", _COLOURS[finding.verdict])
    name = finding.name
    lines = _wrapped(finding.measured)
    if len(name) > _NAME:
        render.line(f"  {sign}  {name}")
        head = " " * (_SIGN + _NAME + 4)
    else:
        head = f"  {sign}  {name:<{_NAME}}"
    render.line(f"{head}  {lines[0]}".rstrip())
    for text in lines[1:]:
        render.line(" " * (_SIGN + _NAME + 6) + text)
    means = "breaks" if finding.verdict in ("warning", "fault") else "means"
    for label, text in ((means, finding.breaks), ("do", finding.next_step), ("mended", finding.mended)):
        for number, row in enumerate(_wrapped(text, _SIGN + 12)) if text else []:
            render.line(f"{' ' * (_SIGN + 4)}{label if not number else '':<6}  {row}")


def _wrapped(text: str, taken: int = _SIGN + _NAME + 6) -> list[str]:
    import textwrap

    from spoolq import render

    room = max(20, render.width() - taken)
    return textwrap.wrap(render.safe(text), room, break_on_hyphens=False) or [""]
