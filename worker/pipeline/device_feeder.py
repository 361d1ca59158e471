"""The last stage: stacks pixels to batches, feeds the device, settles outcomes as they return."""

import queue
import threading
import time
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
from worker.pipeline.stage_clock import StageClock

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
    """One thread that forms batches and submits them; results settle on the device's threads."""

    def __init__(
        self,
        device: Device,
        *,
        clock: StageClock,
        on_device_error: Callable[[MachineError], None],
    ) -> None:
        self._device = device
        self._on_device_error = on_device_error
        self._batcher: Batcher[ReadyImage] = Batcher(
            size=device.batch_size, max_age_seconds=MAX_BATCH_AGE_SECONDS
        )
        # Two batches of decoded images wait here beside those that the device holds.
        self._inbox: queue.Queue[ReadyImage | None] = queue.Queue(maxsize=2 * device.batch_size)
        self._in_flight = 0
        self._lock = threading.Lock()
        self._clock = clock
        self._thread = threading.Thread(target=self._run, name="batch", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, image: ReadyImage) -> None:
        """Queue an image; blocks while two batches wait."""
        self._inbox.put(image)

    def close(self) -> None:
        """Submit what is queued, then end the thread."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        times = self._clock.thread("device")
        while True:
            with times.measure("starved"):
                batch, ended = self._next_batch()
            if batch:
                with times.measure("busy"):
                    self._submit(batch)
                times.handled += len(batch)
            if ended:
                return

    def _next_batch(self) -> tuple[list[ReadyImage], bool]:
        """Wait for a batch that is full or due; True with it when the feeder was closed."""
        while True:
            try:
                timeout = MAX_BATCH_AGE_SECONDS if len(self._batcher) else None
                image = self._inbox.get(timeout=timeout)
            except queue.Empty:
                image = None
                ended = False
            else:
                ended = image is None
            clock = time.monotonic()
            if image is not None and not image.progress.is_given_up:
                batch = self._batcher.add(image, at_seconds=clock)
            elif ended:
                return self._batcher.due(at_seconds=float("inf"), device_is_idle=True) or [], True
            else:
                idle = self._in_flight == 0
                batch = self._batcher.due(at_seconds=clock, device_is_idle=idle)
            if batch is not None:
                return batch, False

    def _submit(self, batch: list[ReadyImage]) -> None:
        with self._lock:
            self._in_flight += 1
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
        with self._lock:
            self._in_flight -= 1
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
        with self._lock:
            self._in_flight -= 1
        failure = error if isinstance(error, MachineError) else DeviceError(repr(error))
        _log.error("batch_failed", images=len(batch), error=str(failure))
        for image in batch:
            image.progress.give_up(failure)
        self._on_device_error(failure)
