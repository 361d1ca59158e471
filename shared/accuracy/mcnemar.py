"""McNemar's exact test: did accuracy change, or only by chance?"""

import math

#: Up to so many discordant pairs the p value is computed in exact integers.
MOST_EXACT_PAIRS = 1000


def mcnemar_exact(newly_wrong: int, newly_right: int) -> float:
    """Return the two-sided p value of McNemar's exact test.

    The probability that a fair coin, thrown once for each image on which the two jobs differ,
    falls at least as unevenly. Exact to the last bit up to 1,000 such images; beyond, a sum from
    the largest term down, good to seven digits at ten million.

    Raises:
        ValueError: if a count is negative.
    """
    fewer, pairs = min(newly_wrong, newly_right), newly_wrong + newly_right
    if fewer < 0:
        raise ValueError(f"counts cannot be negative: {newly_wrong}, {newly_right}")
    if newly_wrong == newly_right:
        return 1.0
    if pairs <= MOST_EXACT_PAIRS:
        tail = sum(math.comb(pairs, wins) for wins in range(fewer + 1))
        return 2 * tail / (1 << pairs)
    return min(1.0, 2 * _lower_tail(fewer, pairs))


def _lower_tail(wins: int, throws: int) -> float:
    """Return P(X <= wins) for a fair coin, wins below half of the throws."""
    log_choices = math.lgamma(throws + 1) - math.lgamma(wins + 1) - math.lgamma(throws - wins + 1)
    term = total = 1.0
    while wins > 0 and term > total * 1e-17:
        term *= wins / (throws - wins + 1)
        wins -= 1
        total += term
    return math.exp(log_choices - throws * math.log(2) + math.log(total))
