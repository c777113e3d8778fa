"""Bounded overtaking: nobody is overtaken more often than the window, and nothing is looked at beyond it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoolq.affinity import choose, forget


def served(names: list[str], window: int) -> list[str]:
    """The order in which *names* go, those that begin with `w` being warm."""
    waiting, order, overtaken = list(names), [], {}
    while waiting:
        place = choose(waiting, lambda name: name.startswith("w"), window, overtaken)
        order.append(waiting.pop(place))
        forget(waiting, overtaken)
    return order


def test_without_a_window_the_order_is_strict_and_nobody_further_is_asked():
    # Given a cold job before warm ones, When there is no window, Then it goes first, and only it is asked about
    asked: list[str] = []
    assert choose(["c1", "w1"], lambda name: bool(asked.append(name)), 0, {}) == 0
    assert asked == ["c1"] and served(["c1", "w1", "c2", "w2"], 0) == ["c1", "w1", "c2", "w2"]


def test_a_cold_job_is_overtaken_as_often_as_the_window_says():
    # Given a cold job before four warm ones, When two may overtake it, Then it goes third
    assert served(["c1", "w1", "w2", "w3", "w4"], 2) == ["w1", "w2", "c1", "w3", "w4"]


def test_nothing_waits_is_an_error():
    with pytest.raises(ValueError, match="nothing waits"):
        choose([], lambda _: True, 1, {})


@given(st.lists(st.sampled_from("cw"), max_size=30), st.integers(0, 5))
def test_no_job_is_overtaken_more_often_than_the_window(kinds, window):
    # Given any queue, When it is worked off
    names = [f"{kind}{number:02}" for number, kind in enumerate(kinds)]
    order = served(names, window)
    # Then each has gone once, and at most `window` of those behind it went before it
    assert sorted(order) == sorted(names)
    for at, name in enumerate(order):
        assert sum(names.index(other) > names.index(name) for other in order[:at]) <= window
