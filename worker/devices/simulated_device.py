"""`simulated:N`: a device of set speed and set faults, for tests and benchmarks of the pipeline.

Its answers are a plain function of the pixels, not of images: it never stands in for a result that
a user reads, and runs only artifacts made for it.

    simulated:0?images_per_second=1000&fail_batches=3,4&latency_seconds=0.01
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from threading import Event

import numpy as np
from numpy.typing import NDArray

from shared.errors import DeviceError, UsageError
from shared.settings import Settings
from worker.artifact import Artifact
from worker.devices.base import TopK
from worker.devices.batch_executor import BatchExecutor
from worker.devices.names import DeviceName

_DEPTH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """How fast the device is and when it fails; batches are counted from 0 as they start.

    `images_per_second` None answers at once; `latency_seconds` is added to each batch.
    `fail_batches` fail once each, `fail_from` fails that one and all after it; `hang_batch` does
    not end until the device is closed; `memory_images` is the largest batch that fits;
    `reject_value` fails a batch with an image whose first pixel has that value in all channels.
    """

    images_per_second: float | None = None
    latency_seconds: float = 0.0
    fail_batches: frozenset[int] = frozenset()
    fail_from: int | None = None
    hang_batch: int | None = None
    memory_images: int | None = None
    reject_value: int | None = None


class SimulatedDevice(BatchExecutor):
    """One thread that answers from pixel values, after as long as it was told to take."""

    def __init__(
        self,
        *,
        name: str,
        simulation: Simulation,
        classes: int,
        topk: int,
        batch_shape: tuple[int, int, int, int],
    ) -> None:
        self._simulation = simulation
        self._classes = classes
        self._topk_size = topk
        self._started = 0
        self._free_at = time.monotonic()
        self._closing = Event()
        super().__init__(
            name=name,
            engines=[self._answer],
            batch_shape=batch_shape,
            topk=topk,
            classes=classes,
            depth=_DEPTH,
        )
        self.name = name
        self.batch_size = batch_shape[0]
        self.depth = _DEPTH
        self.precision_used = "fp32"

    def close(self) -> None:
        """Let a hanging batch fail, finish what is in flight; safe to call twice."""
        self._closing.set()
        super().close()

    def _answer(self, batch: NDArray[np.uint8]) -> TopK:
        number = self._started
        self._started += 1
        self._take_time(len(batch))
        self._fail_if_told(number, batch)
        return best_classes(simulated_probabilities(batch, classes=self._classes), self._topk_size)

    def _take_time(self, images: int) -> None:
        rate = self._simulation.images_per_second
        begin = max(time.monotonic(), self._free_at)
        self._free_at = begin + self._simulation.latency_seconds + (images / rate if rate else 0.0)
        remaining = self._free_at - time.monotonic()
        if remaining > 0:
            time.sleep(remaining)

    def _fail_if_told(self, number: int, batch: NDArray[np.uint8]) -> None:
        told = self._simulation
        if number == told.hang_batch:
            self._closing.wait()
            raise DeviceError(f"{self.name}: batch {number} hung until the device was closed")
        if number in told.fail_batches or (told.fail_from is not None and number >= told.fail_from):
            raise DeviceError(f"{self.name}: batch {number} was told to fail")
        if told.memory_images is not None and len(batch) > told.memory_images:
            raise DeviceError(f"{self.name}: out of memory with {len(batch)} images")
        if told.reject_value is not None and (batch[:, 0, 0] == told.reject_value).all(-1).any():
            raise DeviceError(f"{self.name}: an image of the batch was told to fail it")


def open_device(name: DeviceName, artifact: Artifact, _: Settings) -> SimulatedDevice:
    """Open a simulated device as its name's options say."""
    manifest = artifact.manifest
    size = manifest.input_size
    return SimulatedDevice(
        name=name.text,
        simulation=simulation_of(name.options),
        classes=len(manifest.classes),
        topk=manifest.topk,
        batch_shape=(manifest.batch_size, size, size, 3),
    )


def simulation_of(options: Mapping[str, str]) -> Simulation:
    """Read a simulation from the options of a device's name.

    Raises:
        UsageError: naming the option that is unknown or has no such value.
    """
    known = [field.name for field in fields(Simulation)]
    values: dict[str, float | int | frozenset[int]] = {}
    for option, text in options.items():
        if option not in known:
            raise UsageError(f"simulated devices have no option '{option}': {', '.join(known)}")
        try:
            values[option] = _parse_option(option, text)
        except ValueError as error:
            raise UsageError(f"simulated device: {option}={text} is not a number") from error
    return Simulation(**values)  # type: ignore[arg-type]  # the names were checked above


def simulated_probabilities(batch: NDArray[np.uint8], *, classes: int) -> NDArray[np.float32]:
    """Give class c the softmax of pixel value number c, spread over the image, times 1/32."""
    flat = batch.reshape(len(batch), -1)
    places = (np.arange(classes) * max(1, flat.shape[1] // classes)) % flat.shape[1]
    scores = np.exp(flat[:, places].astype(np.float32) / np.float32(32))
    probabilities: NDArray[np.float32] = scores / scores.sum(axis=1, keepdims=True)
    return probabilities


def best_classes(probabilities: NDArray[np.float32], topk: int) -> TopK:
    """Sort on the host: best first, equal ones by the lower index."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :topk]
    return TopK(
        class_indices=order.astype(np.int32),
        probabilities=np.take_along_axis(probabilities, order, axis=1),
    )


def _parse_option(option: str, text: str) -> float | int | frozenset[int]:
    if option == "fail_batches":
        return frozenset(int(part) for part in text.split(",") if part)
    if option in {"images_per_second", "latency_seconds"}:
        return float(text)
    return int(text)
