"""From the network in torch to OpenVINO IR in fp32, fp16 or int8."""

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.errors import CompileError
from worker.compilation.classifier import Probabilities
from worker.devices.openvino_device import INDICES_OUTPUT, MODEL_FILE, PROBABILITIES_OUTPUT
from worker.devices.openvino_library import load_nncf, load_openvino

#: Any length stands for all: the batch dimension stays free.
_EXAMPLE_BATCH = 2


def convert(probabilities: Probabilities, *, input_size: int) -> Any:
    """Convert to an OpenVINO model: uint8 (images, S, S, 3) to probabilities, any batch length.

    Raises:
        CompileError: if OpenVINO cannot express the network.
    """
    openvino = load_openvino()
    example = torch.zeros((_EXAMPLE_BATCH, input_size, input_size, 3), dtype=torch.uint8)
    shape = openvino.PartialShape([-1, input_size, input_size, 3])
    try:
        with quiet_toolchain():
            return openvino.convert_model(probabilities, example_input=example, input=[shape])
    except RuntimeError as error:
        raise CompileError(f"OpenVINO cannot convert the network: {error}") from error


def quantize(
    model: Any,
    images: Sequence[NDArray[np.uint8]],
    *,
    advance: Callable[[], None],
) -> Any:
    """Return the model in int8, calibrated with pixels that went through the recipe.

    The overflow fix keeps weights to half their range everywhere, so that processors without VNNI
    get the same answers. `advance` is called once an image.
    """
    nncf = load_nncf()

    def next_image(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        advance()
        return image[np.newaxis]

    with quiet_toolchain():
        return nncf.quantize(
            model,
            nncf.Dataset(images, next_image),
            subset_size=len(images),
            target_device=nncf.TargetDevice.CPU,
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE
            ),
        )


def add_top_classes(model: Any, *, topk: int) -> Any:
    """Replace the output of probabilities by the best of them, ties to the lower index."""
    openvino = load_openvino()
    operations = openvino.opset11
    probabilities = model.output(0).get_node().input_value(0)
    best = operations.topk(
        probabilities, topk, axis=1, mode="max", sort="value", index_element_type="i32", stable=True
    )
    best.output(0).set_names({PROBABILITIES_OUTPUT})
    best.output(1).set_names({INDICES_OUTPUT})
    results = [operations.result(best.output(1)), operations.result(best.output(0))]
    return openvino.Model(results, model.get_parameters(), "nestor_classifier")


def save(model: Any, folder: Path, *, half_weights: bool) -> Path:
    """Write the IR (`model.xml`, `model.bin`) into the folder; return the path of the xml."""
    path = folder / MODEL_FILE
    load_openvino().save_model(model, path, compress_to_fp16=half_weights)
    return path


@contextmanager
def quiet_toolchain() -> Iterator[None]:
    """Keep the compilers' own warnings, log lines and progress bars off the terminal."""
    loggers = [logging.getLogger(name) for name in ("nncf", "openvino", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), _no_progress_bars():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """NNCF draws rich bars on standard output; ours, on standard error, are enough."""
    with Path(os.devnull).open("w", encoding="utf-8") as sink, redirect_stdout(sink):
        yield
