"""Confidence intervals of proportions: of one, and of the difference of two paired ones."""

import math
from statistics import NormalDist

Interval = tuple[float, float]


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval (1927) of a proportion, always inside 0 to 1.

    Raises:
        ValueError: if there is no trial, or there are more successes than trials.
    """
    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials is no proportion")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    shrink = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / shrink
    reach = z / shrink * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    low = 0.0 if successes == 0 else max(0.0, centre - reach)
    high = 1.0 if successes == trials else min(1.0, centre + reach)
    return low, high


def paired_difference_interval(
    both: int, only_first: int, only_second: int, neither: int, *, confidence: float = 0.95
) -> Interval:
    """Return the interval of "share of second minus share of first" over the same trials.

    Newcombe's square-and-add method for paired data with corrected correlation: method 10 of
    R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions
    based on paired data", Statistics in Medicine 17 (1998) 2635-2650. Unlike Wald's it never
    leaves -1 to 1 and keeps its coverage when few images differ.

    Raises:
        ValueError: if there is no trial.
    """
    trials = both + only_first + only_second + neither
    first, second = both + only_first, both + only_second
    first_low, first_high = wilson_interval(first, trials, confidence)
    second_low, second_high = wilson_interval(second, trials, confidence)
    first_share, second_share = first / trials, second / trials
    correlation = _corrected_correlation(both, only_first, only_second, neither)
    difference = (only_second - only_first) / trials
    below = _joined(second_share - second_low, first_high - first_share, correlation)
    above = _joined(second_high - second_share, first_share - first_low, correlation)
    return max(-1.0, difference - below), min(1.0, difference + above)


def _corrected_correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    """Return the phi coefficient, shrunk towards zero by half an image as Newcombe does."""
    trials = both + only_first + only_second + neither
    first, second = both + only_first, both + only_second
    spread = first * (trials - first) * second * (trials - second)
    if spread == 0:
        return 0.0
    product = both * neither - only_first * only_second
    corrected = float(product) if product < 0 else max(product - trials / 2, 0.0)
    return corrected / math.sqrt(spread)


def _joined(one: float, other: float, correlation: float) -> float:
    """Add two margins as the sides of a triangle; rounding must not make the square negative."""
    return math.sqrt(max(0.0, one * one - 2 * correlation * one * other + other * other))
