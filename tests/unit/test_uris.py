import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.sources.uris import MAX_URI_BYTES, absolute_uri
from shared.errors import BadReference


@pytest.mark.parametrize(
    ("text", "base", "expected"),
    [
        ("a.jpg", "/data", "/data/a.jpg"),
        ("./x/../b c.jpg", "/data", "/data/b c.jpg"),
        ("/abs/a.jpg", "/data", "/abs/a.jpg"),
        ("//abs//a.jpg", "/data", "/abs/a.jpg"),
        ("https://h/a.jpg?sig=1#x", "/data", "https://h/a.jpg?sig=1#x"),
        ("HTTPS://h/a.jpg", "/data", "https://h/a.jpg"),
        ("s3://bucket/odd key?#+.jpg", "/data", "s3://bucket/odd key?#+.jpg"),
        ("file:///data/a%20b.jpg", "/data", "/data/a b.jpg"),
        ("a.jpg", "https://h/lists/list.txt?token=1", "https://h/lists/a.jpg"),
        ("../a.jpg", "https://h/lists/list.txt", "https://h/a.jpg"),
        ("/a.jpg", "https://h/lists/list.txt", "https://h/a.jpg"),
        ("a:1.jpg", "https://h/lists/list.txt", "https://h/lists/a:1.jpg"),
        ("//cdn/a.jpg", "https://h/lists/list.txt", "https://cdn/a.jpg"),
        ("a.jpg", "s3://bucket/lists/list.txt", "s3://bucket/lists/a.jpg"),
        ("../../../a.jpg", "s3://bucket/lists/list.txt", "s3://bucket/a.jpg"),
        ("a.jpg", "s3://bucket/list.txt", "s3://bucket/a.jpg"),
    ],
)
def test_what_a_list_names_becomes_absolute(text: str, base: str, expected: str) -> None:
    assert absolute_uri(text, base=base) == expected


@pytest.mark.parametrize(
    ("text", "base", "reason"),
    [
        ("", "/data", "names no image"),
        ("gs://bucket/a.jpg", "/data", "unknown scheme 'gs'"),
        ("file:///etc/passwd", "https://h/list.txt", "cannot name local files"),
        ("file://other/a.jpg", "/data", "another host"),
        ("https:///a.jpg", "/data", "no host"),
        ("a\0.jpg", "/data", "NUL"),
        ("a\ud800.jpg", "/data", "not valid Unicode"),
        ("a" * (MAX_URI_BYTES + 1), "/data", "more than 8192"),
    ],
)
def test_what_cannot_be_a_reference_says_why(text: str, base: str, reason: str) -> None:
    with pytest.raises(BadReference, match=reason):
        absolute_uri(text, base=base)


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1), st.sampled_from(["/data", "https://h/x/l.csv", "s3://b/x/l.csv"]))
def test_any_text_is_made_absolute_or_refused(text: str, base: str) -> None:
    try:
        uri = absolute_uri(text, base=base)
    except BadReference:
        return
    assert uri.startswith(("/", "http://", "https://", "s3://"))
