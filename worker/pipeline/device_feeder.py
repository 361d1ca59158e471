"""The last stage: gathers pixels to batches, feeds the device, settles outcomes as they return.

The decoder thread that fills a batch submits it too, and waits there while the device is full; so
no thread is woken for a single image. A thread of its own only looks after short batches.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from shared.errors import DeviceError, MachineError
from shared.image_reference import ImageReference
from shared.logs import get_log
from shared.store.predictions import Outcome
from worker.devices.base import Device, TopK
from worker.pipeline.batcher import Batcher
from worker.pipeline.chunk_progress import ChunkProgress
from worker.pipeline.stage_clock import StageClock, StageTime

_log = get_log(__name__)

#: A short batch waits this long for more images while the device is idle.
MAX_BATCH_AGE_SECONDS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyImage:
    """An image that only the network has not seen; `pixels` is uint8 (S, S, 3)."""

    progress: ChunkProgress
    position: int
    reference: ImageReference
    pixels: NDArray[np.uint8]
    input_sha256: bytes


class DeviceFeeder:
    """Forms batches in the threads that bring images; results settle on the device's threads.

    The device counts as busy while it holds a batch, as starved while it holds none.
    `on_device_error` is told each failure and how many there were since the last success.
    """

    def __init__(
        self,
        device: Device,
        *,
        clock: StageClock,
        on_device_error: Callable[[MachineError, int], None],
        max_batch_age_seconds: float = MAX_BATCH_AGE_SECONDS,
    ) -> None:
        self._device = device
        self._on_device_error = on_device_error
        self._errors_in_a_row = 0
        self._max_batch_age_seconds = max_batch_age_seconds
        self._batcher: Batcher[ReadyImage] = Batcher(
            size=device.batch_size, max_age_seconds=max_batch_age_seconds
        )
        self._times = clock.thread("device")
        self._mark = self._times.now()
        self._in_flight = 0
        self._closing = False
        #: Guards all of the above; notified when a short batch may become due.
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._look_after_short, name="batch", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, image: ReadyImage) -> None:
        """Add an image to the batch; whoever fills it blocks while the device is full."""
        if image.progress.is_given_up:
            return
        with self._changed:
            batch = self._batcher.add(image, at_seconds=self._times.now())
            if batch is None:
                if len(self._batcher) == 1 and self._in_flight == 0:
                    self._changed.notify()
                return
            self._count(1)
        self._submit(batch)

    def close(self) -> None:
        """Submit what is there, then end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _look_after_short(self) -> None:
        """Submit batches that nothing fills while the device has nothing to do."""
        while True:
            with self._changed:
                batch = self._wait_until_due()
                if batch is None:
                    return
                self._count(1)
            self._submit(batch)

    def _wait_until_due(self) -> list[ReadyImage] | None:
        """Wait for a short batch; None when the feeder was closed and nothing is left."""
        while True:
            clock = float("inf") if self._closing else self._times.now()
            idle = self._in_flight == 0 or self._closing
            batch = self._batcher.due(at_seconds=clock, device_is_idle=idle)
            if batch is not None or self._closing:
                return batch
            waiting = idle and len(self._batcher)
            self._changed.wait(timeout=self._max_batch_age_seconds if waiting else None)

    def _submit(self, batch: list[ReadyImage]) -> None:
        try:
            future = self._device.submit(np.stack([image.pixels for image in batch]))
        except DeviceError as error:
            self._fail(batch, error)
            return
        future.add_done_callback(partial(self._settle, batch))

    def _settle(self, batch: Sequence[ReadyImage], future: Future[TopK]) -> None:
        error = future.exception()
        if error is not None:
            self._fail(batch, error)
            return
        self._batch_ended(images=len(batch))
        result = future.result()
        rows = zip(batch, result.class_indices.tolist(), result.probabilities.tolist(), strict=True)
        for image, class_indices, probabilities in rows:
            if image.progress.is_given_up:
                continue
            image.progress.settle(
                image.position,
                Outcome(
                    reference=image.reference,
                    class_indices=class_indices,
                    probabilities=probabilities,
                    input_sha256=image.input_sha256,
                ),
            )

    def _fail(self, batch: Sequence[ReadyImage], error: BaseException) -> None:
        errors_in_a_row = self._batch_ended(images=0)
        failure = error if isinstance(error, MachineError) else DeviceError(repr(error))
        _log.error("batch_failed", images=len(batch), error=str(failure))
        for image in batch:
            image.progress.give_up(failure)
        self._on_device_error(failure, errors_in_a_row)

    def _batch_ended(self, *, images: int) -> int:
        """Note that a batch has left the device; return how many in a row have failed by now."""
        with self._changed:
            self._errors_in_a_row = 0 if images else self._errors_in_a_row + 1
            self._count(-1)
            self._times.handled += images
            if self._in_flight == 0 and len(self._batcher):
                self._changed.notify()
            return self._errors_in_a_row

    def _count(self, batches: int) -> None:
        """Note that a batch goes to the device or has left it; the lock is held."""
        held: StageTime = "busy" if self._in_flight else "starved"
        self._mark = self._times.add(held, since=self._mark)
        self._in_flight += batches
