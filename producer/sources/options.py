"""How a source is to be read: which columns, how much, in pages of what size."""

from dataclasses import dataclass
from typing import Literal

ListFormat = Literal["txt", "csv", "tsv", "jsonl", "parquet"]

#: A longer line of a list is a problem, not an image; bounds what one line can cost.
MAX_LINE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """The caller's wishes; a column left None is looked for by its usual names.

    `list_format` names the format of a list whose address does not tell it (standard input, which
    is `txt` unless said). `limit` ends the source after so many items. A page ends at `page_items`
    items or `page_bytes` bytes of list, whichever comes first: what one commit may hold.
    """

    uri_column: str | None = None
    id_column: str | None = None
    label_column: str | None = None
    list_format: ListFormat | None = None
    limit: int | None = None
    page_items: int = 2000
    page_bytes: int = 2**20
