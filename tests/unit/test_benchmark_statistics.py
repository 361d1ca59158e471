import math

import pytest

from benchmarks.row import Row, ratio_row
from benchmarks.statistics import compare, median_interval, spread


@pytest.mark.parametrize(
    ("count", "rank", "coverage"),
    [
        # 1 - 2 P(B(n, 1/2) < rank), from tables of the binomial distribution.
        (1, 1, 0.0),
        (4, 1, 0.875),
        (5, 1, 0.9375),
        (8, 2, 0.9296875),
        (9, 2, 0.9609375),
        (11, 3, 0.935),
        (20, 6, 0.959),
        (51, 20, 0.908),
    ],
)
def test_the_interval_of_the_median_is_the_narrowest_that_covers_it_in_90_of_100_cases(
    count, rank, coverage
):
    values = [float(value) for value in range(count, 0, -1)]

    interval = median_interval(values)

    assert (interval.low, interval.high) == (rank, count - rank + 1)
    assert interval.coverage == pytest.approx(coverage, abs=0.001)
    assert interval.median == (count + 1) / 2


def test_an_outlier_moves_neither_the_median_nor_its_interval():
    steady = [1.0, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08]

    with_outlier = median_interval([*steady[:-1], 900.0])

    assert with_outlier == median_interval(steady)
    assert (with_outlier.low, with_outlier.median, with_outlier.high) == (1.01, 1.04, 1.07)


def test_the_spread_is_the_range_over_the_median():
    assert spread([90.0, 100.0, 120.0]) == pytest.approx(0.3)
    assert spread([5.0]) == 0.0


def test_ratios_are_taken_round_by_round():
    rival = [100.0, 110.0, 90.0, 100.0, 105.0, 95.0, 100.0, 100.0, 100.0]
    ours = [0.9 * rate for rate in rival]

    comparison = compare(ours, rival)

    assert math.isclose(comparison.ratio.low, 0.9)
    assert math.isclose(comparison.ratio.high, 0.9)
    assert comparison.rival_spread == pytest.approx(0.2)
    assert comparison.invalid_reasons == ()


def test_a_rival_that_spreads_over_a_fifth_makes_the_result_invalid():
    comparison = compare([100.0] * 9, [100.0] * 8 + [121.0])

    assert comparison.invalid_reasons == ("the rival spreads over 21%, at most 20%",)


def test_fewer_than_nine_pairs_make_the_result_invalid():
    comparison = compare([100.0] * 8, [100.0] * 8)

    assert comparison.invalid_reasons == ("8 pairs, at least 9 are needed",)


def ratio(ours, *, invalid_reasons=()):
    comparison = compare(ours, [100.0] * 9)
    return ratio_row(
        "k", "a / b", comparison, floor=0.85, goal=1.0, invalid_reasons=invalid_reasons
    )


def test_a_ratio_is_judged_by_the_lower_bound_of_its_interval():
    low_bound_below = ratio([84.0, 84.0, *[99.0] * 7])
    low_bound_at_floor = ratio([80.0, 85.0, *[99.0] * 7])
    low_bound_at_goal = ratio([90.0, 100.0, *[103.0] * 7])

    assert low_bound_below.verdict == "VALID, BELOW FLOOR"
    assert low_bound_below.value == pytest.approx(0.99)
    assert low_bound_below.is_below_floor
    assert low_bound_at_floor.verdict == "VALID"
    assert low_bound_at_goal.verdict == "VALID, goal"


def test_an_invalid_row_is_never_called_valid_nor_below_its_floor():
    row = ratio([10.0] * 9, invalid_reasons=("quick run",))

    assert row.verdict == "INVALID"
    assert not row.is_below_floor


@pytest.mark.parametrize(
    ("unit", "value", "verdict"),
    [
        ("s", 2.9, "VALID, goal"),
        ("s", 10.0, "VALID"),
        ("s", 10.1, "VALID, BELOW FLOOR"),
        ("x", 10.1, "VALID"),
        ("x", 9.9, "VALID, BELOW FLOOR"),
        ("rows/s", 9.9, "VALID, BELOW FLOOR"),
        ("s", None, "NOT RUN"),
    ],
)
def test_times_must_stay_under_their_floor_and_rates_over_it(unit, value, verdict):
    goal = 3.0 if unit == "s" else 20.0

    row = Row(key="k", figure="f", unit=unit, value=value, floor=10.0, goal=goal)

    assert row.verdict == verdict
