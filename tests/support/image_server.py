"""A real HTTP server on a free loopback port that serves images, and misbehaves as it is told.

`put` makes a file; `answer` scripts what a path says, one `Answer` a request and the last one for
ever. Every request is recorded.
"""

import contextlib
import hashlib
import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.http_answers import Answer, AnsweringHandler, RecordedRequest

__all__ = ["Answer", "ImageServer", "RecordedRequest", "image_server"]


class ImageServer:
    """Serves until `close`; its files and answers may change meanwhile."""

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        *,
        folder: Path | None = None,
        ranges: bool = True,
        etags: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.ranges = ranges
        self.etags = etags
        self.released = threading.Event()
        self._folder = folder
        self._files = {f"/{name.lstrip('/')}": body for name, body in (files or {}).items()}
        self._answers: dict[str, list[Answer | None]] = {}
        self._lock = threading.Lock()
        self._requests: list[RecordedRequest] = []
        self._counts: Counter[str] = Counter()
        self._at_once = self._most_at_once = 0
        self._server = _Server(self, tls)
        self._scheme = "https" if tls else "http"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[RecordedRequest]:
        with self._lock:
            return list(self._requests)

    @property
    def connections(self) -> int:
        """How many were ever accepted."""
        return self._server.accepted

    @property
    def most_at_once(self) -> int:
        """The largest number of requests under way at one time."""
        return self._most_at_once

    def url(self, path: str) -> str:
        return f"{self._scheme}://{self.host}/{path.lstrip('/')}"

    def count(self, path: str) -> int:
        """How many requests came for a path."""
        with self._lock:
            return self._counts[f"/{path.lstrip('/')}"]

    def put(self, path: str, body: bytes) -> str:
        """Serve a file; gives its URL."""
        self._files[f"/{path.lstrip('/')}"] = body
        return self.url(path)

    def answer(self, path: str, *answers: Answer | None) -> str:
        """Script a path; gives its URL. None is what would be said without a script."""
        self._answers[f"/{path.lstrip('/')}"] = list(answers)
        return self.url(path)

    def redirect(self, path: str, location: str, *, status: int = 302) -> str:
        """Send whoever asks for a path elsewhere; gives its URL."""
        return self.answer(path, Answer(status=status, headers={"Location": location}))

    def forget(self) -> None:
        """Drop files, answers and records."""
        with self._lock:
            self._files.clear()
            self._answers.clear()
            self._requests.clear()
            self._counts.clear()

    def close(self) -> None:
        """Stop, and cut every connection that is still open."""
        self.released.set()
        self._server.shutdown()
        self._server.cut_connections()
        self._server.server_close()
        self._thread.join(timeout=10)

    def answer_to(self, request: RecordedRequest) -> Answer:
        with self._lock:
            waiting = self._answers.get(request.path)
            scripted = None
            if waiting:
                scripted = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if scripted is not None:
            return scripted
        body = self._file(request.path)
        return Answer(status=404, body=b"not here") if body is None else self._part(body, request)

    @contextlib.contextmanager
    def recording(self, request: RecordedRequest) -> Iterator[None]:
        with self._lock:
            self._requests.append(request)
            self._counts[request.path] += 1
            self._at_once += 1
            self._most_at_once = max(self._most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1

    def _file(self, path: str) -> bytes | None:
        if path in self._files:
            return self._files[path]
        if self._folder is not None:
            found = (self._folder / path.lstrip("/")).resolve()
            if found.is_relative_to(self._folder.resolve()) and found.is_file():
                return found.read_bytes()
        return None

    def _part(self, body: bytes, request: RecordedRequest) -> Answer:
        headers = {"Last-Modified": "Sun, 05 Jan 2025 10:00:00 GMT"}
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if self.etags:
            headers["ETag"] = etag
            if request.headers.get("If-Match", etag) != etag:
                return Answer(status=412)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        if not self.ranges or wanted is None:
            return Answer(body=body, headers=headers)
        first = int(wanted[1])
        last = min(int(wanted[2] or len(body)), len(body) - 1)
        if first >= len(body):
            return Answer(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
        headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        return Answer(status=206, body=body[first : last + 1], headers=headers)


@contextlib.contextmanager
def image_server(files: Mapping[str, bytes] | None = None, **options: Any) -> Iterator[ImageServer]:
    """An `ImageServer` that is closed at the end."""
    server = ImageServer(files, **options)
    try:
        yield server
    finally:
        server.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, owner: ImageServer, tls: ssl.SSLContext | None) -> None:
        self.owner = owner
        self.accepted = 0
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), AnsweringHandler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.accepted += 1
        return connection, address

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        try:
            if self._tls is not None:
                plain, request = request, self._tls.wrap_socket(request, server_side=True)
                with self._open_lock:
                    self._open.discard(plain)
                    self._open.add(request)
        except (OSError, ValueError):
            self._forget(request)
            return
        super().process_request_thread(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are what these tests are about."""

    def cut_connections(self) -> None:
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _forget(self, request: socket.socket) -> None:
        with self._open_lock:
            self._open.discard(request)
        request.close()
