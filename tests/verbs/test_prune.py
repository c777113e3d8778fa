"""`spoolq prune`."""

import pytest

from tests.verbs.program import spoolq, spoolq_program


def by_age(ended):
    """Sort lines by state, then by the age of the job that they end with: which of two ends first is a race."""
    order = list(ended.ids.values())
    return lambda line: (line.split()[-2], order.index(line.split()[-1]))


def left(spool):
    """The ids of the ended jobs that are still there."""
    states = [word for state in ("completed", "failed", "cancelled") for word in ("--state", state)]
    return {record["job_id"] for record in spoolq("list", *states, "--json", "--spool", spool).json()}


def test_all_goes_with_its_runs(ended, golden):
    # Given jobs that have ended, and a queued one
    job = spoolq("submit", "--", "true").out.strip()
    said = spoolq("prune", "--all", "--dry-run").out
    *lines, total = said.splitlines()
    golden("prune_dry_run", "\n".join([*sorted(lines, key=by_age(ended)), total, ""]))
    # When all are pruned
    ran = spoolq("prune", "--all")
    # Then records and runs are gone, and the queued one stays
    assert said.replace("would remove", "removed") == ran.out
    assert left(ended.spool) == set() and list((ended.spool / "runs").iterdir()) == []
    assert spoolq("position", job).out == "0\n"


def test_dry_run_touches_nothing(ended):
    before = sorted(path for path in ended.spool.rglob("*"))
    spoolq("prune", "--all", "--dry-run")
    assert sorted(path for path in ended.spool.rglob("*")) == before


def test_keep_spares_the_newest(ended):
    # When all but two of the failed go
    said = spoolq("prune", "--keep", "2", "--state", "failed", "--json").json()
    # Then those that ended last are left, and other states are as they were
    assert len(said["jobs"]["failed"]) == 4 and said["kept"] == 2 and list(said["jobs"]) == ["failed"]
    assert left(ended.spool) == set(ended.ids.values()) - set(said["jobs"]["failed"])


def test_older_than_looks_at_the_end(ended):
    # When what ended a day ago goes
    none = spoolq("prune", "--older-than", "1d")
    # Then nothing goes, for all has just ended
    assert none.out == "removed 0 jobs, 0 B; kept 11\n"
    # And what ended a moment ago goes
    assert spoolq("prune", "--older-than", "0", "--state", "cancelled").lines[-1].startswith("removed 2 jobs, ")


def test_past_both_limits(ended):
    assert spoolq("prune", "--older-than", "1d", "--keep", "0").lines == ["removed 0 jobs, 0 B; kept 11"]
    assert spoolq("prune", "--older-than", "0", "--keep", "10").lines[-1].startswith("removed 1 job, ")


def test_beside_a_running_job(busy):
    # When a spool at work is pruned of everything
    ran = spoolq_program("prune", "--all")
    # Then the job that runs still has its log, and those that wait still wait
    assert (ran.code, ran.out) == (0, "removed 0 jobs, 0 B; kept 0\n")
    assert spoolq("show", busy["running"], "--json").json()["progress"]["percent"] == 50
    assert spoolq("logs", busy["running"]).out != ""
    assert spoolq("position", busy["late"]).out == "2\n"


def test_json(ended):
    said = spoolq("prune", "--all", "--dry-run", "--json").json()
    assert said["dry_run"] is True and said["bytes"] > 0
    assert {state: len(ids) for state, ids in said["jobs"].items()} == {"completed": 3, "failed": 6, "cancelled": 2}


@pytest.mark.parametrize(
    ("argv", "cause"),
    [
        ([], "say which: --older-than DURATION, --keep N, or --all"),
        (["--older-than", "1 week"], "--older-than: '1 week' is no duration"),
        (["--keep", "-1"], "-1 is not in the range"),
        (["--all", "--state", "queued"], "--state: queued jobs are never pruned"),
        (["--all", "--state", "running"], "--state: running jobs are never pruned"),
    ],
)
def test_says_what_it_wants_before_it_removes_anything(ended, argv, cause):
    ran = spoolq("prune", *argv, ok=False)
    assert (ran.code, ran.out) == (2, "") and cause in ran.err
    assert left(ended.spool) == set(ended.ids.values())
