"""One image's result as it leaves Nestor: what a line of `nestor results` holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.redaction import redact_uri


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedClass:
    """One answer for an image; a list of them goes from the likeliest down."""

    class_index: int
    class_id: str
    name: str
    probability: float

    def document(self) -> dict[str, Any]:
        """Return the answer as JSON knows it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """What is known of one image.

    `label` is the true class index, `label_rank` its place among the answers from 1 on; `topk` is
    empty and `reason` a code where the image failed. `extra` are the caller's own columns.
    """

    index: int
    id: str | None
    uri: str
    label: int | None
    label_rank: int | None
    status: str
    reason: str | None
    topk: tuple[RankedClass, ...]
    artifact_digest: str
    recipe_digest: str
    input_sha256: str | None
    device: str | None
    extra: Mapping[str, Any] | None = None

    def document(self, *, with_raw_uri: bool) -> dict[str, Any]:
        """Return the row as JSON knows it; `extra` is there only if the caller gave columns."""
        document = {name: getattr(self, name) for name in self.__slots__}
        document["topk"] = [answer.document() for answer in self.topk]
        document["extra"] = dict(self.extra) if self.extra else None
        if not with_raw_uri:
            document["uri"] = redact_uri(self.uri)
            document["id"] = None if self.id is None else redacted_id(self.id, uri=self.uri)
        if document["extra"] is None:
            del document["extra"]
        return document


def redacted_id(identifier: str, *, uri: str | None = None) -> str:
    """Redact an id that is an address itself; any other id is the caller's and stays."""
    return redact_uri(identifier) if "://" in identifier or identifier == uri else identifier
