"""What the commands print with."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

#: Where no terminal says how wide it is, nothing is cut.
PIPE_WIDTH = 240

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object as the last line."
)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their columns, without lines around them."""
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(table)


def number(value: float | None) -> str:
    """Return a whole number with its thousands apart; `?` where it is not known."""
    return "?" if value is None else f"{value:,.0f}"


def exit_unless_good(status: Mapping[str, Any]) -> None:
    """Exit with 1 unless the job was completed."""
    if status["state"] not in {"completed", "completed_with_errors"}:
        raise SystemExit(1)
