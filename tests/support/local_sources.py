"""Sources of every kind that lies on this machine, with the same images in each."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from producer.sources import open_source
from producer.sources.base import Source
from producer.sources.options import SourceOptions
from shared.settings import Settings

NAMES = [f"class {number % 3}/image {number:02}.jpg" for number in range(23)]


def opened(spec: Path | str, spool_dir: Path, **options: Any) -> Source:
    """Open a source of this machine, with options by name."""
    standard_input = options.pop("standard_input", None)
    return open_source(
        str(spec),
        settings=Settings(),
        options=SourceOptions(**options),
        spool_dir=spool_dir,
        standard_input=standard_input,
    )


def write_folder(root: Path) -> Path:
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def write_list(path: Path) -> Path:
    """Write the list that a suffix says: `.txt .csv .tsv .jsonl .parquet`, perhaps `.gz`."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    if plain.suffix == ".parquet":
        table = pa.table({"path": NAMES, "number": range(len(NAMES))})
        pq.write_table(table, path, row_group_size=7)
        return path
    data = list_text(plain.suffix).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def list_text(suffix: str) -> str:
    if suffix == ".txt":
        return "\n".join(NAMES)
    if suffix == ".jsonl":
        return "".join(json.dumps({"path": name}) + "\n" for name in NAMES)
    text = io.StringIO()
    writer = csv.writer(text, delimiter="," if suffix == ".csv" else "\t")
    writer.writerow(["path", "number"])
    writer.writerows([name, number] for number, name in enumerate(NAMES))
    return text.getvalue()
