"""Fashion-MNIST as it was published: idx files, every byte of them checked, and its classes."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.errors import SourceError

Split = Literal["train", "test"]

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
GARMENT_SIDE = 28

#: Id (also the folder's name) and name of each class, in the order of the data set's labels.
CLASSES = (
    ("t-shirt_top", "T-shirt/top"),
    ("trouser", "Trouser"),
    ("pullover", "Pullover"),
    ("dress", "Dress"),
    ("coat", "Coat"),
    ("sandal", "Sandal"),
    ("shirt", "Shirt"),
    ("sneaker", "Sneaker"),
    ("bag", "Bag"),
    ("ankle_boot", "Ankle boot"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _IdxFile:
    """One idx file: its name without `.gz`, shape, and the sha256 of its unpacked bytes."""

    name: str
    shape: tuple[int, ...]
    sha256: str


_FILES: dict[Split, tuple[_IdxFile, _IdxFile]] = {
    "train": (
        _IdxFile(
            name="train-images-idx3-ubyte",
            shape=(60000, GARMENT_SIDE, GARMENT_SIDE),
            sha256="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        _IdxFile(
            name="train-labels-idx1-ubyte",
            shape=(60000,),
            sha256="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
    ),
    "test": (
        _IdxFile(
            name="t10k-images-idx3-ubyte",
            shape=(10000, GARMENT_SIDE, GARMENT_SIDE),
            sha256="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        _IdxFile(
            name="t10k-labels-idx1-ubyte",
            shape=(10000,),
            sha256="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Garments:
    """One split: `images` uint8 (count, 28, 28), `labels` uint8 (count,), in the files' order."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def read_garments(split: Split, folder: Path = DEBIAN_FOLDER) -> Garments:
    """Read one split from its idx files, packed or not, and check every byte.

    Raises:
        SourceError: if a file is missing or is not the one that was published.
    """
    images, labels = (_read_idx(folder, file) for file in _FILES[split])
    return Garments(images=images, labels=labels)


def parse_idx(content: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the uint8 array of an idx file that must have this shape.

    Raises:
        SourceError: if the header or the length says otherwise.
    """
    header = bytes([0, 0, 8, len(shape)]) + b"".join(side.to_bytes(4, "big") for side in shape)
    if not content.startswith(header) or len(content) != len(header) + int(np.prod(shape)):
        raise SourceError(f"not an idx file of unsigned bytes with shape {shape}")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)


def first_of_each_class(labels: NDArray[np.uint8], count: int) -> list[int]:
    """Return the indices of the first `count` images of each class, ascending."""
    chosen = [np.flatnonzero(labels == label)[:count] for label in range(len(CLASSES))]
    return [int(index) for index in np.sort(np.concatenate(chosen))]


def _read_idx(folder: Path, file: _IdxFile) -> NDArray[np.uint8]:
    path = folder / file.name
    packed = folder / f"{file.name}.gz"
    if packed.exists():
        content = gzip.decompress(packed.read_bytes())
    elif path.exists():
        content = path.read_bytes()
    else:
        raise SourceError(
            f"{path} is missing: apt-get install dataset-fashion-mnist, or name its folder"
        )
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise SourceError(f"{path} is not the published file: its sha256 differs")
    return parse_idx(content, file.shape)
