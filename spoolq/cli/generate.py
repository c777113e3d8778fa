"""`spoolq generate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from spoolq.cli import generate_options as of
from spoolq.cli.options import JsonOption, SpoolOption, open_store

if TYPE_CHECKING:
    from spoolq.generate.plan import Inputs, Plan
    from spoolq.pool_load import Loaded
    from spoolq.store import Store


def command(
    test_instances_dir: of.TestInstances = of.TEST_INSTANCES,
    submissions_dir: of.Submissions = of.SUBMISSIONS,
    resources_raw_file: of.ResourcesRaw = of.RESOURCES_RAW,
    output_jobs_file: of.OutputJobs = None,
    output_resources_file: of.OutputResources = None,
    dry_run: of.DryRun = False,
    results_root: of.ResultsRoot = None,
    all_tasks: of.AllTasks = None,
    top: of.Top = 5,
    submit: of.Submit = False,
    spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    """Make the jobs and resource pools of an evaluation from challenge submissions.

    A job an instance of each task that one of the best teams scored on, if a resource of the team takes the task. The
    same inputs give the same bytes. Exit 1 when an input cannot be used; then nothing is written.

    Example: spoolq generate --results-root results --dry-run

    Example: spoolq generate --top 3 --submit --spool /nfs/evals
    """
    from spoolq.generate.plan import Inputs

    if spool is not None and not submit:
        raise typer.BadParameter("is for --submit; without that, jobs go into files", param_hint="--spool")
    store = open_store(spool) if submit else None
    outputs = _outputs(output_resources_file, output_jobs_file, submit)
    inputs = Inputs(test_instances_dir, submissions_dir, resources_raw_file, top, all_tasks or (), results_root)
    made = _make(inputs, outputs, dry_run)
    loaded = _load(store, made) if store and not dry_run else None
    _warn(made)
    if json:
        _print_json(made, outputs, loaded, dry_run)
    else:
        _print(made, outputs, loaded, dry_run, submit)


def _outputs(resources: Path | None, jobs: Path | None, submit: bool) -> dict[str, Path]:
    """Which files are written, in this order: with --submit those that are named, else both."""
    if submit:
        return {kind: path for kind, path in (("resources", resources), ("jobs", jobs)) if path}
    return {"resources": resources or of.RESOURCES, "jobs": jobs or of.JOBS}


def _make(inputs: Inputs, outputs: dict[str, Path], dry_run: bool) -> Plan:
    from spoolq.files import Disk
    from spoolq.generate import plan, write
    from spoolq.generate.refusals import telling

    with telling("generate jobs"):
        write.check_targets(outputs.values(), [inputs.resources])
        made = plan.make(inputs)
        documents = {"resources": made.resources, "jobs": made.jobs}
        if not dry_run:
            write.write_all(Disk(), {path: documents[kind] for kind, path in outputs.items()})
    return made


def _load(store: Store, made: Plan) -> Loaded:
    from spoolq.pool_load import load

    return load(store, made.resources, made.named_jobs)


def _warn(made: Plan) -> None:
    from spoolq import render

    for warning in made.warnings:
        render.talk(f"warning: {render.safe(warning)}")
    if not made.jobs:
        render.talk("warning: no jobs; see the tasks and finished instances of each submission")


def _print(made: Plan, outputs: dict[str, Path], loaded: Loaded | None, dry_run: bool, submit: bool) -> None:
    from spoolq import render

    header = ["team", "submission", "tasks", "jobs", "finished"]
    cells = [[one.team_slug, one.submission, one.tasks, one.jobs, one.finished] for one in made.shares]
    render.table(header, cells, right=(2, 3, 4), flexible=1)
    counts = {"resources": f"{len(made.groups)} resource types", "jobs": f"{len(made.jobs)} jobs"}
    for kind, path in outputs.items():
        render.line(f"{'would write' if dry_run else 'wrote'} {counts[kind]} to {render.safe(path)}")
    if submit and dry_run:
        render.line(f"would load {counts['resources']} and {counts['jobs']}, but what the spool has")
    if loaded:
        render.line(f"loaded {loaded.resources} resources; {loaded.resources_known} were there")
        render.line(f"loaded {loaded.pending} jobs; {loaded.jobs_known} were there")


def _print_json(made: Plan, outputs: dict[str, Path], loaded: Loaded | None, dry_run: bool) -> None:
    from spoolq import render

    render.emit_json({
        "dry_run": dry_run,
        "teams": [asdict(share) for share in made.shares],
        "resources": {group.name: len(group.resources) for group in made.groups},
        "jobs": len(made.jobs),
        "files": {kind: str(path) for kind, path in outputs.items()},
        "loaded": asdict(loaded) if loaded else None,
        "warnings": made.warnings,
    })  # fmt: skip
