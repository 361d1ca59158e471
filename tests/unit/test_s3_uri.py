import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadReference
from shared.object_storage import parse_s3_uri


@given(key=st.text())
def test_a_key_stays_as_it_is_written(key: str) -> None:
    assert parse_s3_uri(f"s3://bucket/{key}") == ("bucket", key)


def test_a_bucket_alone_has_an_empty_key() -> None:
    assert parse_s3_uri("s3://bucket") == ("bucket", "")


def test_the_scheme_may_be_in_capitals() -> None:
    assert parse_s3_uri("S3://bucket/a") == ("bucket", "a")


@pytest.mark.parametrize("uri", ["s3://", "s3:///key", "s3:bucket/key", "http://bucket/key", ""])
def test_what_names_no_bucket_is_a_bad_reference(uri: str) -> None:
    with pytest.raises(BadReference, match="s3://bucket/key"):
        parse_s3_uri(uri)
