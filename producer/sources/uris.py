"""Turns what a list says into an absolute URI: a plain local path, or an http, https or s3 URI."""

import posixpath
import re
import urllib.parse

from shared.errors import BadReference

#: Longer ones are refused: presigned S3 and CDN addresses stay well below.
MAX_URI_BYTES = 8192

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
_REMOTE_SCHEMES = frozenset({"http", "https", "s3"})


def scheme_of(text: str) -> str | None:
    """Return the lower-case scheme of `scheme://...`, or None for a path."""
    match = _SCHEME.match(text)
    return match.group(1).lower() if match else None


def absolute_uri(text: str, *, base: str) -> str:
    """Make what a list names absolute; `base` is the list's folder, URL, or `s3://bucket/key`.

    Raises:
        BadReference: for nothing, an unknown scheme, a local file named by a remote list, or text
            that cannot be kept.
    """
    if not text:
        raise BadReference("it names no image")
    checked_text(text, what="the URI", max_bytes=MAX_URI_BYTES)
    scheme = scheme_of(text)
    if scheme in _REMOTE_SCHEMES:
        return _checked_remote(scheme + text[len(scheme) :])
    if scheme == "file":
        return _file_uri_path(text, base=base)
    if scheme is not None:
        raise BadReference(f"unknown scheme '{scheme}': use a path, http, https or s3")
    return _join(text, base=base)


def checked_text(text: str, *, what: str, max_bytes: int) -> str:
    """Return `text` if every store can keep it.

    Raises:
        BadReference: for lone surrogates, NUL characters or too many bytes.
    """
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError as error:
        raise BadReference(f"{what} is not valid Unicode") from error
    if "\0" in text:
        raise BadReference(f"{what} holds a NUL character")
    if size_bytes > max_bytes:
        raise BadReference(f"{what} takes {size_bytes} bytes, more than {max_bytes}")
    return text


def _checked_remote(uri: str) -> str:
    authority = uri.split("://", 1)[1].split("/", 1)[0]
    if not authority:
        raise BadReference("the URI names no host or bucket")
    return uri


def _file_uri_path(text: str, *, base: str) -> str:
    if scheme_of(base) is not None:
        raise BadReference("a remote list cannot name local files")
    parts = urllib.parse.urlsplit(text)
    if parts.netloc not in {"", "localhost"}:
        raise BadReference("a file URI may not name another host")
    path = posixpath.normpath(urllib.parse.unquote(parts.path))
    return checked_text(path, what="the path", max_bytes=MAX_URI_BYTES)


def _join(text: str, *, base: str) -> str:
    scheme = scheme_of(base)
    if scheme is None:
        path = posixpath.normpath(posixpath.join(base, text))  # a Path would intern every name
        return f"/{path.lstrip('/')}" if path.startswith("//") else path
    if scheme == "s3":
        bucket, _, key = base.removeprefix("s3://").partition("/")
        joined = posixpath.normpath(posixpath.join("/", posixpath.dirname(key), text))
        return f"s3://{bucket}/{joined.lstrip('/')}"
    has_colon = ":" in text.partition("/")[0]  # which would be taken for a scheme
    try:
        return urllib.parse.urljoin(base, f"./{text}" if has_colon else text)
    except ValueError as error:
        raise BadReference("the relative address cannot be joined to the list's own") from error
