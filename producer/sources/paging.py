"""Cuts a stream of located items into pages, by number and by bytes."""

from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

from producer.sources.base import SourceItem
from producer.sources.options import SourceOptions

Place = TypeVar("Place")


class Located(NamedTuple, Generic[Place]):
    """One item, the place right after it, and about how many bytes it takes."""

    item: SourceItem
    after: Place
    size_bytes: int


class Filled(NamedTuple, Generic[Place]):
    """The items of one page and the place right after the last of them."""

    items: list[SourceItem]
    after: Place


def fill_page(located: Iterable[Located[Place]], *, options: SourceOptions) -> Filled[Place] | None:
    """Take one page's worth from the stream; None when it is at its end."""
    items: list[SourceItem] = []
    size_bytes = 0
    for item, after, item_bytes in located:
        items.append(item)
        size_bytes += item_bytes
        last = after
        if len(items) >= options.page_items or size_bytes >= options.page_bytes:
            break
    return Filled(items, last) if items else None
