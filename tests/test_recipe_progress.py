"""Progress read from what evaluations print."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoolq.recipes.progress import newest

WORK = ("Running ", "Model Responding")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "\rRunning x requests:  76%|███▋ | 122/160 [00:00<00:00, 663.7it/s]",
            ("Running x requests", 76, "122", "160"),
        ),
        ("\r  0%|          | 0/40 [00:00<?, ?it/s]", ("", 0, "0", "40")),
        ("Loading weights: 100%|██████| 28/28 [00:00<00:00, 14932.04it/s]\n", ("Loading weights", 100, "28", "28")),
        ("\x1b[32mModel\x1b[0m:  50%|██▌  | 20/40 [01:02:03<1:02:03,  3.4s/it]", ("Model", 50, "20", "40")),
        ("Tokenizing:  25%|##5       | 300/1.20k [00:01<00:03, 9it/s]", ("Tokenizing", 25, "300", "1.20k")),
        ("gen | Steps:  10/40 25% | Samples:  10/ 40 | accuracy: n/a", ("samples", 25, "10", "40")),
    ],
)
def test_a_line_of_each_kind_is_read(text, expected):
    # Given a line that a harness printed, When it is read, Then all four facts come out
    assert newest(text) == dict(zip(("stage", "percent", "done", "total"), expected, strict=True))


def test_the_newest_bar_wins_without_work_stages():
    # Given two bars, carriage returns between their updates
    text = "\rA:  10%|█ | 1/10 [00:01<00:09, 1it/s]\rA:  20%|██ | 2/10 [00:02<00:08, 1it/s]"
    text += "\rB:   0%| | 0/5 [00:00<?, ?it/s]"
    # When no stage is named as the work, Then the newest bar counts
    assert newest(text)["stage"] == "B"


def test_a_work_stage_wins_over_a_newer_one():
    # Given the bar of the requests, then that of something that follows
    text = "\rRunning x:  90%|█ | 9/10 [00:01<00:01, 1it/s]\n\rPostprocessing:  10%|█| 1/10 [00:00<00:01, 9it/s]"
    # When the work is known, Then its bar is the progress; else the newest
    assert newest(text, WORK)["stage"] == "Running x"
    assert newest(text)["stage"] == "Postprocessing"
    assert newest("\rPostprocessing:  10%|█| 1/10 [00:00<00:01, 9it/s]", WORK)["stage"] == "Postprocessing"


def test_a_torn_end_leaves_the_update_before_it():
    # Given a tail that ends in the middle of an update and of an escape sequence
    text = "\rRunning x:  50%|██ | 5/10 [00:01<00:01, 1it/s]\rRunning x:  60%|███\x1b[3"
    # When it is read, Then the last whole update counts
    assert newest(text, WORK)["percent"] == 50


def test_a_torn_beginning_does_not_falsify_the_percentage():
    # Given a tail that begins between the digits of 76%
    # When it is read, Then the percentage is that of the counts
    assert newest("6%|███▋ | 122/160 [00:00<00:00, 663.7it/s]")["percent"] == 76


def test_bars_run_together_are_told_apart():
    # Given a log out of which something took the carriage returns
    text = "Work:   0%|  | 0/40 [00:00<?, ?it/s]Work: 100%|██| 40/40 [00:00<00:00, 3083.71it/s]"
    # When it is read, Then the last one counts, under its own name
    assert newest(text) == {"stage": "Work", "percent": 100, "done": "40", "total": "40"}


@pytest.mark.parametrize("text", ["", "no bar", "100% sure", "5%|", "Generating: 40 examples [00:00, 8780 examples/s]"])
def test_what_is_no_bar_says_nothing(text):
    # Given text without a bar, When it is read, Then there is no progress
    assert newest(text) is None


@pytest.mark.parametrize(
    "unit", ["5%|", "%|", "1", " ", "\x1b[", "\x1b]", "|", "5%| |1", "Samples:", "1%||1/1 [", "\r"]
)
def test_hostile_output_costs_linear_time(unit):
    # Given megabytes of one line made to make a pattern backtrack
    text = unit * (4_000_000 // len(unit))
    # When it is read
    began = time.perf_counter()
    newest(text, WORK)
    # Then it takes no time worth speaking of
    assert time.perf_counter() - began < 2


@settings(deadline=None)
@given(st.text(alphabet="\x1b[]m;0159%|/ \r\n:kSamples█", max_size=200))
def test_whatever_is_printed_the_answer_has_its_form(text):
    # Given anything, When it is read
    found = newest(text, WORK)
    # Then it is None or fits the record: a stage without control characters, 0 to 100, two texts
    if found is not None:
        assert found["stage"].isprintable()
        assert 0 <= found["percent"] <= 100
        assert isinstance(found["done"], str) and isinstance(found["total"], str)
