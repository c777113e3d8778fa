"""Which direction of a metric is better."""

import pytest

from spoolq.scores.direction import lower_is_better, word


@pytest.mark.parametrize(
    "metric",
    [
        *(
            "loss",
            "eval_loss",
            "perplexity",
            "word_perplexity",
            "byte_perplexity,none",
            "wer",
            "WER",
            "wer,none",
            "ter",
        ),
        *(
            "latency",
            "latency_ms",
            "p99 latency",
            "bits_per_byte",
            "brier_score",
            "rmse",
            "error_rate",
            "errors",
            "ppl",
        ),
    ],
)
def test_less_is_better_of_what_is_known_by_a_word_of_its_name(metric):
    # Given such a name, When it is asked for, Then less is better
    assert lower_is_better(metric)


@pytest.mark.parametrize(
    "metric",
    ["acc", "acc_norm,none", "exact_match,strict-match", "iterations", "answers", "f1", "lossless", ""],
)
def test_more_is_better_of_all_else(metric):
    # Given a name that holds such a word at most as part of another, When it is asked for, Then more is better
    assert not lower_is_better(metric)


def test_others_are_declared_by_name_or_pattern():
    # Given two declarations, When metrics are asked for, Then those that fit count, whatever their filter
    declared = ["turns", "cost_*"]
    assert lower_is_better("turns,none", declared) and lower_is_better("cost_usd", declared)
    assert not lower_is_better("turns_won", declared) and not lower_is_better("cost", declared)
    assert (word(True), word(False)) == ("lower", "higher")
