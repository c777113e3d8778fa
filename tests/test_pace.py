"""What a bar says of its speed."""

import pytest

from spoolq.pace import share_done, with_pace
from spoolq.recipes.progress import newest

_BAR = "Running loglikelihood requests:  76%|###   | 122/160 [{inside}]"


def paced(inside, text=_BAR):
    tail = text.format(inside=inside)
    found = newest(tail)
    assert found is not None
    return with_pace(found, tail)


@pytest.mark.parametrize(
    ("inside", "rate", "remaining"),
    [
        ("00:02<00:18,  2.10it/s", "2.10it/s", 18.0),
        ("1:02:03<2:00:05, 99.2s/it", "99.2s/it", 7205.0),
        ("100:00:00<30:00:00, 3600s/requests", "3600s/requests", 108000.0),
        ("00:02<00:18, 663.70it/s, loss=0.5", "663.70it/s", 18.0),
        ("00:02<00:18, 2it/s", "2it/s", 18.0),
    ],
)
def test_rate_and_remaining_are_told_where_the_bar_tells_them(inside, rate, remaining):
    found = paced(inside)
    assert (found["rate"], found["remaining"]) == (rate, remaining)
    assert (found["percent"], found["done"], found["total"]) == (76, "122", "160")


@pytest.mark.parametrize(
    "inside", ["00:00<?, ?it/s", "00:02<?, 3it/s", "00:02", "", "x<y, z", "00:02<00:0", "\x1b[31m"]
)
def test_a_bar_that_does_not_say_is_no_faster(inside):
    assert "rate" not in paced(inside)


def test_the_pace_is_that_of_the_bar_that_is_shown():
    # Given the work's bar, then that of what follows it
    tail = (
        "\rRunning x: 10%|#| 1/10 [00:01<00:09, 1.00it/s]\rRunning x: 20%|#| 2/10 [00:03<00:07, 1.50it/s]"
        "\rWriting: 90%|#| 9/10 [00:01<00:05, 9.00it/s]\n"
    )
    found = newest(tail, ("Running ",))
    assert found is not None
    # When the work counts, Then so does its newest pace
    assert with_pace(found, tail)["rate"] == "1.50it/s"


def test_a_line_of_inspects_has_no_pace():
    tail = "Steps:  40/40 100% | Samples:  40/ 80 | x\n"
    found = newest(tail)
    assert found is not None and found["percent"] == 50
    assert with_pace(found, tail) == found


def test_a_hostile_tail_takes_no_longer():
    # Given a tail made to be searched for long, When it is, Then it holds nothing (the time limit is pytest's)
    tail = "1/2 [" * 10_000 + "0" * 10_000
    assert with_pace({"stage": "", "percent": 50, "done": "1", "total": "2"}, tail)["percent"] == 50


@pytest.mark.parametrize(
    ("progress", "share"),
    [
        ({"percent": 33, "done": "1", "total": "3"}, 1 / 3),
        ({"percent": 40, "done": "1.2k", "total": "3k"}, 0.4),
        ({"percent": 40, "done": None, "total": None}, 0.4),
        ({"percent": 40, "done": "5", "total": "0"}, 0.4),
        ({"percent": 100, "done": "9", "total": "3"}, 1.0),
    ],
)
def test_the_share_that_is_done_is_as_fine_as_the_counts(progress, share):
    assert share_done(progress) == pytest.approx(share)
