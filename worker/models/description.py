"""What `nestor-worker info` says of a variant: counted figures beside published ones."""

from dataclasses import asdict, dataclass

from shared.errors import MissingExtra, UsageError
from worker.models.variants import Variant, find_variant

_CLASSES = 1000
_LARGEST_INPUT_SIZE = 4096
"""Beyond this nothing was ever run; a typing error is likelier than a wish."""
_SEED_DECIMALS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPageComparison:
    """The seed page's figures at the native size, and ours by its own formula."""

    params_millions: float
    flops_giga: float
    our_params_millions: float
    our_flops_giga: float
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A variant with 1,000 classes at one input size; what was never published is None."""

    variant: str
    blocks: tuple[int, int, int, int]
    classes: int
    input_size: int
    native_input_size: int
    parameters: int
    multiply_adds: int
    thop_operations: int
    top1_percent: float | None
    top1_publisher: str | None
    weights_file: str | None
    weights_sha256_prefix: str | None
    weights_urls: tuple[str, ...]
    seed_page: SeedPageComparison | None

    def as_dict(self) -> dict[str, object]:
        """Return plain values, for JSON."""
        return asdict(self)


def describe(variant: str, input_size: int | None = None) -> Description:
    """Count the variant at `input_size` (its native one by default).

    Raises:
        UsageError: if there is no such variant, or the size is out of range.
        MissingExtra: if torch is not installed.
    """
    known = find_variant(variant)
    size = known.native_input_size if input_size is None else input_size
    if not 1 <= size <= _LARGEST_INPUT_SIZE:
        raise UsageError(f"input size {size} is out of range: give 1 to {_LARGEST_INPUT_SIZE}")
    try:
        from worker.models.complexity import count
    except ModuleNotFoundError as error:
        raise MissingExtra(extra="compile", purpose="counting a network") from error
    complexity = count(variant, classes=_CLASSES, input_size=size)
    native = complexity
    if size != known.native_input_size:
        native = count(variant, classes=_CLASSES, input_size=known.native_input_size)
    weights, accuracy = known.weights, known.accuracy
    return Description(
        variant=variant,
        blocks=known.shape.blocks,
        classes=_CLASSES,
        input_size=size,
        native_input_size=known.native_input_size,
        parameters=complexity.parameters,
        multiply_adds=complexity.multiply_adds,
        thop_operations=complexity.thop_operations,
        top1_percent=accuracy.top1_percent if accuracy else None,
        top1_publisher=accuracy.publisher if accuracy else None,
        weights_file=weights.file_name if weights else None,
        weights_sha256_prefix=weights.sha256_prefix if weights else None,
        weights_urls=weights.urls if weights else (),
        seed_page=_compare(known, native.parameters, native.seed_page_flops_giga),
    )


def render(description: Description) -> list[str]:
    """Return the description as lines for a terminal."""
    d = description
    lines = [
        f"{d.variant}: blocks {', '.join(map(str, d.blocks))}; {d.classes} classes",
        f"input size      {d.input_size} (native {d.native_input_size})",
        f"parameters      {d.parameters:,} ({d.parameters * 4 / 1e6:.1f} MB in fp32)",
        f"multiply-adds   {d.multiply_adds:,} ({d.multiply_adds / 1e9:.3f} G;"
        " convolutions and linear layers)",
    ]
    if d.top1_percent is None:
        lines.append("published top-1 none")
    else:
        lines.append(
            f"published top-1 {d.top1_percent:.2f} % on ImageNet at {d.native_input_size}"
            f" ({d.top1_publisher})"
        )
    lines.append(
        f"weights         {d.weights_file or 'none published: give a file or random:SEED'}"
    )
    lines.extend(f"                {url}" for url in d.weights_urls)
    return lines + _render_seed_page(d)


def _compare(variant: Variant, parameters: int, our_flops_giga: float) -> SeedPageComparison | None:
    page = variant.seed_page
    if page is None:
        return None
    ours = round(our_flops_giga, _SEED_DECIMALS)
    return SeedPageComparison(
        params_millions=page.params_millions,
        flops_giga=page.flops_giga,
        our_params_millions=round(parameters / 1e6, _SEED_DECIMALS),
        our_flops_giga=ours,
        note=_note(page.flops_giga, ours),
    )


def _note(theirs: float, ours: float) -> str:
    if theirs == ours:
        return "the formula gives the page's figure"
    if sorted(f"{theirs:.3f}") == sorted(f"{ours:.3f}"):
        return f"the page has two digits of {ours:.3f} transposed"
    return f"the page differs from its own formula by {theirs - ours:+.3f}"


def _render_seed_page(description: Description) -> list[str]:
    page = description.seed_page
    if page is None:
        return ["seed page       does not list it"]
    return [
        f"seed page       at {description.native_input_size}:    theirs      ours",
        f"  params(M)   {page.params_millions:13.3f} {page.our_params_millions:9.3f}",
        f"  flops(G)    {page.flops_giga:13.3f} {page.our_flops_giga:9.3f}   {page.note}",
        "  flops(G) there is thop's count x 2 / 0.9e9 (thop: multiply-adds + 4 x batch norm inputs"
        " + average pool outputs): neither FLOPs nor multiply-adds",
    ]
