"""How figures are written for people: one form for the text report and the page."""

import unicodedata
from datetime import UTC, datetime

from shared.accuracy import Interval

#: What stands where there is no figure.
NOTHING = "–"
#: Longer names and addresses are cut in the middle: both ends tell more than one.
LONGEST_TEXT = 200


def percent(share: float | None, digits: int = 2) -> str:
    """Write a share as per cent; what is not quite all or not quite nothing never looks so."""
    if share is None:
        return NOTHING
    smallest = 10.0**-digits
    written = f"{100 * share:.{digits}f}"
    if share < 1 and float(written) >= 100:
        return f"> {100 - smallest:.{digits}f} %"
    if share > 0 and float(written) == 0:
        return f"< {smallest:.{digits}f} %"
    return f"{written} %"


def percent_interval(interval: Interval | None, digits: int = 2) -> str:
    """Write an interval of shares as per cent."""
    if interval is None:
        return NOTHING
    low, high = interval
    return f"{100 * low:.{digits}f} to {100 * high:.{digits}f} %"


def points(difference: float | None) -> str:
    """Write a difference of shares as percentage points, with its sign."""
    return NOTHING if difference is None else f"{_signed(difference)} points"


def points_interval(interval: Interval | None) -> str:
    """Write an interval of differences as percentage points."""
    if interval is None:
        return NOTHING
    low, high = interval
    return f"{_signed(low)} to {_signed(high)} points"


def _signed(share: float) -> str:
    return f"{100 * share:+.2f}".replace("-", "\N{MINUS SIGN}")


def p_value(probability: float) -> str:
    """Write a p value; below 0.0001 only that it is."""
    return "p < 0.0001" if probability < 0.0001 else f"p = {probability:.4f}"


def count(number: int | None) -> str:
    """Write a whole number with thousands separated."""
    return NOTHING if number is None else f"{number:,}"


def rate_per_second(rate: float | None) -> str:
    """Write images per second, three digits that matter."""
    if rate is None:
        return NOTHING
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def duration(seconds: float | None) -> str:
    """Write a duration by its two greatest units."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    days, hours, minutes, rest = (
        whole // 86400,
        whole // 3600 % 24,
        whole // 60 % 60,
        whole % 60,
    )
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def utc(unix_seconds: float | None) -> str:
    """Write a moment in UTC, and say that it is."""
    if unix_seconds is None:
        return NOTHING
    return datetime.fromtimestamp(unix_seconds, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def harmless(text: str) -> str:
    """Keep foreign text on its line, on a terminal and in a page.

    Control, direction-changing, invisible and undecodable characters become a visible mark.
    """
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(letter) in _UNSAFE else letter
        for letter in text
    )


def printable(text: str) -> str:
    """Make foreign text harmless, and cut it in the middle where it is overlong."""
    clean = harmless(text)
    if len(clean) <= LONGEST_TEXT:
        return clean
    half = (LONGEST_TEXT - 1) // 2
    return f"{clean[:half]}…{clean[-half:]}"


#: Control, format (direction overrides, zero width), surrogate, private, line and paragraph ends.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
