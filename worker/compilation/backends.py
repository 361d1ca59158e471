"""Building the compiled files of each kind of device; one function a kind, one table."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from worker.compilation import openvino_graph, torch_package
from worker.compilation.classifier import Probabilities
from worker.compilation.request import CompileRequest
from worker.progress import ProgressBars

_TOOLS = ("torch", "openvino", "nncf", "numpy", "pillow", "simplejpeg")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltGraph:
    """Which back-end runs the files, and what its tools say beside their versions."""

    backend: Literal["openvino", "torch_export"]
    toolchain: dict[str, str] = field(default_factory=dict)


def build_graph(
    request: CompileRequest,
    network: nn.Module,
    folder: Path,
    *,
    input_size: int,
    topk: int,
    calibration: Sequence[NDArray[np.uint8]],
    bars: ProgressBars,
) -> BuiltGraph:
    """Write the compiled files of the request's device and precision into the folder.

    Raises:
        CompileError: the tools cannot compile the network.
    """
    if request.device_kind == "cpu":
        return _build_openvino(
            request,
            network,
            folder,
            input_size=input_size,
            topk=topk,
            calibration=calibration,
            bars=bars,
        )
    with bars.step(f"compiling for {request.device_kind}"):
        toolchain = torch_package.build(
            network,
            folder,
            device_kind=request.device_kind,
            half=request.precision == "fp16",
            input_size=input_size,
            topk=topk,
            largest_batch=request.largest_batch,
            ahead_of_time=request.ahead_of_time,
        )
    return BuiltGraph(backend="torch_export", toolchain=toolchain)


def toolchain_versions() -> dict[str, str]:
    """Return the versions of everything that took part."""
    versions = {"python": platform.python_version()}
    for tool in _TOOLS:
        try:
            versions[tool] = version(tool)
        except PackageNotFoundError:
            continue
    return versions


def _build_openvino(
    request: CompileRequest,
    network: nn.Module,
    folder: Path,
    *,
    input_size: int,
    topk: int,
    calibration: Sequence[NDArray[np.uint8]],
    bars: ProgressBars,
) -> BuiltGraph:
    with bars.step("converting"):
        model = openvino_graph.convert(Probabilities(network).eval(), input_size=input_size)
    if request.precision == "int8":
        # The quantizer reads the images twice: for the ranges and for the bias correction.
        with bars.step("calibrating", total=None) as advance:
            model = openvino_graph.quantize(model, calibration, advance=advance)
    model = openvino_graph.add_top_classes(model, topk=topk)
    openvino_graph.save(model, folder, half_weights=request.precision == "fp16")
    return BuiltGraph(backend="openvino")
