"""From the network to a torch export package, compiled ahead of time where that works."""

import copy
from pathlib import Path

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from shared.errors import CompileError
from worker.compilation.classifier import Probabilities, TopClasses
from worker.compilation.openvino_graph import quiet_toolchain
from worker.devices.torch_device import AHEAD_OF_TIME_FILE, EXPORT_FILE, ahead_of_time_target

#: The toolchain's entry that says for what, or why not, the package was compiled ahead of time.
AHEAD_OF_TIME_KEY = "ahead_of_time"
_EXAMPLE_BATCH = 2


def build(
    network: nn.Module,
    folder: Path,
    *,
    device_kind: str,
    half: bool,
    input_size: int,
    topk: int,
    largest_batch: int,
    ahead_of_time: bool,
) -> dict[str, str]:
    """Write the export package, and a compiled one beside it; return facts for the manifest.

    Raises:
        CompileError: there is no CUDA device, or torch cannot export the network.
    """
    place = torch.device("cuda" if device_kind == "cuda" else "cpu")
    if place.type == "cuda" and not torch.cuda.is_available():
        raise CompileError("this machine has no CUDA device: compile for cuda where there is one")
    dtype = torch.float16 if half else torch.float32
    probabilities = Probabilities(copy.deepcopy(network), dtype=dtype)
    graph = TopClasses(probabilities, topk=topk).eval().to(place)
    torch.nn.utils.convert_conv2d_weight_memory_format(graph, torch.channels_last)
    example = torch.zeros(
        (_EXAMPLE_BATCH, input_size, input_size, 3), dtype=torch.uint8, device=place
    )
    images = Dim("images", min=1, max=max(_EXAMPLE_BATCH, largest_batch))
    try:
        with quiet_toolchain(), torch.no_grad():
            program = torch.export.export(graph, (example,), dynamic_shapes=({0: images},))
            torch.export.save(program, folder / EXPORT_FILE)
    except RuntimeError as error:
        raise CompileError(f"torch cannot export the network: {error}") from error
    if not ahead_of_time:
        return {AHEAD_OF_TIME_KEY: "not asked for: torch runs the exported graph"}
    return {AHEAD_OF_TIME_KEY: _compile_ahead(program, folder, kind=device_kind)}


def _compile_ahead(program: ExportedProgram, folder: Path, *, kind: str) -> str:
    """Try AOTInductor; where it fails (no C++ compiler, for one) the exported graph serves."""
    package = folder / AHEAD_OF_TIME_FILE
    try:
        with quiet_toolchain(), torch.no_grad():
            torch._inductor.aoti_compile_and_package(program, package_path=str(package))
    except (RuntimeError, OSError) as error:
        package.unlink(missing_ok=True)
        reason = str(error).strip().splitlines() or [type(error).__name__]
        return f"not possible ({reason[0][:200]}): torch runs the exported graph"
    return ahead_of_time_target(kind)
