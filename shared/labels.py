"""True labels: where they come from, and which class each of their texts means.

Classes are matched to an index here, once; accuracy never compares names. A text that could mean
two classes means none: it is counted as unresolved and reported.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol

from shared.artifact_manifest import ClassName
from shared.errors import LabelsError
from shared.image_paths import parent_name
from shared.label_file import LabelFile

#: So many distinct unresolved texts are told apart; bounds memory.
MAX_UNRESOLVED_TEXTS = 1000
_SPECS = "folders, column:NAME, file:PATH or none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsSpec:
    """Where true labels come from; `column` or `file` says which."""

    kind: Literal["folders", "column", "file", "none"]
    column: str | None = None
    file: Path | None = None


def parse_labels_spec(text: str) -> LabelsSpec:
    """Read `folders`, `column:NAME`, `column` (found by its usual names), `file:PATH` or `none`.

    Raises:
        LabelsError: if it is none of these.
    """
    kind, _, argument = text.partition(":")
    if kind == "column" and argument:
        return LabelsSpec(kind="column", column=argument)
    if kind == "file" and argument:
        return LabelsSpec(kind="file", file=Path(argument).expanduser())
    if text == "column":
        return LabelsSpec(kind="column")
    if text == "folders":
        return LabelsSpec(kind="folders")
    if text == "none":
        return LabelsSpec(kind="none")
    raise LabelsError(f"labels '{text}' are not understood: use {_SPECS}")


class ClassTable:
    """Finds a class by its id, its name or its index, in this order.

    The order holds even where an earlier kind is ambiguous: a name that two classes share is not
    tried as an index.
    """

    def __init__(self, classes: Sequence[ClassName]) -> None:
        self._count = len(classes)
        self._by_id = _positions([one.id for one in classes])
        self._by_name = _positions([one.name for one in classes])

    def index_of(self, text: str) -> int | None:
        """Return the index of the class that `text` means; None if it means none or several."""
        key = _folded(text)
        for known in (self._by_id, self._by_name):
            if key in known:
                return known[key]
        if key.isascii() and key.isdigit() and len(key) <= 9 and int(key) < self._count:
            return int(key)
        return None

    def is_ambiguous(self, text: str) -> bool:
        """Whether several classes go by this text."""
        key = _folded(text)
        known = self._by_id if key in self._by_id else self._by_name
        return key in known and known[key] is None


class Labelled(Protocol):
    """What a label is looked up for: an item of a source."""

    @property
    def uri(self) -> str:
        """Where the image is."""

    @property
    def id(self) -> str | None:
        """The caller's own name for it."""

    @property
    def label(self) -> str | None:
        """The true class as the source has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """How far labels were resolved.

    `unresolved_texts` are the most frequent texts that mean no class, `ambiguous_texts` those of
    them that mean several; further distinct texts than `MAX_UNRESOLVED_TEXTS` are only counted.
    """

    resolved: int
    unresolved: int
    missing: int
    classes_seen: int
    unresolved_texts: tuple[tuple[str, int], ...]
    ambiguous_texts: tuple[str, ...]


class LabelResolver:
    """Turns items into class indices, and counts what it could not turn."""

    def __init__(self, spec: LabelsSpec, table: ClassTable) -> None:
        self._spec = spec
        self._table = table
        self._file = LabelFile(spec.file) if spec.file is not None else None
        self._resolved = self._unresolved = self._missing = 0
        self._seen: set[int] = set()
        self._texts: Counter[str] = Counter()

    def __enter__(self) -> "LabelResolver":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the labels file."""
        if self._file is not None:
            self._file.close()

    def resolve(self, item: Labelled) -> int | None:
        """Return the index of the item's true class, None if it is not known."""
        text = self._text_of(item)
        if not text:
            self._missing += 1
            return None
        index = self._table.index_of(text)
        if index is None:
            self._unresolved += 1
            if text in self._texts or len(self._texts) < MAX_UNRESOLVED_TEXTS:
                self._texts[text] += 1
        else:
            self._resolved += 1
            self._seen.add(index)
        return index

    def counts(self, *, examples: int = 10) -> LabelCounts:
        """Return what was resolved so far, with so many examples."""
        ambiguous = sorted(text for text in self._texts if self._table.is_ambiguous(text))
        return LabelCounts(
            resolved=self._resolved,
            unresolved=self._unresolved,
            missing=self._missing,
            classes_seen=len(self._seen),
            unresolved_texts=tuple(self._texts.most_common(examples)),
            ambiguous_texts=tuple(ambiguous[:examples]),
        )

    def unresolved_summary(self) -> dict[str, Any]:
        """Return what could not be resolved, as JSON for the job's row; empty if all could."""
        if not self._unresolved:
            return {}
        found = self.counts()
        return {
            "count": found.unresolved,
            "texts": {text[:80]: count for text, count in found.unresolved_texts},
            "ambiguous": [text[:80] for text in found.ambiguous_texts],
        }

    def _text_of(self, item: Labelled) -> str | None:
        if self._spec.kind == "none":
            return None
        if self._spec.kind == "folders":
            return parent_name(item.uri)
        if self._file is not None:
            return self._file.class_of(id_=item.id, uri=item.uri)
        return item.label


def _positions(texts: Sequence[str]) -> dict[str, int | None]:
    """Map each text to its position, and to None if it has several."""
    positions: dict[str, int | None] = {}
    for position, text in enumerate(texts):
        key = _folded(text)
        positions[key] = None if key in positions else position
    return positions


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip())
