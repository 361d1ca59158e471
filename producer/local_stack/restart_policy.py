"""How soon a dead child is started again, and when trying stops: values only, no clock."""

from dataclasses import dataclass

USAGE_EXIT_CODE = 2
"""A child that says "you asked for something impossible" will say so again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """The first restart comes quickly, later ones ever more slowly, then none."""

    first_delay_seconds: float = 0.2
    max_delay_seconds: float = 10.0
    healthy_seconds: float = 30.0
    """A child that lived this long is judged afresh."""
    max_rapid_deaths: int = 8
    """This many deaths in a row without a healthy life: give up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartDecision:
    """What to do about a death; `delay_seconds` is None to give up."""

    rapid_deaths: int
    delay_seconds: float | None


def decide_restart(
    policy: RestartPolicy, *, rapid_deaths: int, lived_seconds: float, exit_code: int
) -> RestartDecision:
    """Judge one more death of a child that had died rapidly `rapid_deaths` times before."""
    deaths = 1 if lived_seconds >= policy.healthy_seconds else rapid_deaths + 1
    if exit_code == USAGE_EXIT_CODE or deaths >= policy.max_rapid_deaths:
        return RestartDecision(rapid_deaths=deaths, delay_seconds=None)
    doubled = policy.first_delay_seconds * 2.0 ** (deaths - 1)
    return RestartDecision(
        rapid_deaths=deaths, delay_seconds=min(doubled, policy.max_delay_seconds)
    )
