"""Intervals and p values against scipy, published examples and exact enumeration."""

import math
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binomtest

from shared.accuracy import mcnemar_exact, paired_difference_interval, wilson_interval

proportions = st.integers(1, 10**7).flatmap(
    lambda trials: st.tuples(st.integers(0, trials), st.just(trials))
)


@given(proportions, st.sampled_from([0.8, 0.95, 0.99]))
@example((0, 1), 0.95)
@example((7, 7), 0.95)
def test_wilson_interval_equals_scipys(proportion, confidence):
    successes, trials = proportion

    low, high = wilson_interval(successes, trials, confidence)

    expected = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert low == pytest.approx(expected.low, rel=1e-9, abs=1e-12)
    assert high == pytest.approx(expected.high, rel=1e-9, abs=1e-12)


@given(proportions)
def test_wilson_interval_stays_between_0_and_1_and_holds_the_share(proportion):
    successes, trials = proportion

    low, high = wilson_interval(successes, trials)

    assert 0 <= low <= successes / trials <= high <= 1


def test_wilson_interval_reaches_0_and_1_exactly_at_the_ends():
    assert wilson_interval(0, 50)[0] == 0.0
    assert wilson_interval(50, 50)[1] == 1.0


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_interval_refuses_what_is_no_proportion(successes, trials):
    with pytest.raises(ValueError, match="is no proportion"):
        wilson_interval(successes, trials)


@given(st.integers(0, 3000), st.integers(0, 3000))
@example(500, 500)
@example(499, 501)
@example(500, 501)
@example(480, 521)
@example(0, 1000)
@example(0, 1001)
@example(0, 0)
def test_mcnemar_equals_scipys_binomial_test(newly_wrong, newly_right):
    p = mcnemar_exact(newly_wrong, newly_right)

    pairs = newly_wrong + newly_right
    expected = binomtest(newly_wrong, pairs, 0.5).pvalue if pairs else 1.0
    assert p == pytest.approx(expected, rel=1e-8, abs=1e-290)


def test_mcnemar_stays_exact_for_millions_of_pairs():
    p = mcnemar_exact(4_998_000, 5_002_000)

    assert p == pytest.approx(binomtest(4_998_000, 10_000_000, 0.5).pvalue, rel=1e-6)


def test_mcnemar_does_not_care_which_side_is_worse():
    assert mcnemar_exact(3, 17) == mcnemar_exact(17, 3) < 0.01


def test_mcnemar_of_a_hopeless_difference_is_zero_and_no_error():
    assert mcnemar_exact(0, 10_000_000) == 0.0


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(ValueError, match="cannot be negative"):
        mcnemar_exact(-1, 5)


@pytest.mark.parametrize(
    ("table", "published"),
    [
        # Newcombe 1998, table of examples, method 10 (there first minus second).
        ((36, 12, 2, 0), (-0.3404, -0.0569)),
        # Bentur et al. 2009 as analysed by Fagerland, Lydersen, Laake (there first minus second).
        ((1, 1, 7, 12), (0.0256, 0.5069)),
    ],
)
def test_paired_interval_equals_published_examples(table, published):
    assert paired_difference_interval(*table) == pytest.approx(published, abs=1e-4)


tables = st.tuples(*[st.integers(0, 2000)] * 4).filter(any)


@given(tables)
def test_paired_interval_holds_the_difference_and_turns_with_the_sides(table):
    both, first, second, neither = table
    difference = (second - first) / sum(table)

    low, high = paired_difference_interval(both, first, second, neither)
    turned = paired_difference_interval(both, second, first, neither)

    assert -1 <= low <= difference + 1e-12
    assert difference - 1e-12 <= high <= 1
    assert turned == pytest.approx((-high, -low), abs=1e-12)


def test_paired_interval_covers_the_truth_as_often_as_it_says():
    images, truth = 24, (0.55, 0.20, 0.10, 0.15)
    covered = 0.0
    for both, first, second in product(range(images + 1), repeat=3):
        neither = images - both - first - second
        if neither < 0:
            continue
        table = (both, first, second, neither)
        low, high = paired_difference_interval(*table)
        if low <= truth[2] - truth[1] <= high:
            ways = math.factorial(images) // math.prod(map(math.factorial, table))
            covered += ways * math.prod(p**n for p, n in zip(truth, table, strict=True))

    assert 0.94 <= covered <= 0.975


def test_paired_interval_refuses_no_images():
    with pytest.raises(ValueError, match="is no proportion"):
        paired_difference_interval(0, 0, 0, 0)
