"""What of an address may be shown: secrets sit in its user part, query and fragment."""

import re

_WITH_AUTHORITY = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL | re.I)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

#: In these, `?` and `#` are part of a name and nobody puts a password.
_NAMES_ONLY = frozenset({"s3", "file"})


def redact_uri(uri: str) -> str:
    """Keep scheme, host and path; drop user, password, query and fragment; stay on one line."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", _without_secrets(uri))


def host_of(uri: str) -> str:
    """Name the host (and port) of an address, for messages."""
    found = _WITH_AUTHORITY.match(redact_uri(uri))
    return found["rest"].partition("/")[0] if found else "?"


def _without_secrets(uri: str) -> str:
    if uri.startswith("/"):
        return uri
    found = _WITH_AUTHORITY.match(uri)
    if found is None:
        scheme, colon, _ = uri.partition(":")
        return f"{scheme}:…" if colon else _before_query(uri)
    scheme, rest = found["scheme"], found["rest"]
    if scheme.lower() in _NAMES_ONLY:
        return uri
    authority, slash, path = _before_query(rest.replace("\\", "/")).partition("/")
    host = authority.rpartition("@")[2]
    return f"{scheme}://{host}{slash}{path}"


def _before_query(text: str) -> str:
    return re.split(r"[?#]", text, maxsplit=1)[0]
