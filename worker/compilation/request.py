"""What to compile: checked before anything long begins."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shared.artifact_manifest import ClassName, Precision
from shared.errors import CompileError
from shared.imagenet_classes import imagenet_classes

DeviceKind = Literal["cpu", "cuda", "torch-cpu"]

#: What each back-end can compile to. torch's fp16 and int8 convolutions on processors are slower
#: than its fp32 ones, and OpenVINO has both: torch-cpu is fp32 only.
PRECISIONS: dict[str, tuple[str, ...]] = {
    "cpu": ("fp32", "fp16", "int8"),
    "cuda": ("fp32", "fp16"),
    "torch-cpu": ("fp32",),
}
#: The largest batch, unless asked: on processors longer ones gain nothing.
DEFAULT_BATCH_SIZES = {"cpu": 8, "cuda": 32, "torch-cpu": 8}
DEFAULT_CALIBRATION_COUNT = 300
#: How long the finished graph is measured for the manifest's rate.
DEFAULT_BENCHMARK_SECONDS = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileRequest:
    """One compilation; None stands for the variant's or the back-end's own choice."""

    variant: str
    device_kind: DeviceKind
    precision: Precision
    weights: str
    destination: Path
    weights_cache: Path
    classes_file: Path | None = None
    input_size: int | None = None
    recipe: str = "exact"
    calibration: str | None = None
    calibration_count: int = DEFAULT_CALIBRATION_COUNT
    batch_size: int | None = None
    ahead_of_time: bool = True
    benchmark_seconds: float = DEFAULT_BENCHMARK_SECONDS
    name: str | None = None

    def check(self) -> None:
        """Refuse what cannot be compiled.

        Raises:
            CompileError: saying what to ask for instead.
        """
        offered = PRECISIONS[self.device_kind]
        if self.precision not in offered:
            raise CompileError(
                f"{self.device_kind} is compiled in {' or '.join(offered)}, not {self.precision}"
                + ("; --device cpu has all three" if self.device_kind == "torch-cpu" else "")
            )
        if self.precision == "int8" and self.calibration is None:
            raise CompileError(
                "int8 needs images to calibrate with: pass --calibration with a folder of images "
                "or a text list of their paths"
            )
        if self.calibration_count < 1:
            raise CompileError("--calibration-count must be at least 1")
        if self.batch_size is not None and not 1 <= self.batch_size <= 1024:
            raise CompileError("--batch must be 1 to 1024")

    @property
    def largest_batch(self) -> int:
        """The most images of one batch."""
        return self.batch_size or DEFAULT_BATCH_SIZES[self.device_kind]


def read_classes(path: Path | None) -> list[ClassName]:
    """Read one class a line in index order: its id, then optionally a tab and its name.

    Without a file they are ImageNet's 1,000.

    Raises:
        CompileError: naming the line that is empty or repeats an id.
    """
    if path is None:
        return imagenet_classes()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CompileError(f"--classes {path} cannot be read as text: {error}") from error
    classes: list[ClassName] = []
    lines_of_ids: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        class_id, _, name = (part.strip() for part in line.partition("\t"))
        if not class_id:
            raise CompileError(f"--classes {path}, line {number}: there is no class id")
        if class_id in lines_of_ids:
            raise CompileError(
                f"--classes {path}, line {number}: the id {class_id} is also that of line "
                f"{lines_of_ids[class_id]}"
            )
        lines_of_ids[class_id] = number
        classes.append(ClassName(id=class_id, name=name or class_id))
    if not classes:
        raise CompileError(f"--classes {path} is empty: write one class a line")
    return classes
