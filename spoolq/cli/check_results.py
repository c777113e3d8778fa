"""`spoolq check-results`."""

from __future__ import annotations

from dataclasses import asdict

from spoolq.cli import generate_options as of
from spoolq.cli.options import JsonOption


def command(
    results_root: of.Results,
    test_instances_dir: of.TestInstances = of.TEST_INSTANCES,
    submissions_dir: of.Submissions = of.SUBMISSIONS,
    json: JsonOption = False,
) -> None:
    """Compare what teams report of themselves with what was measured, as CSV.

    A line a team and task: team slug, task, self-reported q_score, mean q_score measured, instances finished, instances
    started. There is no header.

    Example: spoolq check-results --results-root results | grep '^comet,'
    """
    from spoolq import render
    from spoolq.generate.refusals import telling
    from spoolq.generate.tally import tally, to_csv

    with telling("check results"):
        counted = tally(test_instances_dir, submissions_dir, results_root)
    for warning in counted.warnings:
        render.talk(f"warning: {render.safe(warning)}")
    if json:
        render.emit_json([asdict(row) for row in counted.rows])
    else:
        render.line(to_csv(counted.rows).rstrip("\n"))
