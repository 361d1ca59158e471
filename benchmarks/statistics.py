"""Medians, intervals and spreads of measured rounds. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

#: Coverage that an interval of the median must at least have.
COVERAGE = 0.90
#: A rival whose rounds differ by more than this share of their median proves nothing.
MOST_SPREAD = 0.20
#: Fewer pairs prove nothing.
LEAST_PAIRS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class MedianInterval:
    """A median and two order statistics that hold the true one with at least `coverage`."""

    median: float
    low: float
    high: float
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Ours over a rival's, round by round; `invalid_reasons` is empty if it may be quoted."""

    ratio: MedianInterval
    ours_median: float
    rival_median: float
    rival_spread: float
    pairs: int
    invalid_reasons: tuple[str, ...]


def median_interval(values: Sequence[float], *, coverage: float = COVERAGE) -> MedianInterval:
    """Return the narrowest pair of order statistics that covers the median often enough.

    By the binomial distribution alone: whatever the values are distributed like, the k-th smallest
    and the k-th largest of n miss the median with probability 2 P(B(n, 1/2) < k). Too few values
    for that coverage give their whole range, with the coverage that it has.
    """
    ordered = sorted(values)
    count = len(ordered)
    rank, reached = 1, 1 - 2 * _below(1, count)
    while 2 * (rank + 1) <= count and 1 - 2 * _below(rank + 1, count) >= coverage:
        rank += 1
        reached = 1 - 2 * _below(rank, count)
    return MedianInterval(
        median=median(ordered),
        low=ordered[rank - 1],
        high=ordered[count - rank],
        coverage=max(0.0, reached),
    )


def spread(values: Sequence[float]) -> float:
    """Return (largest - smallest) / median."""
    return (max(values) - min(values)) / median(values)


def compare(ours: Sequence[float], rival: Sequence[float]) -> Comparison:
    """Compare rates of the same rounds; say why the result is not valid, if it is not."""
    ratios = [mine / other for mine, other in zip(ours, rival, strict=True)]
    interval = median_interval(ratios)
    rival_spread = spread(rival)
    reasons = []
    if len(ratios) < LEAST_PAIRS:
        reasons.append(f"{len(ratios)} pairs, at least {LEAST_PAIRS} are needed")
    if rival_spread > MOST_SPREAD:
        reasons.append(f"the rival spreads over {rival_spread:.0%}, at most {MOST_SPREAD:.0%}")
    return Comparison(
        ratio=interval,
        ours_median=median(ours),
        rival_median=median(rival),
        rival_spread=rival_spread,
        pairs=len(ratios),
        invalid_reasons=tuple(reasons),
    )


def _below(rank: int, count: int) -> float:
    """Return P(B(count, 1/2) < rank)."""
    ways: int = sum(math.comb(count, successes) for successes in range(rank))
    return ways / float(2**count)
