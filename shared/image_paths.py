"""What the place of an image says of it: its path and the folder that it lies in."""

import posixpath
from urllib.parse import unquote, urlsplit


def path_of(uri: str) -> str:
    """Return the path of a URI as it is meant: an http address unquoted, without its query."""
    if uri.startswith(("http://", "https://")):
        try:
            return unquote(urlsplit(uri).path)
        except ValueError:
            return ""
    if uri.startswith("s3://"):
        return uri.removeprefix("s3://").partition("/")[2]
    return uri


def parent_name(uri: str) -> str | None:
    """Return the name of the folder that an image lies in; None if it lies in none."""
    return posixpath.basename(posixpath.dirname(path_of(uri))) or None
