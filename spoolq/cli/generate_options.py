"""The options of `spoolq generate` and `spoolq check-results`, and where the files are when nobody says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TEST_INSTANCES = Path("test_instances")
SUBMISSIONS = Path("challenge_submissions")
RESOURCES_RAW = Path("resources-raw.json")
JOBS = Path("jobs.json")
RESOURCES = Path("resources.json")

TestInstances = Annotated[Path, typer.Option(metavar="DIR", help="A folder a task, in it a *.json an instance.")]
Submissions = Annotated[Path, typer.Option(metavar="DIR", help="A *.json a submission.")]
ResourcesRaw = Annotated[Path, typer.Option(metavar="FILE", help='{"TEAM_SLUG": [RESOURCE, ...]}')]
OutputJobs = Annotated[Path | None, typer.Option(metavar="FILE", help="Else jobs.json; with --submit, none.")]
OutputResources = Annotated[Path | None, typer.Option(metavar="FILE", help="Else resources.json; with --submit, none.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would come of it; change nothing.")]
ResultsRoot = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Skip what has DIR/TEAM_SLUG/metrics/TASK_N.json.")
]
Results = Annotated[
    Path, typer.Option("--results-root", metavar="DIR", help="Where workers write: DIR/TEAM_SLUG/metrics/.")
]
AllTasks = Annotated[
    list[str] | None, typer.Option(metavar="TEAM_SLUG", help="Its tasks with score 0 too. Repeatable.")
]
Top = Annotated[int, typer.Option(min=1, metavar="N", help="The best N standard and the best N privileged.")]
Submit = Annotated[bool, typer.Option("--submit", help="Load the resources and jobs into the spool.")]
