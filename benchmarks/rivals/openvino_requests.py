"""Asynchronous requests of a compiled graph, as a careful user of OpenVINO writes them."""

import queue
import threading
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.artifact import Artifact
from worker.devices.cores import available_cores
from worker.devices.openvino_library import load_openvino


def compile_graph(artifact: Artifact, *, hint: str) -> Any:
    """Compile the artifact's graph with OpenVINO's own tuning for throughput or latency."""
    core = load_openvino().Core()
    options = {
        "PERFORMANCE_HINT": hint,
        "INFERENCE_NUM_THREADS": available_cores(),
        "INFERENCE_PRECISION_HINT": "f16" if artifact.manifest.precision_asked == "fp16" else "f32",
    }
    return core.compile_model(core.read_model(artifact.path("model.xml")), "CPU", options)


class Slot:
    """One request and the pixels that it reads, uint8 (batch, S, S, 3)."""

    def __init__(self, compiled: Any, shape: tuple[int, int, int, int]) -> None:
        self.request = compiled.create_infer_request()
        self.pixels: NDArray[np.uint8] = np.zeros(shape, np.uint8)
        self.tensor = load_openvino().Tensor(self.pixels, shared_memory=True)


class RequestPool:
    """Requests that take turns; results go into `best_classes`."""

    def __init__(self, artifact: Artifact, *, requests: int) -> None:
        compiled = compile_graph(artifact, hint="THROUGHPUT")
        manifest = artifact.manifest
        shape = (manifest.batch_size, manifest.input_size, manifest.input_size, 3)
        self.batch_size = manifest.batch_size
        self.best_classes: list[int] = []
        self._idle: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        self._missing = threading.Semaphore(0)
        for _ in range(requests):
            self._idle.put(Slot(compiled, shape))

    def expect(self, images: int) -> None:
        """Make room for the results of a round."""
        self.best_classes = [-1] * images

    def take(self) -> Slot:
        """Wait for a request that is idle."""
        return self._idle.get()

    def start(self, slot: Slot, *, first: int, images: int) -> None:
        """Run the first `images` rows of a slot; they are number `first` and after of the round."""
        tensor = slot.tensor
        if images < len(slot.pixels):
            tensor = load_openvino().Tensor(slot.pixels[:images], shared_memory=True)
        slot.request.set_input_tensor(tensor)
        slot.request.set_callback(partial(self._finish, slot, first, images), None)
        slot.request.start_async()

    def wait(self, batches: int) -> None:
        """Wait until so many batches have ended."""
        for _ in range(batches):
            self._missing.acquire()

    def _finish(self, slot: Slot, first: int, images: int, _: object) -> None:
        best = slot.request.get_tensor("class_indices").data[:, 0].tolist()
        self.best_classes[first : first + images] = best
        self._idle.put(slot)
        self._missing.release()
