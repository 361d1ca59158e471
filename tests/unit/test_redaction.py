import pytest

from shared.redaction import host_of, redact_uri


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://example.com/a/b.jpg", "https://example.com/a/b.jpg"),
        ("https://example.com/a.jpg?X-Amz-Signature=hidden", "https://example.com/a.jpg"),
        ("https://example.com/a.jpg#hidden", "https://example.com/a.jpg"),
        ("https://me:hidden@example.com:8443/a.jpg", "https://example.com:8443/a.jpg"),
        ("https://me:hid@hidden@example.com/a.jpg", "https://example.com/a.jpg"),
        ("https://example.com?token=hidden", "https://example.com"),
        ("HTTP://me:hidden@[::1]:80/a", "HTTP://[::1]:80/a"),
        ("http://[broken:hidden@host/a?hidden", "http://host/a"),
        ("http://me:hidden@example.com\\@a/b", "http://example.com/@a/b"),
        ("ftp://me:hidden@example.com/a?hidden", "ftp://example.com/a"),
        ("s3://bucket/what?#is this.jpg", "s3://bucket/what?#is this.jpg"),
        ("file:///photos/a?b#c.jpg", "file:///photos/a?b#c.jpg"),
        ("/photos/a?b#c:d.jpg", "/photos/a?b#c:d.jpg"),
        ("data:image/png;base64,hidden", "data:…"),
        ("photos/a.jpg?hidden", "photos/a.jpg"),
        ("https://example.com/two\nlines\x1b[31m", "https://example.com/two�lines�[31m"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(uri: str, shown: str) -> None:
    assert redact_uri(uri) == shown


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("https://me:hidden@example.com:8443/a?b", "example.com:8443"),
        ("http://example.com?hidden", "example.com"),
        ("no address", "?"),
    ],
)
def test_a_message_names_the_host_and_its_port_only(uri: str, host: str) -> None:
    assert host_of(uri) == host
