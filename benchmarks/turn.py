"""What one side did in its turn of a round."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A timed number of images; `wall_seconds` counts from the submission, where there is one."""

    images: int
    seconds: float
    best_classes: tuple[int, ...]
    wall_seconds: float | None = None

    @property
    def images_per_second(self) -> float:
        """The rate."""
        return self.images / self.seconds
