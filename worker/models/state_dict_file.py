"""A state dict from a `.pth` or `.safetensors` file, its digest checked on the bytes that are read.

Nothing in the file is ever executed: torch reads it with `weights_only`.
"""

import hashlib
import pickle
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from shared.errors import WeightsError

SUFFIXES = (".pth", ".pt", ".safetensors")
_NESTING_KEYS = ("state_dict", "model")
_PARALLEL_PREFIX = "module."
_BROKEN_FILE_ERRORS = (  # all that 6,000 damaged files made torch and safetensors raise
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    safetensors.SafetensorError,
    struct.error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDictFile:
    """The tensors of a file and the sha256 (hex) of its bytes."""

    tensors: dict[str, Tensor]
    sha256: str


def read_state_dict(path: Path, *, sha256_prefix: str = "") -> StateDictFile:
    """Read a file whose digest must start with `sha256_prefix`.

    Raises:
        WeightsError: if it cannot be opened, has another digest, or holds no state dict.
    """
    if path.suffix not in SUFFIXES:
        raise WeightsError(
            f"{path} is not a weights file: its name must end in .pth or .safetensors"
        )
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            _check_digest(path, sha256, prefix=sha256_prefix)
            file.seek(0)
            document = _parse(path, file)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise WeightsError(f"cannot read the weights {path}: {reason}") from error
    return StateDictFile(tensors=_tensors_of(path, document), sha256=sha256)


def _check_digest(path: Path, sha256: str, *, prefix: str) -> None:
    if not sha256.startswith(prefix):
        raise WeightsError(
            f"{path} is damaged or was changed: its sha256 starts with"
            f" {sha256[: len(prefix)]}, not {prefix}; delete it and run this again"
        )


def _parse(path: Path, file: BinaryIO) -> object:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load(file.read())
        with warnings.catch_warnings(action="ignore"):  # of odd pickles, which fail by themselves
            return torch.load(file, map_location="cpu", weights_only=True)
    except _BROKEN_FILE_ERRORS as error:
        raise WeightsError(
            f"{path} cannot be read as weights: it is damaged, or holds more than tensors;"
            " write it with torch.save(network.state_dict(), path)"
        ) from error


def _tensors_of(path: Path, document: object) -> dict[str, Tensor]:
    for key in _NESTING_KEYS:
        if isinstance(document, dict) and isinstance(document.get(key), dict):
            document = document[key]
            break
    if not isinstance(document, dict) or not document:
        raise _not_a_state_dict(path)
    if not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in document.items()):
        raise _not_a_state_dict(path)
    if all(key.startswith(_PARALLEL_PREFIX) for key in document):
        return {key.removeprefix(_PARALLEL_PREFIX): value for key, value in document.items()}
    return dict(document)


def _not_a_state_dict(path: Path) -> WeightsError:
    return WeightsError(
        f"{path} holds no state dict: it must map names to tensors,"
        " by itself or under 'state_dict' or 'model'"
    )
