"""TLS is verified, and its reads keep to the same limits."""

import datetime
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.errors import FetchTimedOut, OriginUnavailable, TlsFailed
from shared.http_download import HttpDownloader
from shared.settings import Settings
from tests.support.http_answers import Answer
from tests.support.image_server import ImageServer, image_server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[ImageServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with image_server({"a.jpg": b"image" * 100_000}, tls=context) as running:
        yield running


@pytest.fixture
def trusting_downloader(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HttpDownloader]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    opened = HttpDownloader(Settings(fetch_timeout_seconds=1.0))
    yield opened
    opened.close()


def test_an_image_comes_over_tls_from_a_host_whose_authority_is_trusted(
    trusting_downloader: HttpDownloader, server: ImageServer
) -> None:
    assert trusting_downloader.read(server.url("a.jpg"), max_bytes=10**6) == b"image" * 100_000


def test_a_certificate_that_nobody_vouches_for_is_refused(server: ImageServer) -> None:
    downloader = HttpDownloader(Settings())

    with pytest.raises(TlsFailed, match="self-signed certificate"):
        downloader.read(server.url("a.jpg"), max_bytes=10**6)

    assert server.requests == []
    downloader.close()


def test_a_certificate_of_another_name_is_refused(
    trusting_downloader: HttpDownloader, server: ImageServer
) -> None:
    with pytest.raises(TlsFailed):
        trusting_downloader.read(f"https://localhost:{server.port}/a.jpg", max_bytes=10**6)

    assert server.requests == []


def test_a_server_that_speaks_no_tls_is_a_tls_error(
    trusting_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    with pytest.raises(TlsFailed):
        trusting_downloader.read(f"https://{images_over_http.host}/a.jpg", max_bytes=10**6)


def test_a_server_that_never_shakes_hands_is_unavailable(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    downloader = HttpDownloader(Settings(connect_timeout_seconds=0.2, fetch_attempts=2))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()

        with pytest.raises(OriginUnavailable, match="not ready in time"):
            downloader.read(f"https://127.0.0.1:{silent.getsockname()[1]}/a", max_bytes=10)
    downloader.close()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"x" * 1000, seconds_per_body_byte=0.05),
        Answer(headers={"Filler": "x" * 1000}, seconds_per_head_byte=0.05),
    ],
    ids=["body", "head"],
)
def test_a_server_that_drips_over_tls_meets_the_wall_clock(
    trusting_downloader: HttpDownloader, server: ImageServer, answer: Answer
) -> None:
    url = server.answer("slow.jpg", answer)
    began = time.monotonic()

    with pytest.raises(FetchTimedOut):
        trusting_downloader.read(url, max_bytes=10**6)

    assert time.monotonic() - began < 3.0
