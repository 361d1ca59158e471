"""Images for calibration, and others kept out of it for the gate and the self-test.

The source is a folder tree or a text list of paths. The choice is spread over the whole source and
the same every time.
"""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import CompileError, DecodeError
from worker.preprocessing.recipes import Recipe

#: Images of the source that calibration never sees.
HELD_OUT_COUNT = 64
_SEED = 0
_LIST_SUFFIXES = frozenset({".txt", ".lst"})
_IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """An image of the source that could be decoded: its bytes and its uint8 (S, S, 3) pixels."""

    suffix: str
    content: bytes
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationImages:
    """The choice: `held_out` for the gate and the self-test, `calibration` for int8."""

    source: str
    held_out: Sequence[SourceImage]
    calibration: Sequence[NDArray[np.uint8]]


def choose_images(
    source: str, recipe: Recipe, *, calibration_count: int, advance: Callable[[], None]
) -> CalibrationImages:
    """Read and decode the images; `advance` is called once an image.

    Raises:
        CompileError: the source cannot be read, or has too few images that can be decoded.
    """
    paths = list_images(source)
    wanted = HELD_OUT_COUNT + calibration_count
    if len(paths) < wanted:
        raise CompileError(_too_few(source, found=len(paths), calibration_count=calibration_count))
    random.Random(_SEED).shuffle(paths)
    held_out: list[SourceImage] = []
    calibration: list[NDArray[np.uint8]] = []
    for image in _decodable(paths, recipe):
        if len(held_out) < HELD_OUT_COUNT:
            held_out.append(image)
        elif len(calibration) < calibration_count:
            calibration.append(image.pixels)
        else:
            break
        advance()
    found = len(held_out) + len(calibration)
    if found < wanted:
        raise CompileError(_too_few(source, found=found, calibration_count=calibration_count))
    return CalibrationImages(source=Path(source).name, held_out=held_out, calibration=calibration)


def list_images(source: str) -> list[Path]:
    """List the images of a folder tree, or the paths of a text list, in a fixed order.

    Raises:
        CompileError: it is neither, or cannot be read.
    """
    path = Path(source)
    if path.is_dir():
        return sorted(_walk(path))
    if path.suffix.lower() not in _LIST_SUFFIXES or not path.is_file():
        raise CompileError(
            f"--calibration {source}: there is no such folder, nor a .txt list of image paths"
        )
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CompileError(f"--calibration {source} cannot be read: {error}") from error
    return [path.parent / line.strip() for line in lines if line.strip()]


def _walk(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if Path(name).suffix.lower() in _IMAGE_SUFFIXES:
                yield Path(parent) / name


def _decodable(paths: Sequence[Path], recipe: Recipe) -> Iterator[SourceImage]:
    """Give the images that can be read and decoded; calibration does without the others."""
    for path in paths:
        try:
            content = path.read_bytes()
            pixels = recipe.pixels(content)
        except (OSError, DecodeError):
            continue
        yield SourceImage(suffix=path.suffix.lower(), content=content, pixels=pixels)


def _too_few(source: str, *, found: int, calibration_count: int) -> str:
    text = f"--calibration {source} has {found} images that can be used; "
    if calibration_count == 0:
        return text + f"the gate takes {HELD_OUT_COUNT}: give a source with more images"
    text += f"calibration takes {calibration_count} and the gate {HELD_OUT_COUNT} others: "
    fitting = found - HELD_OUT_COUNT
    lower = f"pass --calibration-count {fitting} or " if fitting > 0 else ""
    return text + lower + "give a source with more images"
