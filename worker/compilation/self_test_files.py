"""The self-test of an artifact: eight generated images, and those held out of calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.artifact_manifest import SelfTest
from worker.artifact import EXPECTED_FILE, SELF_TEST_FOLDER
from worker.compilation.calibration_images import SourceImage
from worker.devices.self_test import digest_of_pixels
from worker.preprocessing.recipes import Recipe
from worker.preprocessing.self_test_images import self_test_images


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestImages:
    """Files by their path in the artifact, and their pixels, uint8 (images, S, S, 3)."""

    files: Mapping[str, bytes]
    pixels: NDArray[np.uint8]


def collect_self_test(recipe: Recipe, held_out: Sequence[SourceImage]) -> SelfTestImages:
    """Put the generated images first, then the source's, numbered."""
    files: dict[str, bytes] = {}
    pixels = []
    for name, content in self_test_images():
        files[f"{SELF_TEST_FOLDER}/{name}"] = content
        pixels.append(recipe.pixels(content))
    for number, image in enumerate(held_out):
        files[f"{SELF_TEST_FOLDER}/source_{number:02}{image.suffix}"] = image.content
        pixels.append(image.pixels)
    return SelfTestImages(files=files, pixels=np.stack(pixels))


def write_self_test(
    folder: Path,
    images: SelfTestImages,
    expected: NDArray[np.float32],
    *,
    margin: float,
    max_drift: float,
) -> SelfTest:
    """Write images and expected probabilities; return what the manifest says of them."""
    (folder / SELF_TEST_FOLDER).mkdir()
    for name, content in images.files.items():
        (folder / name).write_bytes(content)
    np.save(folder / EXPECTED_FILE, expected, allow_pickle=False)
    return SelfTest(
        images=list(images.files),
        pixels_sha256=[digest_of_pixels(image) for image in images.pixels],
        expected_file=EXPECTED_FILE,
        margin=margin,
        max_drift=max_drift,
    )
