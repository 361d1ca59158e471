"""Waiting for what another process does: with a limit, and no longer than needed."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], *, seconds: float = 15.0) -> None:
    """Return as soon as the condition holds; fail the test if it does not within the limit."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, f"did not happen within {seconds} s"
        time.sleep(0.01)
