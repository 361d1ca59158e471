"""The speed of a device alone: throughput and latency over batches of noise."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import UsageError
from shared.settings import Settings
from worker.artifact import load_artifact
from worker.devices import open_device
from worker.devices.base import Device, TopK

#: A shorter measurement proves nothing.
LEAST_SECONDS = 2.0
#: Rates of the windows may differ by this share of their median.
MOST_SPREAD = 0.2
_WINDOWS = 5
_LEAST_BATCHES = 4 * _WINDOWS
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkReport:
    """What was measured; `spread` is (fastest - slowest) / median over five equal windows."""

    images: int
    batches: int
    batch_size: int
    seconds: float
    images_per_second: float
    latency_p50_seconds: float
    latency_p90_seconds: float
    latency_p99_seconds: float
    spread: float
    precision_used: str
    invalid_reasons: tuple[str, ...]

    @property
    def is_valid(self) -> bool:
        """Whether the figures may be quoted."""
        return not self.invalid_reasons

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self) | {"valid": self.is_valid}


def benchmark_artifact(
    folder: Path,
    device_name: str,
    settings: Settings,
    *,
    batch_size: int | None = None,
    seconds: float | None = None,
    batches: int | None = None,
    advance: Callable[[], None] = lambda: None,
) -> BenchmarkReport:
    """Open a device with an artifact and measure it; see `measure`.

    Raises:
        UsageError: the artifact or the device is not usable, or the batch is too large for it.
    """
    artifact = load_artifact(folder)
    with closing(open_device(device_name, artifact, settings)) as device:
        images = device.batch_size if batch_size is None else batch_size
        if images > device.batch_size:
            raise UsageError(
                f"-b {images} is more than this artifact takes: it was compiled for batches of "
                f"up to {device.batch_size} (compile --batch)"
            )
        return measure(
            device,
            input_size=artifact.manifest.input_size,
            batch_size=images,
            seconds=seconds,
            batches=batches,
            advance=advance,
        )


def measure(
    device: Device,
    *,
    input_size: int,
    batch_size: int,
    seconds: float | None = None,
    batches: int | None = None,
    advance: Callable[[], None] = lambda: None,
) -> BenchmarkReport:
    """Keep the device full for that many seconds or batches, whichever ends first.

    The first batches, one for each that may be in flight, warm it up and are not counted.
    `advance` is called once a batch.
    """
    noise = np.random.default_rng(_SEED)
    shape = (batch_size, input_size, input_size, 3)
    inputs = [noise.integers(0, 256, shape, dtype=np.uint8) for _ in range(device.depth)]
    for warm_up in [device.submit(batch) for batch in inputs]:
        warm_up.result()
    intervals: list[tuple[float, float]] = []
    futures: list[Future[TopK]] = []
    start = time.perf_counter()
    deadline = start + (seconds if seconds is not None else float("inf"))
    while time.perf_counter() < deadline and (batches is None or len(futures) < batches):
        submitted = time.perf_counter()
        future = device.submit(inputs[len(futures) % len(inputs)])
        future.add_done_callback(partial(_note_end, intervals, submitted))
        futures.append(future)
        advance()
    for future in futures:
        future.result()
    device.submit(inputs[0]).result()  # the callbacks of all before it have run by then
    return summarize(
        intervals, start=start, batch_size=batch_size, precision_used=device.precision_used
    )


def summarize(
    intervals: list[tuple[float, float]], *, start: float, batch_size: int, precision_used: str
) -> BenchmarkReport:
    """Turn (submitted, done) times into a report."""
    ends = np.sort(np.array([end for _, end in intervals])) - start
    latencies = np.array([end - begin for begin, end in intervals])
    total = float(ends[-1])
    p50, p90, p99 = (float(value) for value in np.percentile(latencies, [50, 90, 99]))
    spread = _spread(ends, total=total)
    reasons = []
    if total < LEAST_SECONDS * 0.99:
        reasons.append(f"ran {total:.2f} s, at least {LEAST_SECONDS:.0f} s are needed")
    if len(intervals) < _LEAST_BATCHES:
        reasons.append(f"ran {len(intervals)} batches, at least {_LEAST_BATCHES} are needed")
    if spread > MOST_SPREAD:
        reasons.append(f"unsteady: windows differ by {spread:.0%}, at most {MOST_SPREAD:.0%}")
    return BenchmarkReport(
        images=len(intervals) * batch_size,
        batches=len(intervals),
        batch_size=batch_size,
        seconds=total,
        images_per_second=len(intervals) * batch_size / total,
        latency_p50_seconds=p50,
        latency_p90_seconds=p90,
        latency_p99_seconds=p99,
        spread=spread,
        precision_used=precision_used,
        invalid_reasons=tuple(reasons),
    )


def _spread(ends: "np.ndarray[Any, np.dtype[np.float64]]", *, total: float) -> float:
    """Compare equal numbers of batches, not equal times: few long batches fall unevenly."""
    if len(ends) < _LEAST_BATCHES:
        return 0.0
    marks = np.linspace(0, len(ends), _WINDOWS + 1).astype(int)
    times = np.concatenate([[0.0], ends])[marks]
    rates = np.diff(marks) / np.maximum(np.diff(times), total * 1e-9)
    return float((rates.max() - rates.min()) / np.median(rates))


def _note_end(intervals: list[tuple[float, float]], submitted: float, _: Future[TopK]) -> None:
    intervals.append((submitted, time.perf_counter()))
