from pathlib import Path

import pytest

from producer.sources.addresses import absolute_spec, file_name
from shared.errors import SourceError


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("/data/./set/", "/data/set"),
        ("set/../other.csv", f"{Path.cwd()}/other.csv"),
        ("~/set", f"{Path.home()}/set"),
        ("file:///data/a%20b.txt", "/data/a b.txt"),
        ("s3://bucket/a/../b", "s3://bucket/a/../b"),
        ("https://h/list.txt?sig=a/b", "https://h/list.txt?sig=a/b"),
        ("-", "-"),
    ],
)
def test_a_source_is_named_so_that_any_process_finds_it(spec: str, expected: str) -> None:
    assert absolute_spec(spec) == expected


def test_an_address_of_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(SourceError, match="gs:// cannot be read"):
        absolute_spec("gs://bucket/x")


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("https://h/a/list.csv.gz?sig=x/y.txt", "list.csv.gz"),
        ("s3://bucket/a/list?.csv", "list?.csv"),
        ("s3://bucket/a.csv/", ""),
        ("/data/list.txt", "list.txt"),
    ],
)
def test_the_name_of_a_list_is_the_last_element_of_its_path(spec: str, name: str) -> None:
    assert file_name(spec) == name
