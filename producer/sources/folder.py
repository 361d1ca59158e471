"""A folder: every image file beneath it, in the byte order of their paths.

Links are followed, loops are not. The walk is sorted on disk and kept as a spool, so that memory
does not grow with the folder and the job sees one snapshot of it.
"""

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from producer.sources.base import Page, SourceItem
from producer.sources.byte_streams import local_errors
from producer.sources.images import is_image_name
from producer.sources.lines import Line, Place
from producer.sources.list_source import ListSource, start_of_list
from producer.sources.options import SourceOptions
from producer.sources.paging import Located
from producer.sources.records import problem_item
from producer.sources.spool import Spool
from producer.sources.uris import MAX_URI_BYTES, checked_text
from shared.errors import BadReference, SourceError, SourceUnavailable

#: Deeper folders are refused: each level holds a file descriptor while it is walked.
MAX_DEPTH = 200
_ROWS_A_CHUNK = 1000


class FolderSource:
    """The images of a folder; an image's parent folder names its class."""

    def __init__(self, folder: Path, *, options: SourceOptions, spool_dir: Path, stem: str) -> None:
        self._folder = folder
        spool = Spool(
            lambda: _manifest(folder, spool_dir=spool_dir),
            folder=spool_dir,
            stem=stem,
            name=str(folder),
        )
        self._list = ListSource(spool, format_=ManifestFormat(), base="/", options=options)

    def pages(self, cursor: str | None) -> Iterator[Page]:
        """Yield pages from `cursor` (None: from the start) to the end."""
        return self._list.pages(cursor)


class ManifestFormat:
    """What a walk is kept as: a JSON line `[path]` or `[path, problem]` for each image."""

    kind = "folder"

    def parser(self, *, base: str, name: str, options: SourceOptions) -> "ManifestParser":
        """Make a parser; nothing of the caller's concerns it."""
        del base, name, options
        return ManifestParser()


class ManifestParser:
    """Reads the lines that `_manifest` wrote."""

    def read_head(self, lines: Iterator[Line]) -> Place:
        """Records start at once."""
        return start_of_list(lines)

    def records(self, lines: Iterator[Line]) -> Iterator[Located[Place]]:
        """Yield an item for each line."""
        for line in lines:
            path, *problem = json.loads(line.raw)
            if problem:
                item = SourceItem(uri=path, problem=problem[0])
            else:
                item = SourceItem(uri=path, label=path.rsplit("/", 2)[-2] or None)
            yield Located(item, line.after, len(line.raw))


def _manifest(folder: Path, *, spool_dir: Path) -> Iterator[bytes]:
    """Walk the folder and yield its manifest in chunks, sorted by a temporary table on disk."""
    with (
        tempfile.NamedTemporaryFile(dir=spool_dir, prefix="walk-", suffix=".sqlite") as file,
        closing(sqlite3.connect(file.name, isolation_level=None)) as database,
    ):
        try:
            rows = _sorted(database, _walk(os.fsencode(folder), ancestors=()))
            while batch := rows.fetchmany(_ROWS_A_CHUNK):
                yield b"".join(_manifest_line(path) for (path,) in batch)
        except sqlite3.OperationalError as error:
            raise SourceUnavailable(
                f"{spool_dir} cannot take the list of images: {error}"
            ) from error


def _sorted(database: sqlite3.Connection, paths: Iterator[bytes]) -> sqlite3.Cursor:
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("CREATE TABLE found (path BLOB PRIMARY KEY) WITHOUT ROWID")
    database.execute("BEGIN")
    database.executemany("INSERT INTO found VALUES (?)", ((path,) for path in paths))
    database.execute("COMMIT")
    return database.execute("SELECT path FROM found ORDER BY path")


def _manifest_line(path: bytes) -> bytes:
    try:
        text = path.decode()
        row = [checked_text(text, what="the path", max_bytes=MAX_URI_BYTES)]
    except UnicodeDecodeError:
        problem = problem_item(path, BadReference("the file name is not UTF-8"), line=None)
        row = [problem.uri, str(problem.problem)]
    return json.dumps(row).encode() + b"\n"


def _walk(folder: bytes, *, ancestors: tuple[tuple[int, int], ...]) -> Iterator[bytes]:
    """Yield the path of every image beneath; a folder that is its own ancestor is not entered."""
    name = os.fsdecode(folder)
    if len(ancestors) > MAX_DEPTH:
        raise SourceError(f"{name} is nested deeper than {MAX_DEPTH} folders: give a deeper start")
    with local_errors(name):
        status = Path(name).stat()
        identity = (status.st_dev, status.st_ino)
        if identity in ancestors:
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(b"."):
                    continue
                if _is_folder(entry):
                    yield from _walk(entry.path, ancestors=(*ancestors, identity))
                elif _is_image_file(entry):
                    yield entry.path


def _is_folder(entry: "os.DirEntry[bytes]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere or to itself
        return False


def _is_image_file(entry: "os.DirEntry[bytes]") -> bool:
    """Whether it is taken; a dangling link is, so that it becomes a failed image and is seen."""
    if not is_image_name(os.fsdecode(entry.name)):
        return False
    return entry.is_symlink() or entry.is_file()
