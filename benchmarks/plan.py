"""What a run of the benchmarks is to do."""

from dataclasses import dataclass
from pathlib import Path

from shared.artifact_manifest import Precision

#: Said in each row of a quick run.
QUICK_REASON = "quick run: it only shows that the measurement works"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The options; `scratch` is a temporary folder, `results` is kept between runs."""

    scratch: Path
    results: Path
    images_dir: Path | None
    variant: str
    precision: Precision
    pairs: int
    quick: bool

    def scaled(self, full: int, *, quick: int) -> int:
        """Return a count of a full or of a quick run."""
        return quick if self.quick else full

    @property
    def invalid_reasons(self) -> tuple[str, ...]:
        """Why no figure of this run counts, if it is so."""
        return (QUICK_REASON,) if self.quick else ()
