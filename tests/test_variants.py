"""One document, several jobs: the product of the values of its fields, and of its benchmarks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoolq.errors import RequestInvalid
from spoolq.variants import MOST, expand, parse_sweep


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("limit=10,100", ("limit", [10, 100])),
        ("limit=10", ("limit", [10])),
        ("model_args.dtype=float16,bfloat16", ("model_args.dtype", ["float16", "bfloat16"])),
        ('x=["a,b", null, {"c": 1}]', ("x", ["a,b", None, {"c": 1}])),
        ("model_args.pretrained=a=b,c", ("model_args.pretrained", ["a=b", "c"])),
        ("env.SEED=1,2", ("env.SEED", ["1", "2"])),
        ("flag=true,false", ("flag", [True, False])),
    ],
)
def test_a_sweep_is_a_field_and_its_values(text, parsed):
    assert parse_sweep(text) == parsed


@pytest.mark.parametrize("text", ["", "limit", "=1", "limit=", "a..b=1", ".a=1", "limit=1,,2", "x=[]"])
def test_what_is_no_sweep(text):
    with pytest.raises(RequestInvalid, match="--sweep"):
        parse_sweep(text)


def test_fields_are_multiplied_in_order_and_share_a_group():
    # Given a bare request, two fields and two tasks
    document = {"model": "m", "tasks": ["a", "b"], "model_args": {"p": "x"}}
    # When it is expanded
    made = expand(document, [("limit", [1, 2]), ("model_args.dtype", ["f", "g"])], split_tasks=True)
    # Then there is a job for each combination, the last field changing fastest, and the rest as it was
    chosen = [(one["request"]["limit"], one["request"]["model_args"]["dtype"], one["request"]["tasks"]) for one in made]
    assert chosen == [(n, d, [t]) for n in (1, 2) for d in "fg" for t in "ab"]
    assert {one["request"]["model_args"]["p"] for one in made} == {"x"}
    assert len({one["group"] for one in made}) == 1
    assert made[1]["labels"] == {"limit": "1", "model_args.dtype": "f", "tasks": "b"}
    assert document == {"model": "m", "tasks": ["a", "b"], "model_args": {"p": "x"}}


def test_two_sweeps_are_two_groups():
    groups = {expand({"model": "m"}, [("x", [1])], split_tasks=False)[0]["group"] for _ in range(2)}
    assert len(groups) == 2


def test_an_envelope_keeps_its_policy_group_and_labels():
    envelope = {"request": {"model": "m"}, "group": "night", "labels": {"limit": "mine"}, "timeout": 5}
    (one,) = expand(envelope, [("limit", [3])], split_tasks=False)
    assert one == {**envelope, "request": {"model": "m", "limit": 3}}


@pytest.mark.parametrize("tasks", [None, "a,b", []])
def test_without_a_list_of_tasks_there_is_nothing_to_split(tasks):
    with pytest.raises(RequestInvalid, match="field `tasks`"):
        expand({"tasks": tasks}, [], split_tasks=True)


def test_a_path_into_what_is_no_object_is_refused():
    with pytest.raises(RequestInvalid, match="`model_args`, which is no object"):
        expand({"model_args": "a=b"}, [("model_args.x", [1])], split_tasks=False)


def test_more_than_can_be_meant_is_refused():
    with pytest.raises(RequestInvalid, match=f"{MOST} at once"):
        expand({}, [("a", list(range(40))), ("b", list(range(40)))], split_tasks=False)


@given(st.lists(st.lists(st.integers(), min_size=1, max_size=4, unique=True), max_size=3))
def test_there_are_as_many_jobs_as_combinations_and_no_two_are_equal(axes):
    made = expand({"m": 1}, [(f"f{place}", values) for place, values in enumerate(axes)], split_tasks=False)
    requests = [tuple(sorted(one["request"].items())) for one in made]
    count = 1
    for values in axes:
        count *= len(values)
    assert len(set(requests)) == len(requests) == count
