"""`cuda:N` and `torch-cpu`: a torch export package, run by torch on one thread of its own."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from shared.errors import ArtifactError, DeviceError, UsageError
from shared.settings import Settings
from worker.artifact import Artifact
from worker.devices.base import TopK
from worker.devices.batch_executor import BatchExecutor
from worker.devices.cores import available_cores, slot_threads
from worker.devices.names import DeviceName

EXPORT_FILE = "model.pt2"
AHEAD_OF_TIME_FILE = "model_ahead_of_time.pt2"

#: One batch runs, the next one waits.
_DEPTH = 2
_HEAVY_OPERATIONS = ("conv", "linear", "addmm", "matmul")
_FORMATS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}

_Graph = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class TorchDevice(BatchExecutor):
    """An exported graph on a CUDA device or on this machine's cores."""

    def __init__(
        self,
        *,
        name: str,
        engine: "_Engine",
        batch_shape: tuple[int, int, int, int],
        topk: int,
        classes: int,
        precision_used: str,
    ) -> None:
        super().__init__(
            name=name,
            engines=[engine],
            batch_shape=batch_shape,
            topk=topk,
            classes=classes,
            depth=_DEPTH,
        )
        self.name = name
        self.batch_size = batch_shape[0]
        self.depth = _DEPTH
        self.precision_used = precision_used


class _Engine:
    """Runs batches on the executor's one thread; torch's thread count belongs to a thread."""

    def __init__(self, graph: _Graph, *, place: torch.device, threads: int) -> None:
        self._graph = graph
        self._place = place
        self._threads = threads

    def __call__(self, batch: NDArray[np.uint8]) -> TopK:
        """Copy a batch over, run it, copy the answer back."""
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(batch)).to(self._place)
            indices, probabilities = self._graph(pixels)
            return TopK(
                class_indices=indices.cpu().numpy(), probabilities=probabilities.cpu().numpy()
            )


def open_device(name: DeviceName, artifact: Artifact, settings: Settings) -> TorchDevice:
    """Load the artifact's package onto a CUDA device, or onto a slot of the cores."""
    manifest = artifact.manifest
    place = _place(name)
    graph, precision_used = _load(artifact, kind=name.kind, place=place)
    slot = name.number if place.type == "cpu" else 0
    threads = slot_threads(slot, slots=settings.cpu_slots, cores=available_cores())
    size = manifest.input_size
    return TorchDevice(
        name=name.text,
        engine=_Engine(graph, place=place, threads=threads),
        batch_shape=(manifest.batch_size, size, size, 3),
        topk=manifest.topk,
        classes=len(manifest.classes),
        precision_used=precision_used,
    )


def ahead_of_time_target(kind: str) -> str:
    """Say for which torch and which processor this machine compiles ahead of time."""
    processor = (
        torch.cuda.get_device_name() if kind == "cuda" else torch.backends.cpu.get_cpu_capability()
    )
    return f"torch {torch.__version__}, {processor}"


def _place(name: DeviceName) -> torch.device:
    if name.kind == "torch-cpu":
        return torch.device("cpu")
    found = torch.cuda.device_count()
    if name.number >= found:
        raise UsageError(f"no device {name.text}: torch finds {found} CUDA device(s) here")
    # TF32 has 10 bits of mantissa: fp32 is to mean fp32.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda", name.number)


def _load(artifact: Artifact, *, kind: str, place: torch.device) -> tuple[_Graph, str]:
    """Prefer the package compiled ahead of time, where it was made for a machine like this."""
    program = _load_program(artifact.path(EXPORT_FILE))
    precision = _precision_of(program)
    compiled_for = artifact.manifest.toolchain.get("ahead_of_time")
    if AHEAD_OF_TIME_FILE in artifact.manifest.files and compiled_for == ahead_of_time_target(kind):
        package = str(artifact.path(AHEAD_OF_TIME_FILE))
        try:
            compiled = torch._inductor.aoti_load_package(package, device_index=place.index or -1)
        except RuntimeError as error:
            raise DeviceError(f"torch cannot load {package}: {error}") from error
        return cast("_Graph", compiled), f"{precision}, compiled ahead of time"
    return cast("_Graph", program.module().to(place)), precision


def _load_program(path: Path) -> torch.export.ExportedProgram:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of its own deprecations
            return torch.export.load(path)
    except (RuntimeError, OSError, ValueError) as error:
        raise ArtifactError(f"{path} is not a torch export package: {error}") from error


def _precision_of(program: torch.export.ExportedProgram) -> str:
    """Say in which formats the graph's convolutions and products answer."""
    formats = {
        _format_of(node)
        for node in program.graph.nodes
        if node.op == "call_function"
        and any(name in str(node.target) for name in _HEAVY_OPERATIONS)
    }
    return ", ".join(sorted(formats))


def _format_of(node: Any) -> str:
    dtype = node.meta["val"].dtype
    return _FORMATS.get(dtype, str(dtype))
