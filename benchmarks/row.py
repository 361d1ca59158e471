"""A row of the table: what was measured, what it must reach, and whether it counts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.statistics import Comparison

#: What each kind of figure is written as.
_FORMATS = {"x": "{:.2f} x", "s": "{:.1f} s", "ms": "{:.1f} ms", "bytes": "{:.0f} bytes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure; `judged` is what the floor is held against, where it is not `value` itself.

    Ratios (unit `x`) and rates must be at least their floor, everything else at most.
    """

    key: str
    figure: str
    unit: str
    value: float | None
    judged: float | None = None
    floor: float | None = None
    goal: float | None = None
    remark: str = ""
    invalid_reasons: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Say what the figure is worth."""
        if self.value is None:
            return "NOT RUN"
        if self.invalid_reasons:
            return "INVALID"
        if self.floor is None:
            return "VALID"
        if not self._reaches(self.floor):
            return "VALID, BELOW FLOOR"
        return "VALID, goal" if self.goal is not None and self._reaches(self.goal) else "VALID"

    @property
    def is_below_floor(self) -> bool:
        """Whether a valid figure misses its floor."""
        return self.verdict == "VALID, BELOW FLOOR"

    def show(self, number: float | None) -> str:
        """Write a number of this row with its unit."""
        if number is None:
            return "-"
        return _FORMATS.get(self.unit, "{:,.0f} " + self.unit).format(number)

    def _reaches(self, mark: float) -> bool:
        number = self.value if self.judged is None else self.judged
        assert number is not None
        upwards = self.unit == "x" or self.unit.endswith("/s")
        return number >= mark if upwards else number <= mark


def ratio_row(
    key: str,
    figure: str,
    comparison: Comparison,
    *,
    floor: float | None,
    goal: float | None,
    invalid_reasons: Sequence[str] = (),
    details: Mapping[str, Any] | None = None,
) -> Row:
    """Make the row of a comparison: judged by the lower bound of its median's interval."""
    ratio = comparison.ratio
    return Row(
        key=key,
        figure=figure,
        unit="x",
        value=ratio.median,
        judged=ratio.low,
        floor=floor,
        goal=goal,
        remark=(
            f"{comparison.ours_median:.0f} / {comparison.rival_median:.0f} images/s, "
            f"{ratio.coverage:.0%} interval {ratio.low:.2f} to {ratio.high:.2f}, "
            f"rival spread {comparison.rival_spread:.0%}"
        ),
        invalid_reasons=(*comparison.invalid_reasons, *invalid_reasons),
        details=details or {},
    )
