"""Turns pages of source items into chunks of references. Pure."""

import math
from collections.abc import Iterator, Sequence

from producer.sources.base import SourceItem
from shared.image_reference import ImageReference
from shared.labels import LabelResolver


def to_references(
    items: Sequence[SourceItem], *, first_index: int, resolver: LabelResolver
) -> list[ImageReference]:
    """Number the items and resolve their labels to class indices."""
    return [
        ImageReference(
            index=index,
            uri=item.uri,
            id=item.id,
            label=None if item.problem else resolver.resolve(item),
            extra=item.extra,
            problem=item.problem,
        )
        for index, item in enumerate(items, start=first_index)
    ]


def split(references: Sequence[ImageReference], largest: int) -> Iterator[Sequence[ImageReference]]:
    """Cut references into the fewest chunks of at most `largest`, all of nearly one size."""
    count = math.ceil(len(references) / largest)
    for number in range(count):
        start = len(references) * number // count
        end = len(references) * (number + 1) // count
        yield references[start:end]
