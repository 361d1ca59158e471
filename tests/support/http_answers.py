"""What the image server says to one request: scripted answers, and the handler that sends them."""

import contextlib
import socket
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One scripted answer; what is not set is as a good server would do it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Content-Length says this, whatever the body has.
    declared_bytes: int | None = None
    #: The body goes in chunks without a Content-Length.
    chunked: bool = False
    #: Pause after each byte of the body.
    seconds_per_body_byte: float = 0.0
    #: Pause after each byte of the status line and headers.
    seconds_per_head_byte: float = 0.0
    #: After this many bytes of the body the connection is reset.
    reset_after_bytes: int | None = None
    #: Nothing is ever said.
    hang: bool = False
    #: These bytes go out instead of an HTTP answer, then the connection ends.
    raw: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """What a client asked."""

    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)


class AnswersRequests(Protocol):
    """What a handler needs of the server that it belongs to."""

    released: threading.Event

    def answer_to(self, request: RecordedRequest) -> Answer: ...

    def recording(self, request: RecordedRequest) -> contextlib.AbstractContextManager[None]: ...


class AnsweringHandler(BaseHTTPRequestHandler):
    """Asks its server's `owner` what to say, and says it, well or badly."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        owner = self._owner
        request = RecordedRequest(
            method=self.command, target=self.path, headers=dict(self.headers.items())
        )
        with owner.recording(request):
            answer = owner.answer_to(request)
            if answer.hang:
                owner.released.wait()
                self.close_connection = True
            elif answer.raw is not None:
                self.wfile.write(answer.raw)
                self.close_connection = True
            else:
                self._send_head(answer)
                if self.command != "HEAD":
                    self._send_body(answer)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    @property
    def _owner(self) -> AnswersRequests:
        owner: AnswersRequests = self.server.owner  # type: ignore[attr-defined]  # set by it
        return owner

    def _send_head(self, answer: Answer) -> None:
        lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        if answer.chunked:
            lines.append("Transfer-Encoding: chunked")
        else:
            declared = answer.declared_bytes
            lines.append(f"Content-Length: {len(answer.body) if declared is None else declared}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")
        self._send_slowly(head, answer.seconds_per_head_byte)

    def _send_body(self, answer: Answer) -> None:
        body = answer.body[: answer.reset_after_bytes]
        if answer.chunked:
            for start in range(0, len(body), 65536):
                piece = body[start : start + 65536]
                chunk = b"%x\r\n%s\r\n" % (len(piece), piece)
                self._send_slowly(chunk, answer.seconds_per_body_byte)
            body = b"0\r\n\r\n" if answer.reset_after_bytes is None else b""
        self._send_slowly(body, answer.seconds_per_body_byte)
        if answer.reset_after_bytes is not None:
            self._reset()
        if answer.declared_bytes not in {None, len(answer.body)}:
            self.close_connection = True

    def _send_slowly(self, content: bytes, pause_seconds: float) -> None:
        if not pause_seconds:
            self.wfile.write(content)
            return
        for number in range(len(content)):
            self.wfile.write(content[number : number + 1])
            if self._owner.released.wait(pause_seconds):
                return

    def _reset(self) -> None:
        """End with a TCP reset instead of an orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def _phrase(status: int) -> str:
    with contextlib.suppress(ValueError):
        return HTTPStatus(status).phrase
    return "Odd"
