"""The state of one chunk on its way through the stages."""

from collections.abc import Sequence
from threading import Condition

from shared.errors import ImageError, MachineError, PipelineStopped
from shared.image_reference import ImageReference
from shared.store.predictions import Outcome


class ChunkProgress:
    """Collects exactly one outcome for each reference; its slot waits here for the last one."""

    def __init__(self, references: Sequence[ImageReference]) -> None:
        self._references = references
        self._outcomes: list[Outcome | None] = [None] * len(references)
        self._missing = len(references)
        self._error: MachineError | None = None
        self._changed = Condition()

    @property
    def is_given_up(self) -> bool:
        """Whether its images need no more work."""
        return self._error is not None

    def settle(self, position: int, outcome: Outcome) -> None:
        """Record the outcome of the reference at `position`; a second one is a bug, and loud."""
        with self._changed:
            if self._outcomes[position] is not None:
                raise RuntimeError(f"image {outcome.reference.index} was settled twice")
            self._outcomes[position] = outcome
            self._missing -= 1
            if self._missing == 0:
                self._changed.notify_all()

    def reject(
        self, position: int, error: ImageError, *, input_sha256: bytes | None = None
    ) -> None:
        """Record that an image failed, and why."""
        outcome = Outcome(
            reference=self._references[position],
            reason=error.reason,
            stage=error.stage,
            message=str(error) or None,
            input_sha256=input_sha256,
        )
        self.settle(position, outcome)

    def give_up(self, error: MachineError) -> None:
        """A machine failed: no outcome of this chunk counts, it goes back to the queue."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def wait(self) -> list[Outcome]:
        """Wait for the last outcome.

        Raises:
            MachineError: what the chunk was given up for.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._missing == 0 or self._error is not None)
            if self._error is not None:
                raise self._error
            settled = [outcome for outcome in self._outcomes if outcome is not None]
        if len(settled) != len(self._references):
            raise PipelineStopped("a chunk ended with outcomes missing")
        return settled
