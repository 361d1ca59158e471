"""The table: Markdown for people and the README, JSON for comparison between runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.row import Row

_HEADINGS = ("figure", "measured", "floor", "goal", "verdict", "how")


def markdown_table(rows: Sequence[Row]) -> str:
    """Return the table, one line a row."""
    lines = [_line(_HEADINGS), _line(["---"] * len(_HEADINGS))]
    for row in rows:
        how = "; ".join(part for part in (row.remark, *row.invalid_reasons) if part)
        lines.append(
            _line(
                (
                    row.figure,
                    row.show(row.value),
                    row.show(row.floor),
                    row.show(row.goal),
                    row.verdict,
                    how,
                )
            )
        )
    return "\n".join(lines)


def markdown_heading(machine: Mapping[str, Any], setting: str) -> str:
    """Return the sentences above the table."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    load = machine["load_average"][0]
    return (
        f"Measured {machine['date']} on {machine['cores']} cores ({machine['processor']}), "
        f"{machine['memory_gib']} GiB, load {load} before the start; commit {machine['commit']}; "
        f"{setting}; {versions}."
    )


def write_report(
    folder: Path, machine: Mapping[str, Any], setting: str, rows: Sequence[Row]
) -> tuple[Path, Path]:
    """Write `<date>.json` and `<date>.md`; return both."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = str(machine["date"]).replace(":", "").replace("+0000", "")
    json_path, markdown_path = folder / f"{stem}.json", folder / f"{stem}.md"
    document = {
        "machine": dict(machine),
        "setting": setting,
        "rows": [asdict(row) | {"verdict": row.verdict} for row in rows],
    }
    json_path.write_text(json.dumps(document, indent=1) + "\n")
    markdown_path.write_text(f"{markdown_heading(machine, setting)}\n\n{markdown_table(rows)}\n")
    return json_path, markdown_path


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
