"""Published weights from a local server that behaves, and that does not.

The published table is pointed at a file that the test can make: nothing else is replaced.
"""

import dataclasses
import hashlib
import io
import socket

import pytest
import torch

from shared.errors import WeightsError
from tests.support.image_server import Answer, ImageServer
from worker.models.resnest import build
from worker.models.variants import VARIANTS, PublishedWeights
from worker.models.weights import load_weights

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture
def server():
    server = ImageServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def content():
    torch.manual_seed(8)
    file = io.BytesIO()
    torch.save(build("resnest_tiny", classes=1000).state_dict(), file)
    return file.getvalue()


@pytest.fixture
def published(content, monkeypatch):
    """What the table says of resnest_tiny during a test."""
    prefix = hashlib.sha256(content).hexdigest()[:8]
    weights = PublishedWeights(
        file_name=f"tiny-{prefix}.pth", sha256_prefix=prefix, base_urls=("https://nowhere.invalid",)
    )
    variant = dataclasses.replace(VARIANTS["resnest_tiny"], weights=weights)
    monkeypatch.setitem(VARIANTS, "resnest_tiny", variant)
    return weights


def load(cache_dir, *servers, classes=1000, **options):
    urls = tuple(server.url("") for server in servers)
    return load_weights(
        "official", "resnest_tiny", classes, cache_dir=cache_dir, base_urls=urls, **options
    )


def refusal(cache_dir, *servers, **options):
    """The one line that loading is refused with."""
    with pytest.raises(WeightsError) as caught:
        load(cache_dir, *servers, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_download_reports_its_progress_and_is_loaded(tmp_path, server, published, content):
    server.put(published.file_name, content)
    reports = []

    loaded = load(tmp_path / "cache", server, progress=lambda *report: reports.append(report))

    assert loaded.origin.kind == "official"
    assert loaded.origin.sha256 == hashlib.sha256(content).hexdigest()
    assert reports[-1] == (len(content), len(content))
    assert [done for done, _ in reports] == sorted({done for done, _ in reports})
    assert [file.name for file in (tmp_path / "cache").iterdir()] == [published.file_name]


def test_a_server_that_does_not_say_how_much_comes_is_no_fault(
    tmp_path, server, published, content
):
    server.answer(published.file_name, Answer(body=content, chunked=True))
    reports = []

    load(tmp_path, server, progress=lambda *report: reports.append(report))

    assert reports[-1] == (len(content), None)


def test_the_second_time_nothing_is_downloaded(tmp_path, server, published, content):
    server.put(published.file_name, content)

    first, second = load(tmp_path, server), load(tmp_path, server)

    assert first.origin == second.origin
    assert server.count(published.file_name) == 1


def test_a_redirect_is_followed(tmp_path, server, published, content):
    server.redirect(published.file_name, server.put("elsewhere", content))

    assert load(tmp_path, server).origin.kind == "official"


def test_a_cached_file_that_was_changed_is_refused_each_time(tmp_path, server, published, content):
    server.put(published.file_name, content)
    load(tmp_path, server)
    cached = tmp_path / published.file_name
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    cached.write_bytes(bytes(changed))

    message = refusal(tmp_path, server)

    assert f"not {published.sha256_prefix}; delete it and run this again" in message
    assert refusal(tmp_path, server) == message
    cached.unlink()
    assert load(tmp_path, server).origin.kind == "official"


def test_another_file_than_the_published_one_is_refused_and_not_kept(tmp_path, server, published):
    server.put(published.file_name, b"something else")

    message = refusal(tmp_path, server)

    assert "sent another file" in message
    assert str(tmp_path / published.file_name) in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", ["closed", "reset"])
def test_a_download_that_breaks_off_is_refused_and_not_kept(
    tmp_path, server, published, content, cut
):
    part = content[: len(content) // 2]
    broken = {
        "closed": Answer(body=part, declared_bytes=len(content)),
        "reset": Answer(body=content, reset_after_bytes=len(part)),
    }[cut]
    server.answer(published.file_name, broken)

    message = refusal(tmp_path, server)

    assert "cannot download" in message
    assert list(tmp_path.iterdir()) == []


def test_after_one_address_fails_the_next_is_tried(tmp_path, server, published, content):
    other = ImageServer({published.file_name: content})
    server.put(published.file_name, b"something else")

    loaded = load(tmp_path, server, other)
    other.close()

    assert loaded.origin.kind == "official"
    assert server.count(published.file_name) == 1


def test_a_file_that_no_server_has_is_told(tmp_path, server, published):
    message = refusal(tmp_path, server)

    assert "answered 404" in message
    assert "check the network, or fetch the file elsewhere and put it at" in message


def test_a_machine_without_network_is_told(tmp_path, published):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"

        with pytest.raises(WeightsError) as caught:
            load_weights("official", "resnest_tiny", 1000, cache_dir=tmp_path, base_urls=(address,))

    message = str(caught.value)
    assert "\n" not in message
    assert "Connection refused" in message
    assert "check the network" in message


def test_a_cache_that_cannot_be_written_is_told(tmp_path, server, published, content):
    server.put(published.file_name, content)
    (tmp_path / "file").write_bytes(b"")

    message = refusal(tmp_path / "file" / "cache", server)

    assert "cannot write weights into" in message


def test_official_weights_of_a_variant_that_has_none_are_refused(tmp_path, server):
    message = refusal(tmp_path, server)

    assert "resnest_tiny has no official weights" in message
    assert "random:SEED" in message


def test_official_weights_for_other_classes_are_refused(tmp_path, server, published):
    message = refusal(tmp_path, server, classes=10)

    assert "1000 classes of ImageNet, not 10" in message
    assert server.requests == []
