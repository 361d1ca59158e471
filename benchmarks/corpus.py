"""The images that throughput is measured on: real photographs, or generated ones like them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
#: Photographs that may lie beside the checkout; they are not part of the project.
_PHOTOS = ROOT.parent / "shared" / "data" / "photos"
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
_GENERATED_COUNT = 200
_QUICK_COUNT = 16
_QUALITY = 92


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Files and where they are from."""

    description: str
    files: list[Path]


def open_corpus(images_dir: Path | None, *, cache: Path, quick: bool) -> Corpus:
    """List the images of the folder, or the photographs beside the checkout, or generate some."""
    folder = images_dir or (_PHOTOS if _PHOTOS.is_dir() else None)
    kind = "photographs" if folder == _PHOTOS else "images of --images"
    if folder is None:
        kind = "GENERATED images (no photographs given: --images DIR)"
        folder = _generate(cache, count=_QUICK_COUNT if quick else _GENERATED_COUNT)
    files = sorted(path.resolve() for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not files:
        raise FileNotFoundError(f"{folder} holds no images: name another folder with --images")
    mean_kilobytes = sum(path.stat().st_size for path in files) / len(files) / 1000
    return Corpus(
        description=f"{len(files)} {kind}, {mean_kilobytes:.0f} kB on average", files=files
    )


def _generate(folder: Path, *, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:03}.jpg"
        if not path.exists():
            draw_photo(number).save(path, quality=_QUALITY)
    return folder


def draw_photo(seed: int) -> Image.Image:
    """Draw noise with the spectrum of photographs: weaker by a quarter with each octave."""
    random = np.random.default_rng(seed)
    width, height = int(random.integers(400, 600)), int(random.integers(300, 450))
    total = np.zeros((height, width, 3), np.float32)
    for octave in range(1, 10):
        cells = 2**octave
        strength = 120 / 1.3**octave
        noise = random.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        noise = 0.8 * noise.mean(axis=2, keepdims=True) + 0.2 * noise
        for channel in range(3):
            layer = Image.fromarray(noise[:, :, channel])
            total[:, :, channel] += np.asarray(
                layer.resize((width, height), Image.Resampling.BICUBIC)
            )
    return Image.fromarray((total + 128).clip(0, 255).astype(np.uint8))
