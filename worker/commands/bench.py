"""`nestor-worker bench`: the speed of one device with one artifact, and nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shared.command_line import print_json

if TYPE_CHECKING:
    from worker.devices.benchmark import BenchmarkReport

_DEFAULT_SECONDS = 5.0


@click.command()
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--device", default="cpu:0", show_default=True)
@click.option(
    "-i", "--iterations", type=click.IntRange(min=1), help="Stop after that many batches."
)
@click.option(
    "-b", "--batch", type=click.IntRange(min=1), help="Images a batch; the artifact's own size."
)
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), help="How long; 5 without -i."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def bench(
    artifact: Path,
    device: str,
    iterations: int | None,
    batch: int | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    r"""Measure throughput and latency of DEVICE with ARTIFACT, fed with noise.

    \b
    nestor-worker bench artifacts/resnest50-int8 --device cpu:0 --seconds 10
    """
    from shared.settings import read_settings
    from worker.devices.benchmark import benchmark_artifact
    from worker.progress import ProgressBars

    if iterations is None and seconds is None:
        seconds = _DEFAULT_SECONDS
    with ProgressBars().step("measuring", total=iterations) as advance:
        report = benchmark_artifact(
            artifact,
            device,
            read_settings(),
            batch_size=batch,
            seconds=seconds,
            batches=iterations,
            advance=advance,
        )
    if as_json:
        print_json({"artifact": str(artifact), "device": device} | report.as_dict())
    else:
        click.echo("\n".join(_lines(report)))
    if not report.is_valid:
        raise SystemExit(1)


def _lines(report: "BenchmarkReport") -> list[str]:
    latencies = (
        report.latency_p50_seconds,
        report.latency_p90_seconds,
        report.latency_p99_seconds,
    )
    p50, p90, p99 = (f"{value * 1000:.1f}" for value in latencies)
    verdict = "VALID" if report.is_valid else f"INVALID: {'; '.join(report.invalid_reasons)}"
    return [
        f"{report.images_per_second:,.1f} images/s  ({report.images:,} images in "
        f"{report.seconds:.2f} s, batches of {report.batch_size})",
        f"latency of a batch with the device full: p50 {p50}  p90 {p90}  p99 {p99} ms",
        f"precision {report.precision_used}",
        verdict,
    ]
