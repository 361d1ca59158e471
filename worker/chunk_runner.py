"""Runs one chunk message from claim to commit. The acknowledgement follows in the Celery task.

Nothing is written but inside the fence: claim (new epoch), finish (`WHERE epoch = mine`).
"""

import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from shared.errors import MachineError, PipelineStopped, StoreUnavailable
from shared.logs import get_log
from shared.messages import ClassifyChunk
from shared.store import chunks
from shared.store.predictions import FinishedChunk, Outcome, finish_chunk
from worker.held_chunks import HeldChunk
from worker.pipeline.chunk_classifier import ChunkClassifier
from worker.worker_state import WorkerState

_log = get_log(__name__)

#: A chunk whose machine failed waits this long, so that a sick machine does not spin on it.
RETRY_DELAY_SECONDS = 0.5
#: Pauses between tries to reach a store that is away.
STORE_RETRY_SECONDS = 0.5

Result = TypeVar("Result")


class ChunkRunner:
    """Shared by all slots of a worker."""

    def __init__(self, state: WorkerState, classifiers: Mapping[str, ChunkClassifier]) -> None:
        self._state = state
        self._classifiers = classifiers
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Stop waiting for a store that is away, and claim nothing more."""
        self._stopping.set()

    def run(self, message: ClassifyChunk) -> None:
        """Claim, classify, commit; or hand back what a machine's failure left undone."""
        epoch = self._patiently(lambda: self._claim(message))
        if epoch is None:
            return
        if not self._state.held.epochs():
            self._state.clock.take()  # what the stages idled before is no time of this chunk's job
        held = self._state.held.add(message.chunk_id, epoch)
        try:
            outcomes = self._classify(message, held)
            self._patiently(lambda: self._finish(message, epoch, outcomes))
        except MachineError as error:
            _log.warning("chunk_handed_back", chunk=message.chunk_id, error=str(error))
            self._release(message, epoch, error)
        finally:
            self._state.held.remove(message.chunk_id)

    def _claim(self, message: ClassifyChunk) -> int | None:
        if self._stopping.is_set() or message.artifact_digest not in self._classifiers:
            return None
        with self._state.store.write() as connection:
            return chunks.claim(
                connection,
                chunk_id=message.chunk_id,
                artifact_digest=message.artifact_digest,
                worker_key=self._state.key,
                lease_seconds=self._state.settings.lease_seconds,
            )

    def _classify(self, message: ClassifyChunk, held: HeldChunk) -> list[Outcome]:
        classifier = self._classifiers[message.artifact_digest]
        held.progress = classifier.submit(message.references())
        return classifier.wait(held.progress)

    def _finish(self, message: ClassifyChunk, epoch: int, outcomes: list[Outcome]) -> None:
        finished = FinishedChunk(
            chunk_id=message.chunk_id,
            job_key=message.job_key,
            epoch=epoch,
            worker_key=self._state.key,
            topk=message.topk,
            outcomes=outcomes,
            stage_seconds=self._state.clock.take(),
        )
        with self._state.store.write() as connection:
            written = finish_chunk(connection, finished)
        if written:
            self._state.meter.finished(message.artifact_digest, len(outcomes))
        else:
            _log.info("chunk_fenced_off", chunk=message.chunk_id, epoch=epoch)

    def _release(self, message: ClassifyChunk, epoch: int, error: MachineError) -> None:
        delay = 0.0 if isinstance(error, PipelineStopped) else RETRY_DELAY_SECONDS
        try:
            with self._state.store.write() as connection:
                chunks.release(
                    connection, chunk_id=message.chunk_id, epoch=epoch, delay_seconds=delay
                )
        except StoreUnavailable as store_error:
            # The lease runs out by itself, and the reconciler takes the chunk up.
            _log.warning("store_unavailable", error=str(store_error))

    def _patiently(self, call: Callable[[], Result]) -> Result:
        """Call until the store answers; what this worker holds stays its own meanwhile."""
        while True:
            try:
                return call()
            except StoreUnavailable as error:
                _log.warning("store_unavailable", error=str(error))
                if self._stopping.wait(STORE_RETRY_SECONDS):
                    raise
