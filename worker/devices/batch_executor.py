"""What every device has in common: threads, the bound on batches in flight, checks, draining.

A device is one or more *engines* (functions from a batch to its top-k), each used by one thread at
a time; this class puts them behind the `Device` protocol.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Condition

import numpy as np
from numpy.typing import NDArray

from shared.errors import DeviceClosed, DeviceError
from worker.devices.base import TopK

#: Runs one batch; it may raise what its library raises.
Engine = Callable[[NDArray[np.uint8]], TopK]

#: What libraries raise for a failing device: OpenVINO and torch use RuntimeError and subclasses, a
#: graph exported by torch asserts its guards.
_LIBRARY_ERRORS = (RuntimeError, AssertionError, ValueError, TypeError, OSError, MemoryError)


class BatchExecutor:
    """Runs batches on engines: at most `depth` in flight, each future completed exactly once.

    Never call `submit` from a future's done-callback: callbacks run on the device's own threads.
    """

    def __init__(
        self,
        *,
        name: str,
        engines: Sequence[Engine],
        batch_shape: tuple[int, int, int, int],
        topk: int,
        classes: int,
        depth: int,
    ) -> None:
        """Start the threads; `batch_shape` is the largest batch, (images, S, S, 3)."""
        self._name = name
        self._batch_shape = batch_shape
        self._topk = topk
        self._classes = classes
        self._depth = depth
        self._idle: SimpleQueue[Engine] = SimpleQueue()
        for engine in engines:
            self._idle.put(engine)
        self._threads = ThreadPoolExecutor(
            max_workers=len(engines), thread_name_prefix=f"device-{name}"
        )
        self._changed = Condition()
        self._in_flight = 0
        self._closed = False

    def submit(self, batch: NDArray[np.uint8]) -> Future[TopK]:
        """Queue a batch; blocks while `depth` batches are in flight.

        Raises:
            ValueError: the batch is not of this artifact's shape and type.
            DeviceClosed: `close` was called.
        """
        self._check_batch(batch)
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._in_flight < self._depth)
            if self._closed:
                raise DeviceClosed(f"{self._name} is closed")
            future = self._threads.submit(self._run, batch)
            self._in_flight += 1
        future.add_done_callback(self._release)
        return future

    def close(self) -> None:
        """Refuse new batches, wait for those in flight; safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._threads.shutdown(wait=True)

    def _release(self, _: Future[TopK]) -> None:
        with self._changed:
            self._in_flight -= 1
            self._changed.notify()

    def _run(self, batch: NDArray[np.uint8]) -> TopK:
        engine = self._idle.get()
        try:
            result = engine(batch)
        except _LIBRARY_ERRORS as error:
            raise DeviceError(f"{self._name} failed on {len(batch)} images: {error}") from error
        finally:
            self._idle.put(engine)
        self._check_result(result, images=len(batch))
        return result

    def _check_batch(self, batch: NDArray[np.uint8]) -> None:
        most, *image_shape = self._batch_shape
        if batch.dtype != np.uint8 or list(batch.shape[1:]) != image_shape:
            raise ValueError(
                f"a batch is uint8 (images, {', '.join(map(str, image_shape))}), "
                f"not {batch.dtype} {batch.shape}"
            )
        if not 1 <= len(batch) <= most:
            raise ValueError(f"a batch has 1 to {most} images, not {len(batch)}")

    def _check_result(self, result: TopK, *, images: int) -> None:
        wanted = (images, self._topk)
        shapes = (result.class_indices.shape, result.probabilities.shape)
        if shapes != (wanted, wanted):
            raise DeviceError(f"{self._name} answered {shapes} where {wanted} was due")
        indices = result.class_indices
        if indices.min() < 0 or indices.max() >= self._classes:
            raise DeviceError(f"{self._name} answered classes beyond the {self._classes} there are")
