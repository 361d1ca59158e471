"""`.txt`: a URI or path a line; blank lines and lines that begin with `#` are skipped."""

from collections.abc import Iterator
from dataclasses import dataclass

from producer.sources.base import SourceItem
from producer.sources.lines import Line, Place
from producer.sources.list_source import start_of_list
from producer.sources.options import SourceOptions
from producer.sources.paging import Located
from producer.sources.records import problem_item
from producer.sources.uris import absolute_uri
from shared.errors import BadReference


class TextFormat:
    """Text lists."""

    kind = "txt"

    def parser(self, *, base: str, name: str, options: SourceOptions) -> "TextParser":
        """Make a parser; no option concerns it."""
        del name, options
        return TextParser(base)


@dataclass(frozen=True, slots=True)
class TextParser:
    """Reads a text list."""

    base: str

    def read_head(self, lines: Iterator[Line]) -> Place:
        """Records start at once."""
        return start_of_list(lines)

    def records(self, lines: Iterator[Line]) -> Iterator[Located[Place]]:
        """Yield an item for each line that names one."""
        for line in lines:
            stripped = line.raw.strip()
            if stripped and not stripped.startswith(b"#"):
                yield Located(self._item(line), line.after, len(line.raw))

    def _item(self, line: Line) -> SourceItem:
        try:
            uri = absolute_uri(line.text().strip(" \t\r"), base=self.base)
        except BadReference as error:
            return problem_item(line.raw, error, line=line.number)
        return SourceItem(uri=uri, line=line.number)
