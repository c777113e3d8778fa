"""`spoolq show`."""

from __future__ import annotations

from typing import Any

from spoolq.cli.options import JobArgument, JsonOption, SpoolOption, open_spool


def command(job: JobArgument, spool: SpoolOption = None, json: JsonOption = False) -> None:
    """All that is known of one job, with its history.

    Example: spoolq show last
    """
    from spoolq import render

    opened = open_spool(spool)
    record = opened.record(job)
    if json:
        render.emit_json(record)
        return
    _facts(record)
    for title, value in (("request", record["request"]), ("result", record["result"])):
        if value:
            render.line(f"\n{render.coloured(title, 'bold')}")
            _tree(render.mask({"env": value.get("env")} | value) if title == "request" and "env" in value else value)
    if record["metrics"]:
        from spoolq.results import number, rows

        render.line()
        render.table(
            ["task", "metric", "value", "stderr"],
            [[row.task, row.metric, number(row.value), number(row.stderr)] for row in rows([record])],
            right=[2, 3],
            flexible=0,
        )
    if record["error"]:
        render.line(f"\n{render.coloured('error', 'bold')}\n{render.safe_block(record['error'])}")
    render.line(f"\n{render.coloured('history', 'bold')}")
    for event in opened.history(record["job_id"]):
        extra = " ".join(
            f"{key}={event[key]}" for key in ("attempt", "worker", "outcome", "reason", "dropped") if key in event
        )
        render.line(
            f"  {render.local_time(event.get('at'))}  {render.safe(event.get('event'))}  {render.safe(extra)}".rstrip()
        )


_FACTS = (
    "recipe",
    "priority",
    "worker",
    "attempt",
    "exit_code",
    "signal",
    "peak_memory_mib",
    "submitted_by",
    "run_dir",
)


def _facts(record: dict[str, Any]) -> None:
    from spoolq import render

    state = render.coloured(record["status"], record["status"])
    outcome = f" ({record['outcome']})" if record["outcome"] not in (None, "succeeded") else ""
    render.line(f"{record['job_id']}  {state}{outcome}")
    if record["position_in_queue"] is not None:
        render.line(f"  position      {record['position_in_queue']}")
    for name in ("created_at", "started_at", "completed_at"):
        if record[name]:
            render.line(f"  {name[:-3]:<12}  {render.local_time(record[name])}")
    if record["started_at"]:
        render.line(f"  {'took':<12}  {render.age(record['started_at'], record['completed_at'])}")
    if record["progress"]:
        render.line(f"  {'progress':<12}  {render.progress_text(record['progress'])}")
    for name in _FACTS:
        if record[name] not in (None, 0):
            render.line(f"  {name.replace('_mib', ' (MiB)').replace('_', ' '):<12}  {render.safe(record[name])}")


def _tree(value: dict[str, Any]) -> None:
    import json

    from spoolq import render

    for key, inner in value.items():
        if inner not in (None, {}, []):
            text = inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False)
            render.line(f"  {render.safe(key):<12}  {render.safe(text)}")
