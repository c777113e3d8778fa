"""`spoolq status`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from spoolq.cli.options import JsonOption, SpoolOption, open_store


def command(
    spool: SpoolOption = None,
    json: JsonOption = False,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="How many waiting jobs to show.")] = 10,
) -> None:
    """What runs and how far it is, what waits and why, when it is expected to be done, and the counts.

    Example: spoolq status --limit 3
    """
    from spoolq import render
    from spoolq.status import status

    seen = status(open_store(spool), show=limit, ids=json)
    if json:
        render.emit_json(seen)
        return
    _counts(seen)
    if seen["expected_done"]:
        render.line(render.fit(f"the queue is done at about {render.expected(seen['expected_done'])}"))
    for trouble in seen["troubles"]:
        text = render.safe(f"{trouble['what']}: {trouble['path']}. {trouble['next']}")
        render.line(render.coloured(f"trouble: {text}", "failed"))
    if seen["running"]:
        render.line("\n" + render.coloured("running", "bold"))
        for record in seen["running"]:
            _running(record)
    if seen["waiting"]:
        render.line("\n" + render.coloured("waiting", "bold"))
        for record in seen["waiting"]:
            # Why the queue is paused stands above, once.
            _waiting({**record, "reason": "paused"} if seen["paused"] else record)
        left = seen["queue_size"] - len(seen["waiting"])
        if left > 0:
            render.line(f"     … and {left} more (spoolq list --state queued)")


def _counts(seen: dict[str, Any]) -> None:
    from spoolq import render

    render.line(f"spool {render.safe(seen['spool'])}")
    parts = [f"{seen['queue_size']} queued", f"{len(seen['running_jobs'])} running"]
    for state in ("completed", "failed", "cancelled"):
        count = seen[f"{state}_jobs"]
        text = f"{count} {state}"
        parts.append(render.coloured(text, state) if count else text)
    render.line("  ".join(parts))
    if seen["paused"]:
        pause = seen["pause"] or {}
        why = f": {render.safe(pause['reason'])}" if pause.get("reason") else ""
        since = f" {render.age(pause.get('at'))} ago" if pause.get("at") else ""
        text = render.fit(f"paused{since}{why}", len(" (spoolq resume)")) + " (spoolq resume)"
        render.line(render.coloured(text, "cancelled"))
    if seen["drops"]:
        count = seen["drops"]
        noun = "file" if count == 1 else "files"
        render.line(render.fit(f"{count} dropped {noun} not admitted yet (not complete, or nobody runs `spoolq run`)"))
    idle = [slot for slot, held in seen["slots"].items() if not held]
    if idle:
        noun = "slot" if len(idle) == 1 else "slots"
        render.line(render.coloured(render.fit(f"no runner on this host for {noun} {', '.join(idle)}"), "dim"))


def _running(record: dict[str, Any]) -> None:
    from spoolq import render

    lasted = render.age(record["started_at"]) or "starting"
    head = f"  {record['job_id'][:8]}  {lasted:>6}  {render.safe(record['worker'])}  "
    render.line(render.fit(head + render.subject(record)))
    facts = [render.progress_text(record["progress"])]
    if record["attempt"] > 1:
        facts.append(f"attempt {record['attempt']}")
    if record["heartbeat_at"]:
        facts.append(f"heartbeat {render.age(record['heartbeat_at'])} ago")
    facts.insert(1, render.ending(record, "ends at about"))
    said = ", ".join(fact for fact in facts if fact)
    if said:
        render.line(render.fit(f"            {said}"))


def _waiting(record: dict[str, Any]) -> None:
    from spoolq import render

    level = "" if record["priority"] == "normal" else f"{record['priority']} "
    head = f"  {record['position_in_queue']:>2}  {record['job_id'][:8]}  {level}"
    begins = record.get("expected_start")
    start = f"; starts at about {render.clock_time(begins['p50'])}" if begins else ""
    reason = f"  ({render.safe(record['reason'])}{start})"
    text = render.fit(render.subject(record), len(head) + len(reason))
    render.line(head + text + render.coloured(reason, "dim"))
