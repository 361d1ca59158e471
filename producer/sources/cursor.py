"""The text form of a cursor: where a source goes on, and what the source was (its pin)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import SourceChanged, SourceError

_VERSION = 1
_UNREADABLE = "the cursor cannot be read: start the job again"

Pin = dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in a source of one kind; `place` is the kind's own."""

    kind: str
    place: Mapping[str, str | int]
    pin: Pin

    def to_text(self) -> str:
        """Return the JSON that is kept in SQL."""
        document = {"v": _VERSION, "kind": self.kind, "place": {**self.place}, "pin": self.pin}
        return json.dumps(document, separators=(",", ":"))

    def number(self, name: str) -> int:
        """Return a number of the place.

        Raises:
            SourceError: if there is none of that name.
        """
        value = self.place.get(name)
        if not isinstance(value, int) or value < 0:
            raise SourceError(_UNREADABLE)
        return value

    def text(self, name: str) -> str:
        """Return a text of the place.

        Raises:
            SourceError: if there is none of that name.
        """
        value = self.place.get(name)
        if not isinstance(value, str):
            raise SourceError(_UNREADABLE)
        return value


def read_cursor(text: str, *, kind: str) -> Cursor:
    """Parse what `Cursor.to_text` wrote.

    Raises:
        SourceError: if it is no cursor, or one of another kind of source.
    """
    try:
        document = json.loads(text)
        if document["v"] != _VERSION:
            raise SourceError("the cursor was written by another version: start the job again")
        cursor = Cursor(
            kind=document["kind"], place=dict(document["place"]), pin=dict(document["pin"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(_UNREADABLE) from error
    if cursor.kind != kind:
        raise SourceError(f"the cursor is of a {cursor.kind} source, not {kind}: start again")
    return cursor


def check_pin(pinned: Pin, found: Pin, *, name: str) -> None:
    """Compare what the source was with what it is.

    Raises:
        SourceChanged: if they differ; it names what differs.
    """
    if pinned == found:
        return
    differing = sorted(key for key in {*pinned, *found} if pinned.get(key) != found.get(key))
    raise SourceChanged(
        f"{name} changed while the job was listing it ({', '.join(differing)}): start a new job"
    )
