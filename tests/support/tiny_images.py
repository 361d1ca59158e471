"""Sixteen real PNG files of 8x8 pixels, and lists that name them many times over."""

import io
from pathlib import Path

from PIL import Image

from tests.support.pictures import draw_picture

FILES = 16
SIDE_PIXELS = 8


def write_tiny_images(folder: Path) -> list[Path]:
    """Write the sixteen files and return them in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(FILES):
        path = folder / f"{number:02}.png"
        path.write_bytes(tiny_png(number))
        paths.append(path)
    return paths


def tiny_png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_picture(SIDE_PIXELS, SIDE_PIXELS, seed)).save(buffer, "PNG")
    return buffer.getvalue()


def write_list(path: Path, files: list[Path], *, references: int) -> Path:
    """Write a .csv list of so many references: id, path and class (the file's number mod 10)."""
    with path.open("w") as stream:
        stream.write("id,path,class\n")
        for index in range(references):
            number = index % len(files)
            stream.write(f"item-{index},{files[number]},{number % 10}\n")
    return path
