"""A file of true labels: `image<separator>class` a line, looked up by what names the image.

Kept in a temporary SQLite database, which spills to disk: memory does not grow with the file.
"""

import csv
import posixpath
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from shared.errors import LabelsError
from shared.image_paths import path_of

#: A longer line is refused; bounds memory.
MAX_LINE_CHARACTERS = 64 * 1024
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
#: So many of the last elements of an image's path are compared with a longer name in the file.
_PATH_ELEMENTS = 8


class LabelFile:
    """Classes by image name, as the file writes them.

    `.csv` and `.tsv` have two columns. In any other file the class follows the first tab, else it
    is the last word of the line. Blank lines are skipped; a header is harmless.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(
            "CREATE TABLE labels (image TEXT PRIMARY KEY, class TEXT NOT NULL) WITHOUT ROWID"
        )
        try:
            self._load(path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop the temporary database."""
        self._database.close()

    def class_of(self, *, id_: str | None, uri: str) -> str | None:
        """Return the class of an image, found by the first of its names that the file has.

        These are its id, its URI, the end of its path from long to short, and its bare file name
        without suffix.
        """
        found = (self._class_named(name) for name in _names(id_=id_, uri=uri))
        return next((class_ for class_ in found if class_ is not None), None)

    def _class_named(self, name: str) -> str | None:
        query = "SELECT class FROM labels WHERE image = ?"
        row = self._database.execute(query, (name,)).fetchone()
        return None if row is None else str(row[0])

    def _load(self, path: Path) -> None:
        self._database.execute("BEGIN")
        for line, image, class_ in _pairs(path):
            kept = self._database.execute(
                "INSERT INTO labels VALUES (?, ?) ON CONFLICT DO NOTHING", (image, class_)
            )
            if not kept.rowcount and self._class_named(image) != class_:
                raise LabelsError(
                    f"{path} line {line} gives '{image[:80]}' another class than before: keep one"
                )
        self._database.execute("COMMIT")


def _names(*, id_: str | None, uri: str) -> Iterator[str]:
    if id_ is not None:
        yield id_
    yield uri
    elements = path_of(uri).strip("/").split("/")
    for start in range(max(0, len(elements) - _PATH_ELEMENTS), len(elements)):
        yield "/".join(elements[start:])
    yield posixpath.splitext(elements[-1])[0]


def _pairs(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the line number, image and class of each line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, fields in _fields(file, suffix=path.suffix.lower()):
                if len(fields) != 2 or not all(fields):
                    raise LabelsError(f"{path} line {line} is no 'image, class': mend it")
                yield line, fields[0].removeprefix("./"), fields[1]
    except OSError as error:
        raise LabelsError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LabelsError(f"{path} is not UTF-8: save it as UTF-8") from error
    except csv.Error as error:
        raise LabelsError(f"{path} is not valid {path.suffix}: {error}") from error


def _fields(file: TextIO, *, suffix: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the stripped fields of each line that is not blank."""
    if suffix in _DELIMITERS:
        reader = csv.reader(_bounded_lines(file), delimiter=_DELIMITERS[suffix], strict=True)
        for row in reader:
            if row:
                yield reader.line_num, [field.strip() for field in row]
        return
    for number, line in enumerate(_bounded_lines(file), 1):
        if stripped := line.strip():
            separator = "\t" if "\t" in stripped else None
            split = stripped.split(separator, 1) if separator else stripped.rsplit(None, 1)
            yield number, [field.strip() for field in split]


def _bounded_lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(MAX_LINE_CHARACTERS + 1):
        if len(line) > MAX_LINE_CHARACTERS:
            raise LabelsError(f"{file.name} has a line of over {MAX_LINE_CHARACTERS} characters")
        yield line
