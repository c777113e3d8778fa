"""Tables with the best marked."""

import pytest

from spoolq.results import Row
from spoolq.scores.tables import best, by_job, by_task, scores

FOUND = [
    Row("11111111-x", "small", "arc", "acc", 0.5, 0.01),
    Row("11111111-x", "small", "wiki", "word_perplexity", 20.0),
    Row("22222222-x", "large", "arc", "acc", 0.75),
    Row("22222222-x", "large", "wiki", "word_perplexity", 25.0),
    Row("22222222-x", "large", "mmlu", "acc", 0.9),
]


def test_the_best_is_the_most_or_the_least_of_several():
    # Given metrics of which more, and less, is better, and one that only one job has
    # When the best are looked for, Then what stands alone has none
    assert best(FOUND) == {("arc", "acc"): 0.75, ("wiki", "word_perplexity"): 20.0}
    assert best(FOUND, ["acc"])["arc", "acc"] == 0.5
    assert best([]) == {}


def test_equal_ones_are_all_marked_and_texts_never():
    # Given ties, texts, truth values and nothing
    found = [Row(str(n), "m", "t", "acc", value) for n, value in enumerate([0.5, 0.5, "0.9", True, None])]
    # When they are written, Then those that are best share the mark, and numbers stay in line
    assert [line[4] for line in scores(found).lines] == ["0.5000*", "0.5000*", "0.9 ", "True ", " "]


def test_a_line_a_task():
    # Given scores, When they are turned, Then a job that lacks one leaves its cell empty
    table = by_task(FOUND)
    assert table.header == ["task", "metric", "better", "11111111", "22222222"]
    assert table.lines == [
        ["arc", "acc", "higher", "0.5000 ", "0.7500*"],
        ["wiki", "word_perplexity", "lower", "20.0000*", "25.0000 "],
        ["mmlu", "acc", "higher", "", "0.9000 "],
    ]


def test_a_line_a_job():
    # Given scores, When they are turned, Then the heads say what is better
    table = by_job(FOUND)
    assert table.header == ["job", "model", "arc acc (higher)", "wiki word_perplexity (lower)", "mmlu acc (higher)"]
    assert table.lines == [
        ["11111111", "small", "0.5000 ", "20.0000*", ""],
        ["22222222", "large", "0.7500*", "25.0000 ", "0.9000 "],
    ]


@pytest.mark.parametrize("make", [by_task, by_job])
def test_for_programs_there_are_whole_numbers_and_no_marks(make):
    # Given scores, When they are for programs, Then ids and numbers are whole
    table = make(FOUND, plain=True)
    cells = [cell for line in [table.header, *table.lines] for cell in line]
    assert "11111111-x" in cells and 0.75 in cells and 20.0 in cells
    assert not any("*" in str(cell) for cell in cells)


def test_of_nothing_there_is_nothing():
    # Given no scores, When tables are made, Then they have no lines
    assert scores([]).lines == by_task([]).lines == by_job([]).lines == []
