"""The states of a job and who may change them; docs/architecture.md shows the same table."""

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    ENUMERATING = "enumerating"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


#: The source is being listed; chunks flow already.
LISTING = frozenset({JobState.QUEUED, JobState.ENUMERATING})
#: Chunks may be published, claimed and finished.
ACTIVE = frozenset({JobState.QUEUED, JobState.ENUMERATING, JobState.RUNNING})
#: The aggregator still has something to do, though no chunk may be claimed.
ENDING = frozenset({JobState.CANCELLING, JobState.FINALIZING})
#: Nothing changes any more.
ENDED = frozenset(
    {
        JobState.COMPLETED,
        JobState.COMPLETED_WITH_ERRORS,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.EXPIRED,
    }
)

#: state -> states that may follow it.
TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset(
        {JobState.ENUMERATING, JobState.PAUSED, JobState.CANCELLING, JobState.FINALIZING}
    ),
    JobState.ENUMERATING: frozenset(
        {JobState.RUNNING, JobState.PAUSED, JobState.CANCELLING, JobState.FINALIZING}
    ),
    JobState.RUNNING: frozenset({JobState.PAUSED, JobState.CANCELLING, JobState.FINALIZING}),
    JobState.PAUSED: frozenset(
        {JobState.ENUMERATING, JobState.RUNNING, JobState.CANCELLING, JobState.FINALIZING}
    ),
    JobState.CANCELLING: frozenset({JobState.CANCELLED}),
    JobState.FINALIZING: ENDED,
    JobState.COMPLETED: frozenset({JobState.RUNNING}),
    JobState.COMPLETED_WITH_ERRORS: frozenset({JobState.RUNNING}),
    JobState.FAILED: frozenset({JobState.RUNNING}),
    JobState.CANCELLED: frozenset(),
    JobState.EXPIRED: frozenset({JobState.RUNNING}),
}


def may_follow(state: JobState, following: JobState) -> bool:
    """Say whether `following` may come right after `state`."""
    return following in TRANSITIONS[state]
