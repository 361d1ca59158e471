"""Classifying a few images in this process: fetch, recipe, device, without broker or store."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from shared.artifact_manifest import ClassName
from shared.errors import ImageError, UsageError
from shared.settings import Settings
from worker.artifact import load_artifact
from worker.devices import Device, TopK, open_device
from worker.devices.self_test import run_self_test
from worker.fetching import Fetcher, open_fetcher
from worker.preprocessing.recipes import Recipe, open_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedClass:
    """One of an image's likeliest classes."""

    class_index: int
    class_id: str
    name: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one image got: classes, best first, or the reason why there are none."""

    uri: str
    reason: str | None = None
    topk: tuple[RankedClass, ...] = ()

    @property
    def status(self) -> str:
        """`predicted` or `failed`, as in the results of a job."""
        return "predicted" if self.reason is None else "failed"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        fields = asdict(self)
        return {"uri": self.uri, "status": self.status, "reason": self.reason} | fields


def classify_images(
    places: Sequence[str],
    *,
    artifact_folder: Path,
    device_name: str,
    topk: int,
    settings: Settings,
) -> Iterator[Answer]:
    """Give each image's answer, in order; a bad image is an answer too.

    Raises:
        UsageError: nothing to classify, or the artifact or device is not usable.
        DeviceError: the device failed.
    """
    uris = list(list_images(places))
    artifact = load_artifact(artifact_folder)
    manifest = artifact.manifest
    recipe = open_recipe(
        manifest.recipe.name, manifest.input_size, max_image_pixels=settings.max_image_pixels
    )
    with (
        closing(open_fetcher(settings)) as fetcher,
        closing(open_device(device_name, artifact, settings)) as device,
    ):
        run_self_test(device, artifact, recipe)
        remaining = iter(uris)
        while batch := list(islice(remaining, device.batch_size)):
            yield from _classify_batch(
                batch, fetcher, recipe, device, classes=manifest.classes, topk=topk
            )


def list_images(places: Sequence[str]) -> Iterator[str]:
    """Give addresses as they are, files as absolute paths, folders as the files below them.

    Raises:
        UsageError: a folder holds no file.
    """
    for place in places:
        if "://" in place:
            yield place
        elif Path(place).is_dir():
            found = sorted(
                str(Path(parent, name).absolute())
                for parent, _, names in os.walk(place)
                for name in names
            )
            if not found:
                raise UsageError(f"the folder {place} holds no files")
            yield from found
        else:
            yield str(Path(place).absolute())


def _classify_batch(
    uris: Sequence[str],
    fetcher: Fetcher,
    recipe: Recipe,
    device: Device,
    *,
    classes: Sequence[ClassName],
    topk: int,
) -> Iterator[Answer]:
    reasons: list[str | None] = []
    pixels = []
    for uri in uris:
        try:
            pixels.append(recipe.pixels(fetcher.fetch(uri)))
            reasons.append(None)
        except ImageError as error:
            reasons.append(error.reason)
    answers: Iterator[tuple[RankedClass, ...]] = iter(())
    if pixels:
        answers = _rank(device.submit(np.stack(pixels)).result(), classes=classes, topk=topk)
    for uri, reason in zip(uris, reasons, strict=True):
        ranked = next(answers) if reason is None else ()
        yield Answer(uri=uri, reason=reason, topk=ranked)


def _rank(
    best: TopK, *, classes: Sequence[ClassName], topk: int
) -> Iterator[tuple[RankedClass, ...]]:
    for indices, probabilities in zip(best.class_indices, best.probabilities, strict=True):
        yield tuple(
            RankedClass(
                class_index=int(index),
                class_id=classes[index].id,
                name=classes[index].name,
                probability=float(probability),
            )
            for index, probability in zip(indices[:topk], probabilities[:topk], strict=True)
        )
