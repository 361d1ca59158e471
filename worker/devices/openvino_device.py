"""`cpu:N`: a slot of this machine's cores, driven by OpenVINO.

The graph takes uint8 pixels of any batch length and answers the top-k; normalisation and softmax
are inside. Compiled streams share the slot's threads, unpinned: two pinned processes would sit on
the same core and halve each other's speed.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import ArtifactError, DeviceError
from shared.settings import Settings
from worker.artifact import Artifact
from worker.devices.base import TopK
from worker.devices.batch_executor import BatchExecutor
from worker.devices.cores import available_cores, slot_threads
from worker.devices.names import DeviceName
from worker.devices.openvino_library import load_openvino

MODEL_FILE = "model.xml"
INDICES_OUTPUT = "class_indices"
PROBABILITIES_OUTPUT = "probabilities"

#: Requests for each stream: one that runs and one that waits for it.
_REQUESTS_PER_STREAM = 2
#: What OpenVINO computes in, unless told: on some machines bfloat16 even where fp32 was compiled.
_PRECISION_HINTS = {"fp32": "f32", "fp16": "f16", "int8": "f32"}
#: Layers whose precision is what one means by the precision of a network.
_HEAVY_LAYERS = frozenset({"Convolution", "FullyConnected", "MatMul"})
#: The runtime's names of number formats, as people write them.
_FORMATS = {"f32": "fp32", "f16": "fp16", "i8": "int8", "u8": "int8"}


class OpenVinoDevice(BatchExecutor):
    """A compiled OpenVINO graph with a fixed number of requests."""

    def __init__(
        self,
        *,
        name: str,
        compiled: Any,
        batch_shape: tuple[int, int, int, int],
        topk: int,
        classes: int,
    ) -> None:
        streams = int(compiled.get_property("NUM_STREAMS"))
        requests = max(2, _REQUESTS_PER_STREAM * streams)
        super().__init__(
            name=name,
            engines=[_Request(compiled, batch_shape[0]) for _ in range(requests)],
            batch_shape=batch_shape,
            topk=topk,
            classes=classes,
            depth=requests,
        )
        self.name = name
        self.batch_size = batch_shape[0]
        self.depth = requests
        self.precision_used = describe_precision(compiled)


class _Request:
    """One inference request; called by one thread at a time."""

    def __init__(self, compiled: Any, largest_batch: int) -> None:
        self._request = compiled.create_infer_request()
        self._largest_batch = largest_batch

    def __call__(self, batch: NDArray[np.uint8]) -> TopK:
        """Run a batch; the wait releases the interpreter lock."""
        openvino = load_openvino()
        pixels = np.ascontiguousarray(_padded(batch, self._largest_batch))
        self._request.set_input_tensor(openvino.Tensor(pixels, shared_memory=True))
        self._request.start_async()
        self._request.wait()
        return TopK(
            class_indices=self._request.get_tensor(INDICES_OUTPUT).data[: len(batch)].copy(),
            probabilities=self._request.get_tensor(PROBABILITIES_OUTPUT).data[: len(batch)].copy(),
        )


def _padded(batch: NDArray[np.uint8], largest: int) -> NDArray[np.uint8]:
    """Fill a short batch up with black images to a power of two, or to the largest batch.

    OpenVINO keeps working memory for each length that it has seen: with every length up to 64 that
    was 80 MB in ten seconds (measured), with powers of two it is seven lengths.
    """
    length = min(1 << (len(batch) - 1).bit_length(), largest)
    if length == len(batch):
        return batch
    padded = np.zeros((length, *batch.shape[1:]), dtype=np.uint8)
    padded[: len(batch)] = batch
    return padded


def open_device(name: DeviceName, artifact: Artifact, settings: Settings) -> OpenVinoDevice:
    """Compile the artifact's graph for the slot `cpu:N`."""
    manifest = artifact.manifest
    threads = slot_threads(name.number, slots=settings.cpu_slots, cores=available_cores())
    compiled = compile_for_cpu(
        artifact.path(MODEL_FILE),
        precision=manifest.precision_asked,
        threads=threads,
        cache_folder=settings.data_dir / "openvino_cache",
    )
    size = manifest.input_size
    return OpenVinoDevice(
        name=name.text,
        compiled=compiled,
        batch_shape=(manifest.batch_size, size, size, 3),
        topk=manifest.topk,
        classes=len(manifest.classes),
    )


def compile_for_cpu(
    model: Path, *, precision: str, threads: int, cache_folder: Path | None = None
) -> Any:
    """Read an IR and compile it for this processor.

    Raises:
        ArtifactError: the IR cannot be read.
        DeviceError: OpenVINO refuses to compile it.
    """
    openvino = load_openvino()
    options: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,
        "PERFORMANCE_HINT": "THROUGHPUT",
    }
    if cache_folder is not None:
        options["CACHE_DIR"] = str(cache_folder)
    core = openvino.Core()
    try:
        graph = core.read_model(model)
    except RuntimeError as error:
        raise ArtifactError(f"{model} is not an OpenVINO model: {_first_line(error)}") from error
    try:
        return core.compile_model(graph, "CPU", options)
    except RuntimeError as error:
        raise DeviceError(f"OpenVINO cannot compile {model}: {_first_line(error)}") from error


def describe_precision(compiled: Any) -> str:
    """Say in which formats the compiled graph's heavy layers run, the most frequent first."""
    formats = Counter[str]()
    for layer in compiled.get_runtime_model().get_ordered_ops():
        facts = layer.get_rt_info()
        if str(facts["layerType"].astype(str)) in _HEAVY_LAYERS:
            precision = str(facts["runtimePrecision"].astype(str))
            formats[_FORMATS.get(precision, precision)] += 1
    total = formats.total()
    if len(formats) == 1:
        return next(iter(formats))
    return ", ".join(f"{name} {count}/{total}" for name, count in formats.most_common())


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
