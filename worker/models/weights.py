"""The weights of a network: published ones, those of a file, or random ones from a seed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from shared.artifact_manifest import WeightsOrigin
from shared.errors import WeightsError
from worker.models.random_weights import build_random, digest_of_tensors
from worker.models.resnest import ResNeSt, build
from worker.models.state_dict_file import StateDictFile, read_state_dict
from worker.models.variants import VARIANTS, PublishedWeights, find_variant
from worker.models.weights_download import Progress, cached_weights

OFFICIAL = "official"
RANDOM_PREFIX = "random:"
PUBLISHED_CLASSES = 1000
_LARGEST_SEED = 2**63 - 1
_UNUSED_IN_INFERENCE = ".num_batches_tracked"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedWeights:
    """A network in evaluation mode that carries the weights, and where those come from."""

    model: ResNeSt
    origin: WeightsOrigin


def load_weights(
    spec: str,
    variant: str,
    classes: int,
    *,
    cache_dir: Path,
    progress: Progress | None = None,
    base_urls: tuple[str, ...] | None = None,
) -> LoadedWeights:
    """Build the variant and load what `spec` names.

    Args:
        spec: `official`, the path of a `.pth` or `.safetensors` file, or `random:SEED`.
        variant: the variant's name.
        classes: how many classes the network tells apart.
        cache_dir: where downloaded weights are kept.
        progress: is told how far a download is.
        base_urls: where to look for published weights, instead of the published addresses.

    Raises:
        UsageError: if there is no such variant.
        WeightsError: in one line, what is wrong with the weights and what to do.
    """
    published = find_variant(variant).weights
    if spec.startswith(RANDOM_PREFIX):
        return _random(variant, classes, seed=_seed_of(spec))
    if spec == OFFICIAL:
        published = _require_published(published, variant, classes)
        path = cached_weights(published, cache_dir, base_urls=base_urls, progress=progress)
        file = read_state_dict(path, sha256_prefix=published.sha256_prefix)
        return _loaded(file, variant, classes, path=path, kind="official")
    path = Path(spec).expanduser()
    return _loaded(read_state_dict(path), variant, classes, path=path, kind="file")


def _seed_of(spec: str) -> int:
    text = spec.removeprefix(RANDOM_PREFIX)
    if not (text.isascii() and text.isdecimal()) or int(text) > _LARGEST_SEED:
        raise WeightsError(f"{spec!r} names no seed: write random: and a whole number from 0 on")
    return int(text)


def _random(variant: str, classes: int, *, seed: int) -> LoadedWeights:
    model = build_random(variant, classes=classes, seed=seed)
    origin = WeightsOrigin(kind="random", sha256=digest_of_tensors(model), seed=seed)
    return LoadedWeights(model=model, origin=origin)


def _require_published(
    published: PublishedWeights | None, variant: str, classes: int
) -> PublishedWeights:
    if published is None:
        others = ", ".join(name for name, known in VARIANTS.items() if known.weights)
        raise WeightsError(
            f"{variant} has no official weights (only {others} have):"
            " give a .pth or .safetensors file, or random:SEED"
        )
    if classes != PUBLISHED_CLASSES:
        raise WeightsError(
            f"official weights know the {PUBLISHED_CLASSES} classes of ImageNet, not {classes}:"
            " leave the classes out, or give a file that was trained on yours"
        )
    return published


def _loaded(
    file: StateDictFile,
    variant: str,
    classes: int,
    *,
    path: Path,
    kind: Literal["official", "file"],
) -> LoadedWeights:
    with torch.device("meta"):
        model = build(variant, classes=classes)
    tensors = _completed(file.tensors, model.state_dict())
    _check_fit(tensors, model.state_dict(), path=path, variant=variant)
    owned = {key: tensors[key].to(wanted.dtype) for key, wanted in model.state_dict().items()}
    model.load_state_dict(owned, strict=True, assign=True)
    return LoadedWeights(model=model, origin=WeightsOrigin(kind=kind, sha256=file.sha256))


def _completed(tensors: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add the batch counters that old or pruned files leave out; inference never reads them."""
    counters = {key for key in wanted if key.endswith(_UNUSED_IN_INFERENCE)}
    return {key: torch.tensor(0) for key in counters} | tensors


def _check_fit(
    tensors: dict[str, Tensor], wanted: dict[str, Tensor], *, path: Path, variant: str
) -> None:
    missing = [key for key in wanted if key not in tensors]
    unexpected = [key for key in tensors if key not in wanted]
    if missing or unexpected:
        told = [
            f"{len(keys)} {what}, such as {keys[0]}"
            for what, keys in (("missing", missing), ("unexpected", unexpected))
            if keys
        ]
        raise WeightsError(
            f"{path} is not of a {variant}: {'; '.join(told)}; name the variant it was made for"
        )
    for key, tensor in tensors.items():
        _check_tensor(key, tensor, wanted[key], path=path, variant=variant)


def _check_tensor(key: str, tensor: Tensor, wanted: Tensor, *, path: Path, variant: str) -> None:
    if key == "fc.weight" and tensor.ndim == 2 and tensor.shape[1] == wanted.shape[1]:
        _check_classes(tensor.shape[0], wanted.shape[0], path=path)
    if tensor.shape != wanted.shape:
        raise WeightsError(
            f"{path} is not of a {variant}: {key} has the shape {tuple(tensor.shape)}, not"
            f" {tuple(wanted.shape)}; name the variant it was made for"
        )
    if not bool(torch.isfinite(tensor).all()):
        raise WeightsError(f"{path} is unfit: {key} holds NaN or infinity; take another checkpoint")


def _check_classes(found: int, asked: int, *, path: Path) -> None:
    if found != asked:
        raise WeightsError(
            f"{path} knows {found} classes, but {asked} were asked for:"
            " give the class list that it was trained with"
        )
