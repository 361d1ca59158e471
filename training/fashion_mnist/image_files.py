"""Garments as image files: on a canvas, as PNG, in class folders or in one archive.

`ECenterCrop(64)` keeps the middle two thirds of the short side, so a 28x28 garment lies in the
middle of a 42x42 canvas: the crop is then exactly the garment.
"""

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.fashion_mnist.dataset import CLASSES, GARMENT_SIDE, Garments

INPUT_SIZE = 64
CANVAS_SIDE = 42
MARGIN = (CANVAS_SIDE - GARMENT_SIDE) // 2
#: The earliest time a zip file can hold: its bytes must not depend on when it was made.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def place_on_canvas(garment: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a black 42x42 canvas with the 28x28 garment in its middle."""
    return np.pad(garment, MARGIN)


def png_bytes(garment: NDArray[np.uint8]) -> bytes:
    """Return the garment on its canvas as a grayscale PNG."""
    buffer = io.BytesIO()
    Image.fromarray(place_on_canvas(garment)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def png_files(garments: Garments, indices: Iterable[int]) -> Iterator[tuple[str, bytes]]:
    """Yield `<class id>/<index in the split>.png` and its bytes for each chosen image."""
    for index in indices:
        class_id, _ = CLASSES[garments.labels[index]]
        yield f"{class_id}/{index:05d}.png", png_bytes(garments.images[index])


def write_tree(garments: Garments, indices: Iterable[int], target: Path) -> None:
    """Write the chosen images as PNG files into class folders under `target`."""
    for name, content in png_files(garments, indices):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_class_file(target: Path) -> None:
    """Write the class file that `nestor-worker compile --classes` takes."""
    lines = (f"{class_id}\t{name}\n" for class_id, name in CLASSES)
    target.write_text("".join(lines), encoding="utf-8")


def image_archive(garments: Garments, indices: Iterable[int]) -> bytes:
    """Return a zip of the chosen images as PNG files in class folders; same images, same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(png_files(garments, indices)):
            entry = zipfile.ZipInfo(name, date_time=_ZIP_EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()
