"""`spoolq show`."""

from __future__ import annotations

from typing import Any

from spoolq.cli.options import JobArgument, JsonOption, SpoolOption, open_spool
from spoolq.masking import mask


def command(job: JobArgument, spool: SpoolOption = None, json: JsonOption = False) -> None:
    """All that is known of one job, with its history.

    Example: spoolq show last
    """
    from spoolq import render
    from spoolq.status import expected

    opened = open_spool(spool)
    (record,) = expected(opened.store, [opened.record(job)])
    if json:
        render.emit_json(record)
        return
    _facts(record)
    for title, value in (("request", record["request"]), ("result", record["result"])):
        if value:
            render.line(f"\n{render.coloured(title, 'bold')}")
            _tree(mask({"env": value.get("env")} | value) if title == "request" and "env" in value else value)
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
    past = opened.history(record["job_id"])
    if past:
        render.line(f"\n{render.coloured('history', 'bold')}")
    for event in past:
        extra = " ".join(f"{key}={event[key]}" for key in _EVENT_FACTS if key in event)
        render.line(
            f"  {render.local_time(event.get('at'))}  {render.safe(event.get('event'))}  {render.safe(extra)}".rstrip()
        )


_EVENT_FACTS = ("attempt", "worker", "outcome", "reason", "level", "dropped", "hook", "told", "ok", "error")
_FACTS = (
    "recipe",
    "priority",
    "worker",
    "attempt",
    "exit_code",
    "signal",
    "submitted_by",
)


def _facts(record: dict[str, Any]) -> None:
    from spoolq import render

    def fact(name: str, value: Any) -> None:
        render.line(f"  {name.replace('_', ' '):<12} {render.safe(value)}")

    state = render.coloured(record["status"], record["status"])
    outcome = f" ({record['outcome']})" if record["outcome"] not in (None, "succeeded", "cancelled") else ""
    render.line(f"{record['job_id']}  {state}{outcome}")
    if record["position_in_queue"] is not None:
        fact("position", record["position_in_queue"])
    if record.get("reason"):
        fact("waits", record["reason"])
    for name in ("created_at", "started_at", "completed_at"):
        if record[name]:
            fact(name.removesuffix("_at"), render.local_time(record[name]))
    if record["started_at"]:
        fact("took", render.age(record["started_at"], record["completed_at"]))
    for name, key in (("starts", "expected_start"), ("ends", "expected_end")):
        if record.get(key):
            overdue = name == "ends" and render.ending(record) == "overdue"
            fact(name, "overdue: it has run longer than" if overdue else f"about {render.expected(record[key])}")
    if record.get("expected_from"):
        fact("by", _basis(record["expected_from"]))
    if record["progress"]:
        fact("progress", render.progress_text(record["progress"]))
    for name in _FACTS:
        if record[name] not in (None, 0):
            fact(name, record[name])
    if record["peak_memory_mib"]:
        fact("peak_memory", f"{record['peak_memory_mib']} MiB")
    fact("run_dir", record["run_dir"])


def _basis(source: dict[str, Any]) -> str:
    count = source["jobs"]
    those = "the newest job" if count == 1 else f"the newest {count} jobs"
    return f"{those} that completed" + ("" if source["like"] == "all jobs" else f", of the same {source['like']}")


def _tree(value: dict[str, Any]) -> None:
    import json
    import shlex

    from spoolq import render

    for key, inner in value.items():
        if inner in (None, {}, []):
            continue
        if key == "command" and isinstance(inner, list):
            text = shlex.join(map(str, inner))
        else:
            text = inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False)
        render.line(f"  {render.safe(key):<12} {render.safe(text)}")
