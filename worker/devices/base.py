"""What a device is to the rest of the worker."""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class TopK:
    """The best classes of each image of a batch, best first; equal ones by the lower index.

    `class_indices` is int32 (images, K), `probabilities` float32 (images, K).
    """

    class_indices: NDArray[np.int32]
    probabilities: NDArray[np.float32]


class Device(Protocol):
    """One accelerator with one artifact loaded; it owns its threads.

    `name` is what the user wrote (`cpu:0`); `batch_size` the most images of one batch (shorter
    ones are welcome); `depth` how many batches may be in flight, at least 2; `precision_used` what
    the compiled graph really computes in.
    """

    name: str
    batch_size: int
    depth: int
    precision_used: str

    def submit(self, batch: NDArray[np.uint8]) -> Future[TopK]:
        """Queue a batch, uint8 (images, S, S, 3) RGB; blocks while `depth` batches are in flight.

        The batch may be reused by the caller once the future is done, not before. The future
        fails with DeviceError; its result has as many rows as the batch.
        """

    def close(self) -> None:
        """Finish what is in flight, then free the device; safe to call twice."""
