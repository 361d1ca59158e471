"""What an HTTP answer says: its size, which part of a file it is, its body within a limit."""

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from shared.errors import ImageTooLarge
from shared.fetch_failures import named_failures

#: How many bytes are asked of a connection at a time.
READ_BYTES = 256 * 1024
#: A refusal's body up to this long is read away, so that its connection can be used again.
DISCARDED_BODY_BYTES = 16 * 1024


def declared_bytes(response: BaseHTTPResponse) -> int | None:
    """Read Content-Length; None without a usable one."""
    return _number(response.headers.get("Content-Length", ""))


def discard(response: BaseHTTPResponse) -> None:
    """Give the connection back if that is cheap, else close it."""
    length = declared_bytes(response)
    with response:
        if length is not None and length <= DISCARDED_BODY_BYTES:
            try:
                response.read(decode_content=False)
            except (HTTPError, OSError):
                return


def read_body(response: BaseHTTPResponse, *, max_bytes: int, host: str) -> bytes:
    """Read a whole body, decoded if it is compressed.

    Raises:
        ImageTooLarge: as soon as it is known, whatever Content-Length said.
    """
    too_large = ImageTooLarge(f"{host} sent more than {max_bytes} bytes")
    if (declared_bytes(response) or 0) > max_bytes:
        raise too_large
    pieces: list[bytes] = []
    size_bytes = 0
    with named_failures(host, answered=True):
        for piece in response.stream(READ_BYTES):
            size_bytes += len(piece)
            if size_bytes > max_bytes:
                raise too_large
            pieces.append(piece)
    return b"".join(pieces)


def is_encoded(response: BaseHTTPResponse) -> bool:
    """Whether the body is compressed, so that its bytes are not the file's."""
    return response.headers.get("Content-Encoding", "identity").lower() not in {"", "identity"}


def range_of(response: BaseHTTPResponse) -> tuple[int | None, int | None]:
    """Read first byte and total size from Content-Range; None for what it does not say."""
    unit, _, value = response.headers.get("Content-Range", "").strip().partition(" ")
    span, _, total = value.partition("/")
    if unit.lower() != "bytes":
        return None, None
    return _number(span.partition("-")[0]), _number(total)


def headers_of_part(*, start_byte: int, if_match: str | None) -> dict[str, str]:
    """Ask for the bytes from `start_byte` on, of the version `if_match` only."""
    headers = {}
    if start_byte:
        headers["Range"] = f"bytes={start_byte}-"
    if if_match is not None and not if_match.startswith("W/"):  # weak ones never match
        headers["If-Match"] = if_match
    return headers


def _number(text: str) -> int | None:
    digits = text.strip()
    usable = digits.isascii() and digits.isdigit() and len(digits) <= 18
    return int(digits) if usable else None
