"""How long jobs like another took, from the records."""

import json

import pytest

from spoolq import took
from spoolq.names import key_names
from spoolq.settings import Settings
from spoolq.took import LEVELS, Past, kind_of, quantile
from spoolq.transitions import State
from tests.spooltest.past import completed, request


def refreshed(store):
    past = Past(store)
    past.refresh(key_names(store.names(State.COMPLETED)))
    return past


def like(past, **of):
    found = past.like({"request": request(**of), "recipe": "lm-eval"})
    assert found is not None
    return found.level, list(found.seconds)


def test_the_narrowest_likeness_that_has_a_past_counts(store):
    # Given jobs of two models, one of them with two sets of tasks
    completed(store, 10, model="a", tasks=["x", "y"])
    completed(store, 30, model="a", tasks=["z"])
    completed(store, 500, model="b")
    completed(store, 70, recipe="command", request={"command": ["python", "eval.py", "--all"]})
    past = refreshed(store)
    # When others are asked about, Then each rests on those that it shares most with; the order of tasks is none of that
    assert like(past, model="a", tasks=["y", "x"]) == (LEVELS[0], [10])
    assert like(past, model="a", tasks=["new"]) == (LEVELS[1], [10, 30])
    assert like(past, model="a", tasks=["x", "y"], limit=5) == (LEVELS[1], [10, 30])
    assert like(past, model="c") == (LEVELS[2], [10, 30, 500])
    other = past.like({"request": {"command": ["python", "eval.py", "--one"]}, "recipe": None})
    assert other is not None and (other.level, other.seconds) == (LEVELS[1], [70])
    new = past.like({"request": {"anything": 1}, "recipe": "lab"})
    assert new is not None and (new.level, new.seconds) == (LEVELS[3], [10, 30, 70, 500])


def test_without_a_past_there_is_nothing_to_say(store):
    assert refreshed(store).like({"request": request(), "recipe": "lm-eval"}) is None


def test_a_model_is_its_weights_too():
    kinds = [
        kind_of({"request": {"model": "hf", "tasks": ["t"], "model_args": arguments}, "recipe": "lm-eval"}, Settings())
        for arguments in ({"pretrained": "org/a"}, "pretrained=org/a,dtype=bfloat16", {"pretrained": "org/b"})
    ]
    assert kinds[0] == kinds[1] != kinds[2]


def test_what_is_no_record_is_passed_over(store):
    # Given records that are torn, of somebody else's making, not written yet, or a folder
    folder = store.layout.state(State.COMPLETED)
    names = [completed(store, 5).name for _ in range(5)]
    whole = json.loads((folder / names[0]).read_text())
    (folder / names[0]).write_text("{")
    (folder / names[1]).write_text("[" * 50_000)
    (folder / names[2]).write_text(json.dumps({**whole, "started_at": None}))
    (folder / names[3]).write_text(json.dumps({"request": {}}))
    past = Past(store)
    past.refresh([*names, "gone.json"])
    # Then the one that is whole counts
    assert past.all() == [5]
    # When the record that was to follow is there, Then it counts too, and one that was pruned does no more
    (folder / names[3]).write_text(json.dumps(whole))
    past.refresh(names[:4])
    assert past.all() == [5]
    past.refresh([])
    assert past.all() == []


def test_a_record_is_read_once(store, monkeypatch):
    # Given a look, When another follows after the files have changed in place, Then nothing was read again
    path = completed(store, 5)
    past = refreshed(store)
    path.write_text("{}")
    past.refresh([path.name])
    assert past.all() == [5]


def test_how_many_records_a_look_reads_is_bounded(store, monkeypatch):
    # Given four completed jobs, of which one look reads two and three count, When one looks twice
    monkeypatch.setattr(took, "_READ", 2)
    monkeypatch.setattr(took, "_RECORDS", 3)
    for number in range(4):
        completed(store, 100 + number)
    past = refreshed(store)
    assert past.all() == [102, 103]
    past.refresh(key_names(store.names(State.COMPLETED)))
    # Then the second look has read on, to the end of those that count
    assert past.all() == [101, 102, 103]


def test_what_a_look_costs_is_bounded(store):
    # Given more completed jobs than are looked at, and a clock by which each takes a tenth of a second
    for number in range(8):
        completed(store, 100 + number)
    ticks = iter(range(1000))
    past = Past(store, clock=lambda: next(ticks) / 10)
    names = key_names(store.names(State.COMPLETED))
    past.refresh(names)
    # Then reading ends in time with the newest, and goes on in the next look
    assert past.all() == [106, 107]
    past.refresh(names)
    assert past.all() == [104, 105, 106, 107]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([7.0], 0.9, 7.0),
        ([1.0, 2.0, 3.0], 0.5, 2.0),
        ([1.0, 2.0], 0.5, 1.5),
        ([*map(float, range(1, 10))], 0.9, 9.0),
    ],
)
def test_quantiles_are_weibulls(values, share, expected):
    assert quantile(values, share) == pytest.approx(expected)


def test_the_next_value_stays_under_the_quantile_as_often_as_it_says():
    # Given many samples of nineteen durations and the one that follows, When p90 of the first is held against that
    import random

    dice = random.Random(7)
    rounds = 4000
    hits = 0
    for _ in range(rounds):
        *seen, following = (dice.expovariate(1.0) for _ in range(20))
        hits += following <= quantile(sorted(seen), 0.9)
    # Then it is under it in nine of ten (2 standard errors are 1%)
    assert hits / rounds == pytest.approx(0.9, abs=0.015)
