"""The plan: which jobs come of a challenge, under which ids, and what it warns of."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoolq.generate.plan import Share
from spoolq.generate.refusals import Refused
from tests.spooltest.challenge import Challenge, fill, instance


@pytest.fixture
def challenge(tmp_path):
    return fill(Challenge(tmp_path / "challenge"))


def placed(plan):
    """What each job is for, in the order of the ids."""
    assert [job["id"] for job in plan.jobs] == list(range(len(plan.jobs)))
    return [
        (job["payload"]["team_slug"], job["payload"]["task"], job["payload"]["instance_basename"], job["resource_type"])
        for job in plan.jobs
    ]


def test_a_job_an_instance_of_each_scored_task(challenge):
    # Given the small challenge, When it is planned
    plan = challenge.plan()
    # Then jobs come by file, task and instance, in the group that takes the task, and no other team's
    assert placed(plan) == [
        ("comet_2", "radio", instance("radio", 3), "comet_2_1"),
        ("comet_2", "trash", instance("trash", 4), "comet_2_1"),
        ("comet_2", "trash", instance("trash", 5), "comet_2_1"),
        ("comet", "dishes", instance("dishes", 10), "comet_2"),
        ("comet", "dishes", instance("dishes", 1), "comet_2"),
        ("comet", "dishes", instance("dishes", 2), "comet_2"),
        ("comet", "radio", instance("radio", 3), "comet_1"),
    ]
    assert plan.shares == [
        Share("privileged.comet2.json", "Comet 2", "comet_2", tasks=2, jobs=3, finished=0),
        Share("standard.comet.json", "Comet", "comet", tasks=2, jobs=4, finished=0),
    ]
    assert plan.warnings == []
    assert list(plan.resources) == ["comet_2_1", "comet_1", "comet_2"]


def test_a_job_is_what_the_queue_reads(challenge):
    # Given a plan, When one of its jobs is looked at, Then it has the original's fields in the original's order
    assert json.dumps(challenge.plan().jobs[3]) == json.dumps({
        "id": 3,
        "payload": {
            "team": "Comet",
            "team_slug": "comet",
            "task": "dishes",
            "instance_basename": instance("dishes", 10),
        },
        "resource_type": "comet_2",
        "status": "pending",
        "attempts": 0,
    })  # fmt: skip


def test_a_task_of_score_zero_needs_the_team_to_be_named(challenge):
    plan = challenge.plan(all_tasks=["comet"])
    assert [job[1] for job in placed(plan) if job[0] == "comet"][-2:] == ["trash", "trash"]
    assert plan.shares[1].tasks == 3


def test_finished_instances_are_skipped(challenge):
    # Given results of one team for two of its instances, a video, and another team's result
    challenge.metrics("comet", "dishes", 1, {"q_score": 1})
    challenge.metrics("comet", "radio", 3, "half wr")
    challenge.metrics("comet", "trash", 4, {"q_score": 1})
    challenge.video("comet/videos/dishes_2.mp4")
    # When the rest is planned
    plan = challenge.plan(results=challenge.results)
    # Then what has a metrics file is not in it, and ids have no gap
    assert [job[2] for job in placed(plan) if job[0] == "comet"] == [instance("dishes", 10), instance("dishes", 2)]
    assert [(share.jobs, share.finished) for share in plan.shares] == [(3, 0), (2, 2)]


def test_a_results_root_that_is_not_there_is_refused(challenge):
    with pytest.raises(Refused, match="is no folder"):
        challenge.plan(results=challenge.results / "typo")


def test_a_task_that_no_resource_takes_gets_a_warning(challenge):
    # Given resources of the one team that take one of its tasks, and none of the other
    challenge.raw({"comet": [{"compatible_task": "radio"}]})
    # When it is planned
    plan = challenge.plan()
    # Then the rest has no jobs, and each task a warning
    assert placed(plan) == [("comet", "radio", instance("radio", 3), "comet_1")]
    assert plan.warnings == [
        "no resources of team comet_2 take task radio: it gets no jobs",
        "no resources of team comet_2 take task trash: it gets no jobs",
        "no resources of team comet take task dishes: it gets no jobs",
    ]


def test_two_submissions_of_one_team_are_not_evaluated_twice(challenge):
    # Given a team in both tracks, whose results would be the same files
    challenge.submission("privileged.comet.json", "COMET", 0.9, {"radio": 0.5, "trash": 0.5})
    # When it is planned
    jobs = [job for job in challenge.plan().jobs if job["payload"]["team_slug"] == "comet"]
    # Then each instance is one job, of the first file, and a warning says so
    tasks = [(job["payload"]["team"], job["payload"]["task"]) for job in jobs]
    assert tasks == [("COMET", "radio"), ("COMET", "trash"), ("COMET", "trash"), *[("Comet", "dishes")] * 3]
    assert challenge.plan().warnings == [
        "standard.comet.json is of team comet, as is privileged.comet.json: what both have in common is one job"
    ]


def test_a_scored_task_without_instances_stops_all(challenge):
    challenge.submission("standard.north.json", "North", 0.1, {"books": 0.5})
    with pytest.raises(Refused, match=r"standard\.north\.json has a score for books"):
        challenge.plan()
    # But not when the submission is not among the best
    assert len(challenge.plan(top=1).jobs) == 7


def test_a_team_to_be_evaluated_whole_must_exist(challenge):
    with pytest.raises(Refused, match="no submission is of team 'commet'"):
        challenge.plan(all_tasks=["commet"])


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_same_inputs_give_the_same_plan_in_whatever_order_they_were_written(
    tmp_path_factory, shuffler: random.Random
):
    # Given a challenge whose files were made in some order, so that listings give them in another
    challenge = Challenge(tmp_path_factory.mktemp("shuffled") / "challenge")
    submissions = [
        (f"{track}.{n}.json", f"Team {n % 4}", n % 3 / 4) for n in range(6) for track in ("standard", "other")
    ]
    for file, team, overall in shuffler.sample(submissions, len(submissions)):
        challenge.submission(file, team, overall, dict.fromkeys("abc", 0.5))
    for task in shuffler.sample("abc", 3):
        challenge.task(task, shuffler.sample(range(12), 12))
    challenge.raw({f"team_{n}": [{"port": n}] for n in range(4)})
    # When it is planned, Then the plan is the one of the sorted files
    plan = challenge.plan(top=2)
    texts = [str(number) for number in sorted(range(12), key=lambda number: f"{number}_")]
    expected = [
        (f"team_{team}", task, instance(task, int(text)), f"team_{team}_1")
        for team in (2, 1)
        for task in "abc"
        for text in texts
    ]
    assert placed(plan) == expected


def test_a_name_stays_with_its_job_whatever_other_jobs_there_are(challenge):
    # Given a plan, and another one once an instance is finished and a team has come that is before the others
    before = {job["id"]: job["payload"] for job in challenge.plan().named_jobs}
    assert list(before)[:4] == ["comet_2-radio-3", "comet_2-trash-4", "comet_2-trash-5", "comet-dishes-10"]
    challenge.metrics("comet_2", "radio", 3, {})
    challenge.submission("another.json", "Ant", 1, {"radio": 1})
    challenge.raw({team: [{}] for team in ("ant", "comet", "comet_2")})
    after = {job["id"]: job["payload"] for job in challenge.plan(results=challenge.results).named_jobs}
    # When their names are compared, Then who has one in both is the same
    assert before.keys() - after.keys() == {"comet_2-radio-3"} and after.keys() - before.keys() == {"ant-radio-3"}
    assert all(before[name] == after[name] for name in before.keys() & after.keys())


def test_a_name_can_be_a_part_of_a_url(challenge):
    # Given a task whose name could not, When it is planned, Then its jobs have names that can
    challenge.task("a task?#%", [7])
    challenge.submission("standard.comet.json", "Comet", 1, {"a task?#%": 1})
    challenge.raw({"comet": [{}]})
    assert [job["id"] for job in challenge.plan().named_jobs] == ["comet-a_task___-7"]
