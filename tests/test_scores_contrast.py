"""Two jobs side by side."""

import json

import pytest

from spoolq.errors import JobNotFound
from spoolq.scores.contrast import compare
from tests.spooltest.scored import job_id, lm_eval, sample, scored


def one(store, task="arc", metric="acc"):
    """The line of a metric when jobs 1 and 2 are compared."""
    (found,) = [line for line in compare(store, job_id(1), job_id(2)) if (line.task, line.metric) == (task, metric)]
    return found


def test_two_jobs_with_samples_get_an_interval(store):
    # Given two evaluations of the same four questions
    lm_eval(store, 1, "a", {"arc": [0, 1, 0, 0]})
    lm_eval(store, 2, "b", {"arc": [1, 1, 1, 0]})
    # When they are compared
    found = one(store)
    # Then there is the paired difference over all of them
    assert (found.first, found.second, found.difference, found.reason) == (0.25, 0.75, 0.5, None)
    assert (found.paired.n, found.paired.difference, found.first_only, found.second_only) == (4, 0.5, 0, 0)
    assert found.paired.mcnemar.second_only == 2 and not found.refused


def test_only_the_questions_of_both_are_compared(store):
    # Given evaluations of questions 0 to 3, and 1 to 5
    lm_eval(store, 1, "a", {"arc": [1, 0, 0, 1]})
    lm_eval(store, 2, "b", {"arc": [1, 1, 1, 0, 0]}, first=1)
    # When they are compared
    found = one(store)
    # Then the three of both are, and the others counted
    assert (found.paired.n, found.first_only, found.second_only) == (3, 1, 2)
    assert found.paired.difference == pytest.approx(2 / 3) and found.difference == pytest.approx(0.1)


def test_other_questions_under_the_same_ids_are_refused(store):
    # Given evaluations whose questions differ in one place
    lm_eval(store, 1, "a", {"arc": [1, 0]})
    lm_eval(store, 2, "b", {"arc": [1, 0]})
    (path,) = store.root.glob(f"runs/*{job_id(2)}/output/b/samples_arc_*.jsonl")
    path.write_text(json.dumps(sample(0, 1)) + "\n" + json.dumps(sample(1, 0, question="who is")) + "\n")
    # When they are compared, Then there is no difference, and why
    found = one(store)
    assert found.refused and found.difference is None and found.paired is None
    assert found.reason == "1 of 2 questions differ under the same id"


def test_another_version_of_the_task_is_refused(store):
    # Given evaluations by two versions of a task, and another task that has only one
    lm_eval(store, 1, "a", {"arc": [1, 0]}, metrics={"wiki": {"loss": 1.0}})
    lm_eval(store, 2, "b", {"arc": [1, 0]}, metrics={"wiki": {"loss": 0.5}}, versions={"arc": 2})
    # When they are compared, Then the one is refused
    assert (one(store).refused, one(store).reason) == (True, "the versions of the task differ: 1 and 2")
    # and the other is not
    assert (one(store, "wiki", "loss").difference, one(store, "wiki", "loss").refused) == (-0.5, False)


def test_no_question_in_common_is_refused(store):
    # Given evaluations of two halves of a task, When they are compared, Then they are not
    lm_eval(store, 1, "a", {"arc": [1, 0]})
    lm_eval(store, 2, "b", {"arc": [1, 0]}, first=2)
    assert (one(store).refused, one(store).reason) == (True, "no question is in both")


def test_a_metric_that_is_not_the_mean_of_its_samples_has_no_interval(store):
    # Given a metric whose value is no mean, When jobs are compared, Then the difference stands alone
    lm_eval(store, 1, "a", {"arc": [1, 0]}, metrics={"arc": {"acc": 0.9}})
    lm_eval(store, 2, "b", {"arc": [1, 1]})
    found = one(store)
    assert found.difference == pytest.approx(0.1) and found.paired is None and not found.refused
    assert found.reason == "first job: it is not the mean of its samples (0.9000; the mean is 0.5000)"


def test_jobs_without_samples_have_a_difference(store):
    # Given records without samples, and with texts and gaps
    scored(store, 1, "a", {"arc": {"acc": 0.5, "alias": "x", "acc_stderr": 0.1}, "old": {"acc": 1}})
    scored(store, 2, "b", {"arc": {"acc": 0.25, "alias": "y", "acc_stderr": 0.1}})
    # When they are compared, Then numbers have a difference, nothing else has
    assert (one(store).difference, one(store).reason) == (-0.25, "first job: no samples are logged")
    assert one(store, metric="alias").difference is None
    assert (one(store, "old").second, one(store, "old").difference) == (None, None)
    # and errors are no metrics
    assert len(compare(store, job_id(1), job_id(2))) == 3


def test_the_direction_is_what_the_harness_declares(store):
    # Given results that declare less of `acc` to be better
    lm_eval(store, 1, "a", {"arc": [1, 0]})
    lm_eval(store, 2, "b", {"arc": [1, 0]})
    assert one(store).lower is False
    (path,) = store.root.glob(f"runs/*{job_id(2)}/output/b/results_*.json")
    path.write_text(json.dumps({"versions": {"arc": 1.0}, "higher_is_better": {"arc": {"acc": False}}}))
    # When they are compared, Then that wins over the name
    assert one(store).lower is True


def test_the_document_says_how_it_was_computed(store):
    # Given two jobs, When their line becomes JSON, Then method and source are in it
    lm_eval(store, 1, "a", {"arc": [1, 0]})
    lm_eval(store, 2, "b", {"arc": [1, 1]})
    told = json.loads(json.dumps(one(store).document([job_id(1), job_id(2)])))
    assert told["values"] == {job_id(1): 0.5, job_id(2): 1.0}
    assert "Student's t" in told["paired"]["method"] and "2411.00640" in told["paired"]["source"]
    assert told["paired"]["mcnemar"] == {"first_only": 0, "second_only": 1, "p": 1.0}


def test_a_job_that_there_is_not_is_refused(store):
    # Given one job, When it is compared with none, Then that is said
    scored(store, 1, "a", {})
    with pytest.raises(JobNotFound):
        compare(store, job_id(1), job_id(9))
