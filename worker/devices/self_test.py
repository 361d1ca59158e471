"""The self-test of a device: known images must give the known pixels and the known answers.

A worker runs it before it takes work, compilation runs it as part of its gate.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import ArtifactError
from worker.artifact import Artifact
from worker.devices.base import Device, TopK
from worker.preprocessing.recipes import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A device's answers beside the expected probabilities.

    `largest_drift` is of any probability, `median_drift` the median over images of the largest one
    of each; `compared` counts the images whose expected margin
    between the two best classes exceeds the asked one, `flips` those of them with another top-1.
    """

    images: int
    largest_drift: float
    median_drift: float
    compared: int
    flips: int
    largest_flipped_margin: float


def run_self_test(device: Device, artifact: Artifact, recipe: Recipe) -> Comparison:
    """Run the artifact's self-test images through the recipe and the device.

    Raises:
        ArtifactError: pixels or answers leave the tolerance; the message says by how much.
        DecodeError: a self-test image cannot be decoded here.
        DeviceError: the device failed.
    """
    manifest = artifact.manifest
    if recipe.digest != manifest.recipe.digest:
        raise ArtifactError(
            f"{artifact.folder} was made with another version of the recipe "
            f"'{manifest.recipe.name}': compile it again with this version of Nestor"
        )
    pixels = self_test_pixels(artifact, recipe)
    answers = classify_all(device, pixels)
    test = manifest.self_test
    comparison = compare(answers, artifact.expected_probabilities(), margin=test.margin)
    _judge(comparison, artifact)
    return comparison


def self_test_pixels(artifact: Artifact, recipe: Recipe) -> NDArray[np.uint8]:
    """Decode the self-test images and check that each gives its golden pixels.

    Raises:
        ArtifactError: naming the images whose pixels differ.
    """
    test = artifact.manifest.self_test
    pixels = [recipe.pixels(content) for content in artifact.self_test_images()]
    wrong = [
        name
        for name, image, golden in zip(test.images, pixels, test.pixels_sha256, strict=True)
        if digest_of_pixels(image) != golden
    ]
    if wrong:
        raise ArtifactError(
            f"self-test of {artifact.manifest.name}: {len(wrong)} of {len(pixels)} images decode "
            f"to other pixels on this machine (first {wrong[0]}): install the versions of Pillow "
            "and simplejpeg that Nestor pins, or compile the artifact again"
        )
    return np.stack(pixels)


def classify_all(device: Device, pixels: NDArray[np.uint8]) -> TopK:
    """Run any number of images, in batches of the device's size."""
    step = device.batch_size
    futures = [
        device.submit(np.ascontiguousarray(pixels[start : start + step]))
        for start in range(0, len(pixels), step)
    ]
    return concatenate([future.result() for future in futures])


def concatenate(parts: Sequence[TopK]) -> TopK:
    """Join the answers of batches in their order."""
    return TopK(
        class_indices=np.concatenate([part.class_indices for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
    )


def compare(answers: TopK, expected: NDArray[np.float32], *, margin: float) -> Comparison:
    """Measure answers against expected probabilities, float32 (images, classes)."""
    drifts = _largest_drifts(answers, expected)
    margins = margins_of(expected)
    clear = margins > margin
    flipped = clear & (answers.class_indices[:, 0] != expected.argmax(axis=1))
    return Comparison(
        images=len(expected),
        largest_drift=float(drifts.max()),
        median_drift=float(np.median(drifts)),
        compared=int(clear.sum()),
        flips=int(flipped.sum()),
        largest_flipped_margin=float(margins[flipped].max(initial=0.0)),
    )


def margins_of(expected: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return by how much each image's best class leads the second; 1 where there is one class."""
    if expected.shape[1] < 2:
        return np.ones(len(expected), dtype=np.float32)
    best_two = np.partition(expected, -2, axis=1)[:, -2:]
    margins: NDArray[np.float32] = best_two[:, 1] - best_two[:, 0]
    return margins


def digest_of_pixels(pixels: NDArray[np.uint8]) -> str:
    """Return the sha256 (hex) of pixels in C order."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _largest_drifts(answers: TopK, expected: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each image's largest difference, NaN as 1; classes left out of the top-k count too.

    A class that is not among an image's answers has at most the probability of the last answer.
    """
    given = np.take_along_axis(expected, answers.class_indices.astype(np.intp), axis=1)
    returned_drift = np.abs(answers.probabilities - given)
    left_out = expected.copy()
    np.put_along_axis(left_out, answers.class_indices.astype(np.intp), 0.0, axis=1)
    missed_drift = left_out - answers.probabilities[:, -1:]
    drift = np.concatenate([returned_drift, missed_drift], axis=1)
    largest: NDArray[np.float32] = np.nan_to_num(drift, nan=1.0).max(axis=1)
    return largest


def _judge(comparison: Comparison, artifact: Artifact) -> None:
    test = artifact.manifest.self_test
    prefix = f"self-test of {artifact.manifest.name} failed on this device:"
    if comparison.largest_drift > test.max_drift:
        raise ArtifactError(
            f"{prefix} a probability drifts by {comparison.largest_drift:.4g}, the limit is "
            f"{test.max_drift:.4g}; compile the artifact on this machine or use another device"
        )
    if comparison.flips:
        raise ArtifactError(
            f"{prefix} {comparison.flips} of {comparison.compared} clear images get another "
            f"class (margins up to {comparison.largest_flipped_margin:.4g}, the limit is "
            f"{test.margin:.4g}); compile the artifact on this machine or use another device"
        )
