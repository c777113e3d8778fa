"""The statistics of paired differences, held against values computed by hand, from tables, and by other formulas."""

import math
import random
from fractions import Fraction
from itertools import product

import pytest

from spoolq.scores.paired import McNemar, mcnemar, paired, t_quantile


def test_a_paired_difference_by_hand():
    # Given the scores of four questions in two evaluations
    first, second = [0.0, 1.0, 0.5, 0.0], [1.0, 1.0, 1.0, 0.5]
    # When they are compared
    found = paired(first, second)
    # Then: the differences are 1, 0, 1/2, 1/2; their mean is 1/2, their variance (1/4 + 1/4) / 3 = 1/6, the standard
    # error the root of 1/24, and t with 3 degrees of freedom is 3.18245 in any table
    assert found.n == 4 and found.difference == 0.5 and found.mcnemar is None
    assert found.stderr == pytest.approx(math.sqrt(1 / 24), rel=1e-12)
    assert found.low == pytest.approx(0.5 - 3.182446 * math.sqrt(1 / 24), abs=1e-6)
    assert found.high == pytest.approx(0.5 + 3.182446 * math.sqrt(1 / 24), abs=1e-6)


def test_the_error_is_that_of_the_difference_of_two_that_go_together():
    # Given scores of two evaluations of a thousand questions that are hard or easy for both
    draw = random.Random(7)
    hard = [draw.random() for _ in range(1000)]
    first, second = ([float(draw.random() > 0.7 * h) for h in hard] for _ in range(2))
    # When they are compared
    found = paired(first, second)
    # Then the error is that of Miller's other form, (Var a + Var b - 2 Cov(a, b)) / n, each with n - 1
    n, mean = 1000, lambda values: math.fsum(values) / 1000
    a, b = mean(first), mean(second)
    variances = (math.fsum((x - a) ** 2 for x in first) + math.fsum((y - b) ** 2 for y in second)) / (n - 1)
    covariance = math.fsum((x - a) * (y - b) for x, y in zip(first, second, strict=True)) / (n - 1)
    assert found.stderr == pytest.approx(math.sqrt((variances - 2 * covariance) / n), rel=1e-9)
    assert found.difference == pytest.approx(b - a, abs=1e-12)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    # Given 2000 pairs of evaluations of 30 questions, whose true difference is 0.1, with a seed
    draw, covered = random.Random(20), 0
    for _ in range(2000):
        easy = [draw.gauss(0, 1) for _ in range(30)]
        first = [value + draw.gauss(0, 0.5) for value in easy]
        second = [value + 0.1 + draw.gauss(0, 0.5) for value in easy]
        # When each pair is compared
        found = paired(first, second)
        covered += found.low <= 0.1 <= found.high
    # Then 95 % of the intervals hold it, give or take three standard errors of that share
    assert abs(covered / 2000 - 0.95) < 3 * math.sqrt(0.95 * 0.05 / 2000)


def test_of_one_question_there_is_no_interval_and_of_none_nothing():
    # Given a single question, and none, When they are compared, Then no error is made up
    found = paired([0], [1])
    assert (found.n, found.difference, found.stderr, found.low, found.high) == (1, 1, None, None, None)
    assert found.mcnemar == McNemar(0, 1, 1.0)
    with pytest.raises(ValueError, match="no pairs"):
        paired([], [])


def test_equal_evaluations_differ_by_nothing():
    # Given the same scores twice, When they are compared, Then the interval has no width and the chance is one
    found = paired([1.0, 0.0, 1.0], [1.0, 0.0, 1.0])
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert found.mcnemar == McNemar(0, 0, 1.0)


def test_scores_that_are_right_or_wrong_get_the_exact_test():
    # Given ten questions: 1 only the first got right, 5 only the second
    first = [1, 0, 0, 0, 0, 0, 1, 1, 0, 0]
    second = [0, 1, 1, 1, 1, 1, 1, 1, 0, 0]
    # When they are compared, Then p = 2 * (1 + 6) / 64, by hand
    assert paired(first, second).mcnemar == McNemar(1, 5, 14 / 64)
    # and scores between 0 and 1 get none
    assert paired([0.5, 1], [1, 0]).mcnemar is None


@pytest.mark.parametrize("n", range(1, 11))
def test_the_exact_test_is_a_count_of_all_the_coins(n):
    # Given every way in which n fair coins may fall
    heads = [sum(coins) for coins in product((0, 1), repeat=n)]
    for first_only in range(n + 1):
        # When so many fell to one side, Then p is the share of ways that are as uneven, or more
        uneven = abs(first_only - n / 2)
        share = Fraction(sum(abs(count - n / 2) >= uneven for count in heads), len(heads))
        assert mcnemar(first_only, n - first_only).p == float(share)


def test_the_exact_test_of_many_is_near_the_normal_one():
    # Given thousands of questions that only one got right, When it is tested
    found = mcnemar(5000, 5200).p
    # Then p is near that of McNemar's chi-square with the correction for continuity
    z = (abs(5000 - 5200) - 1) / math.sqrt(10_200)
    assert found == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-3)


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [
        *((1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (9, 2.2622), (10, 2.2281), (29, 2.0452)),
        *((30, 2.0423), (60, 2.0003), (120, 1.9799), (1000, 1.9623), (10**7, 1.9600)),
    ],
)
def test_the_quantile_is_that_of_printed_tables(freedom, quantile):
    # Given degrees of freedom, When the 97.5 % quantile is asked for, Then it is the one in every table
    assert t_quantile(0.975, freedom) == pytest.approx(quantile, abs=5.1e-5)


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 8, 40, 199, 200, 201, 1500])
def test_so_much_of_the_density_lies_below_the_quantile(freedom):
    # Given a quantile
    t = t_quantile(0.975, freedom)
    # When the density of Student's t is summed from 0 to there, by Simpson's rule
    log = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    density = [math.exp(log - (freedom + 1) / 2 * math.log1p((t * k / 4000) ** 2 / freedom)) for k in range(4001)]
    total = t / 4000 / 3 * (density[0] + density[-1] + 4 * sum(density[1:-1:2]) + 2 * sum(density[2:-1:2]))
    # Then it is 0.475
    assert total == pytest.approx(0.475, abs=1e-8)
