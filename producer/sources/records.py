"""Finds the columns of a table of images and makes an item of each of its rows."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from producer.sources.base import SourceItem
from producer.sources.options import SourceOptions
from producer.sources.uris import absolute_uri, checked_text
from shared.errors import BadReference, SourceError
from shared.image_reference import MAX_EXTRA_BYTES

#: Longer ids are refused: they are keys in SQL.
MAX_ID_BYTES = 1024
#: Longer class texts are refused: no class is named so.
MAX_LABEL_BYTES = 1024
#: This much of an unusable line is kept as its URI, to show what it was.
_SHOWN_CHARACTERS = 200

URI_NAMES = (
    "uri", "url", "image_uri", "image_url", "path", "image_path", "file_path", "filepath",
    "file", "filename", "file_name", "image", "img", "src",
)  # fmt: skip
ID_NAMES = ("id", "image_id")
LABEL_NAMES = ("label", "class", "class_id", "class_name", "target", "category")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column is what; all the others, and a label column that was guessed, are extra."""

    uri: str
    id: str | None
    label: str | None
    extra: tuple[str, ...]


def find_columns(
    names: Sequence[str], *, options: SourceOptions, where: str, may_miss: bool = False
) -> Columns:
    """Choose the columns by the options, else by their usual names.

    With `may_miss`, a column that was asked for need not be there (JSON lines differ).

    Raises:
        SourceError: if one is missing or named twice; it says which columns there are.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(f"{where} has two columns '{twice[0][:60]}': rename one")
    choose = partial(_column, names, where=where, may_miss=may_miss)
    uri = choose(options.uri_column, usual=URI_NAMES)
    if uri is None:
        raise SourceError(
            f"{where} has no column of URIs or paths (it has {_listed(names)}): name it with "
            "the uri column option"
        )
    id_ = choose(options.id_column, usual=ID_NAMES)
    label = choose(options.label_column, usual=LABEL_NAMES)
    used = {uri, id_} | ({label} if options.label_column is not None else set())
    extra = tuple(name for name in names if name not in used)
    return Columns(uri=uri, id=id_, label=label, extra=extra)


def item_of_row(
    values: Mapping[str, Any], *, columns: Columns, base: str, line: int
) -> tuple[SourceItem, int]:
    """Make an item of one row, and say about how many bytes it takes.

    Raises:
        BadReference: saying why the row is no reference.
    """
    uri = absolute_uri(_required_text(values.get(columns.uri), columns.uri), base=base)
    id_ = _optional_text(values, columns.id, max_bytes=MAX_ID_BYTES)
    label = _optional_text(values, columns.label, max_bytes=MAX_LABEL_BYTES)
    extra = {
        name: plain for name in columns.extra if (plain := _plain(values.get(name))) is not None
    }
    extra_bytes = _checked_extra(extra) if extra else 0
    item = SourceItem(uri=uri, id=id_, label=label, extra=extra or None, line=line)
    return item, len(uri) + extra_bytes


def problem_item(raw: bytes | str, error: BadReference, *, line: int | None) -> SourceItem:
    """Make the item of a line that is no reference: what was there, and why it cannot be used."""
    data = raw if isinstance(raw, bytes) else raw.encode(errors="backslashreplace")
    text = data[: 4 * _SHOWN_CHARACTERS].decode(errors="backslashreplace").replace("\0", "\\0")
    return SourceItem(uri=text.strip()[:_SHOWN_CHARACTERS], problem=str(error), line=line)


def _column(
    names: Sequence[str], asked: str | None, *, usual: Sequence[str], where: str, may_miss: bool
) -> str | None:
    if asked is not None:
        if asked not in names and not may_miss:
            raise SourceError(f"{where} has no column '{asked}'; it has {_listed(names)}")
        return asked
    by_folded = {name.strip().casefold(): name for name in reversed(names)}
    return next((by_folded[name] for name in usual if name in by_folded), None)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:60]) for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "") if names else "none"


def _required_text(value: Any, name: str) -> str:
    if value is None:
        raise BadReference(f"it has no '{name}'")
    if not isinstance(value, str):
        raise BadReference(f"its '{name}' is no text")
    return value.strip(" \t\r\n")


def _optional_text(values: Mapping[str, Any], name: str | None, *, max_bytes: int) -> str | None:
    value = values.get(name) if name is not None else None
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadReference(f"its '{name}' is neither text nor a number")
    return checked_text(str(value), what=f"its '{name}'", max_bytes=max_bytes)


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: NaN is nothing, dates and decimals are text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value)


def _checked_extra(extra: Mapping[str, Any]) -> int:
    text = json.dumps(extra, ensure_ascii=False, separators=(",", ":"))
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError as error:
        raise BadReference("an extra column is not valid Unicode") from error
    if size_bytes > MAX_EXTRA_BYTES:
        raise BadReference(
            f"its extra columns take {size_bytes} bytes of JSON, more than {MAX_EXTRA_BYTES}"
        )
    return size_bytes
