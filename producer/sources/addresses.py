"""What a source's address says by itself: is it local, what is it called."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from producer.sources.uris import scheme_of
from shared.errors import SourceError


def local_path(spec: str) -> Path | None:
    """Return the absolute path that a source names, or None if it does not lie on this machine.

    Raises:
        SourceError: if it names a kind of address that cannot be read.
    """
    scheme = scheme_of(spec)
    if scheme in {"http", "https", "s3"} or spec == "-":
        return None
    if scheme == "file":
        return Path(unquote(urlsplit(spec).path))
    if scheme is not None:
        raise SourceError(f"{scheme}:// cannot be read: use a path, http, https or s3")
    return Path(os.path.normpath(Path.cwd() / Path(spec).expanduser()))


def file_name(spec: str) -> str:
    """Return the last element of an address; empty if it ends with a slash."""
    if scheme_of(spec) in {"http", "https"}:
        return urlsplit(spec).path.rpartition("/")[2]
    return spec.rpartition("/")[2]


def absolute_spec(spec: str) -> str:
    """Return the address as any process of this machine understands it, whatever its folder.

    Raises:
        SourceError: if it names a kind of address that cannot be read.
    """
    path = local_path(spec)
    return spec if path is None else str(path)
