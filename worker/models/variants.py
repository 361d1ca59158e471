"""The seven variants of ResNeSt: their shapes, and what was published about each.

`shape` is all that decides the network; everything else is for `nestor-worker info`, for the
weights and for the default input size.
"""

from dataclasses import dataclass

from shared.errors import UsageError

_UPSTREAM = "https://github.com/zhanghang1989/ResNeSt/releases/download/weights_step1"
_TIMM_RELEASES = "https://github.com/rwightman/pytorch-image-models/releases/download"
_OFFICIAL_MIRROR = f"{_TIMM_RELEASES}/v0.1-resnest"
_TIMM_GLUON = f"{_TIMM_RELEASES}/v0.1-weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkShape:
    """What decides the network: blocks and planes of the four stages, and the stem's width."""

    blocks: tuple[int, int, int, int]
    planes: tuple[int, int, int, int] = (64, 128, 256, 512)
    stem_width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedWeights:
    """A published state dict: its file, the first digits of its sha256, and where it lies."""

    file_name: str
    sha256_prefix: str
    base_urls: tuple[str, ...]

    @property
    def urls(self) -> tuple[str, ...]:
        """The full addresses, in the order in which they are tried."""
        return tuple(f"{base}/{self.file_name}" for base in self.base_urls)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedAccuracy:
    """ImageNet top-1 in percent at the native input size, and who published it."""

    top1_percent: float
    publisher: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPageFigures:
    """The columns "params(M)" and "flops(G)" of the page that Nestor's issue started from."""

    params_millions: float
    flops_giga: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One named ResNeSt; what was never published is None."""

    name: str
    shape: NetworkShape
    native_input_size: int
    weights: PublishedWeights | None = None
    accuracy: PublishedAccuracy | None = None
    seed_page: SeedPageFigures | None = None


def _official(
    name: str,
    shape: NetworkShape,
    *,
    size: int,
    sha256: str,
    top1: float,
    seed: tuple[float, float],
) -> Variant:
    return Variant(
        name=name,
        shape=shape,
        native_input_size=size,
        weights=PublishedWeights(
            file_name=f"{name}-{sha256}.pth",
            sha256_prefix=sha256,
            base_urls=(_UPSTREAM, _OFFICIAL_MIRROR),
        ),
        accuracy=PublishedAccuracy(top1_percent=top1, publisher="official PyTorch README"),
        seed_page=SeedPageFigures(params_millions=seed[0], flops_giga=seed[1]),
    )


def _timm(name: str, shape: NetworkShape, *, gluon_name: str, sha256: str, top1: float) -> Variant:
    return Variant(
        name=name,
        shape=shape,
        native_input_size=224,
        weights=PublishedWeights(
            file_name=f"{gluon_name}-{sha256}.pth", sha256_prefix=sha256, base_urls=(_TIMM_GLUON,)
        ),
        accuracy=PublishedAccuracy(top1_percent=top1, publisher="timm's own evaluation"),
    )


_TABLE = (
    _official(
        "resnest50",
        NetworkShape(blocks=(3, 4, 6, 3), stem_width=32),
        size=224,
        sha256="528c19ca",
        top1=81.03,
        seed=(27.483, 12.065),
    ),
    _official(
        "resnest101",
        NetworkShape(blocks=(3, 4, 23, 3), stem_width=64),
        size=256,
        sha256="22405ba7",
        top1=82.83,
        seed=(48.275, 29.861),
    ),
    _official(
        "resnest200",
        NetworkShape(blocks=(3, 24, 36, 3), stem_width=64),
        size=320,
        sha256="75117900",
        top1=83.84,
        seed=(70.202, 79.762),
    ),
    _official(
        "resnest269",
        NetworkShape(blocks=(3, 30, 48, 8), stem_width=64),
        size=416,
        sha256="0cc87c48",
        top1=84.54,
        seed=(110.929, 173.421),
    ),
    _timm(
        "resnest14d",
        NetworkShape(blocks=(1, 1, 1, 1), stem_width=32),
        gluon_name="gluon_resnest14",
        sha256="9c8fe254",
        top1=75.51,
    ),
    _timm(
        "resnest26d",
        NetworkShape(blocks=(2, 2, 2, 2), stem_width=32),
        gluon_name="gluon_resnest26",
        sha256="50eb607c",
        top1=78.48,
    ),
    Variant(
        name="resnest_tiny",
        shape=NetworkShape(blocks=(1, 1, 1, 1), planes=(16, 32, 64, 96), stem_width=16),
        native_input_size=64,
    ),
)

VARIANTS: dict[str, Variant] = {variant.name: variant for variant in _TABLE}


def find_variant(name: str) -> Variant:
    """Return the variant of that name.

    Raises:
        UsageError: if there is none; the message lists those there are.
    """
    try:
        return VARIANTS[name]
    except KeyError as error:
        known = ", ".join(VARIANTS)
        raise UsageError(f"there is no variant {name!r}: choose one of {known}") from error
