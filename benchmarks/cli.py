"""`python -m benchmarks`: the table of DESIGN's "Speed" with this machine's figures."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.corpus import ROOT, Corpus, open_corpus
from benchmarks.demo import demo_rows
from benchmarks.machine import describe_machine
from benchmarks.plan import Plan
from benchmarks.recovery import kill_rows, redis_rows
from benchmarks.report import markdown_heading, markdown_table, write_report
from benchmarks.row import Row
from benchmarks.statistics import LEAST_PAIRS
from benchmarks.store import store_rows
from benchmarks.throughput import host_pipeline_rows, whole_system_rows
from shared.artifact_manifest import Precision
from shared.errors import NestorError


def soak_rows(_: Plan, __: Corpus) -> list[Row]:
    """Name the figures of the million-image job: `make soak` measures and judges them."""
    figures = (
        ("memory", "growth of memory, 30 % to 90 % of a 1M-image job", 20.0, 5.0),
        ("redis-memory", "Redis over empty during it", 10.0, 5.0),
    )
    return [
        Row(
            key=key, figure=figure, unit="MB", value=None, floor=floor, goal=goal,
            remark="`make soak`",
        )
        for key, figure, floor, goal in figures
    ]  # fmt: skip


GROUPS: dict[str, Callable[[Plan, Corpus], list[Row]]] = {
    "whole-system": whole_system_rows,
    "host-pipeline": host_pipeline_rows,
    "kill": lambda plan, _: kill_rows(plan),
    "redis": lambda plan, _: redis_rows(plan),
    "demo": lambda plan, _: demo_rows(plan),
    "store": lambda plan, _: store_rows(plan),
    "soak": soak_rows,
}
#: Left out of a quick run unless named: it starts everything twice.
_NOT_QUICK = frozenset({"demo"})


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--images",
    "images_dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Measure throughput on the images of this folder.",
)
@click.option("--pairs", default=LEAST_PAIRS, show_default=True, help="Rounds against each rival.")
@click.option("--quick", is_flag=True, help="Show that everything runs; no figure counts.")
@click.option("--only", multiple=True, type=click.Choice(list(GROUPS)), help="Only these rows.")
@click.option("--variant", help="The network; resnest50 (quick: resnest_tiny).")
@click.option(
    "--precision", type=click.Choice(["fp32", "fp16", "int8"]), help="int8 (quick: fp32)."
)
@click.option(
    "--results",
    default=ROOT / "bench-results",
    show_default="bench-results",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where reports and compiled networks are kept.",
)
def main(
    images_dir: Path | None,
    pairs: int,
    quick: bool,
    only: tuple[str, ...],
    variant: str | None,
    precision: Precision | None,
    results: Path,
) -> None:
    """Measure Nestor against its rivals and its floors.

    Exits 1 if a valid figure misses its floor. The machine should do nothing else meanwhile.
    Example: python -m benchmarks --only whole-system --images photos/
    """
    with tempfile.TemporaryDirectory(prefix="nestor-bench-") as scratch:
        plan = Plan(
            scratch=Path(scratch),
            results=results.resolve(),
            images_dir=images_dir,
            variant=variant or ("resnest_tiny" if quick else "resnest50"),
            precision=precision or ("fp32" if quick else "int8"),
            pairs=1 if quick else pairs,
            quick=quick,
        )
        names = only or [name for name in GROUPS if not (quick and name in _NOT_QUICK)]
        try:
            rows = run(plan, names)
        except (NestorError, OSError, RuntimeError) as error:
            raise click.ClickException(str(error)) from error
    sys.exit(any(row.is_below_floor for row in rows))


def run(plan: Plan, names: list[str] | tuple[str, ...]) -> list[Row]:
    """Measure the groups, print the table and write the report."""
    machine = describe_machine()
    corpus = open_corpus(plan.images_dir, cache=plan.results / "corpus", quick=plan.quick)
    setting = f"{plan.variant} {plan.precision}, random weights; {corpus.description}"
    print(f"{markdown_heading(machine, setting)}\n", flush=True)
    rows: list[Row] = []
    for name in names:
        print(f"{name}:", flush=True)
        rows += GROUPS[name](plan, corpus)
    json_path, markdown_path = write_report(plan.results, machine, setting, rows)
    print(f"\n{markdown_table(rows)}\n\nwritten: {json_path}, {markdown_path}", flush=True)
    return rows
