from pathlib import Path

import pytest

from producer.sources.base import SourceItem
from shared.artifact_manifest import ClassName
from shared.errors import LabelsError
from shared.labels import ClassTable, LabelResolver, parse_labels_spec

CLASSES = ClassTable([ClassName(id="n1", name="cat"), ClassName(id="n2", name="great white shark")])


def resolved(file: Path, item: SourceItem) -> int | None:
    with LabelResolver(parse_labels_spec(f"file:{file}"), CLASSES) as resolver:
        return resolver.resolve(item)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.csv", 'image,class\n"a b.jpg",great white shark\nc.jpg,cat\n'),
        ("l.tsv", "a b.jpg\tgreat white shark\r\nc.jpg\tcat\r\n"),
        ("l.txt", "a b.jpg 1\nc.jpg 0"),
        ("l.txt", "\ufeffa b.jpg\tgreat white shark\n\nc.jpg\tn1\n"),
        ("labels", "./a b.jpg n2\nc.jpg n1\n"),
    ],
)
def test_a_file_of_labels_is_read_in_its_format(tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / name
    file.write_text(content, newline="")

    assert resolved(file, SourceItem(uri="/data/a b.jpg")) == 1
    assert resolved(file, SourceItem(uri="/data/c.jpg")) == 0
    assert resolved(file, SourceItem(uri="/data/d.jpg")) is None


@pytest.mark.parametrize(
    "item",
    [
        SourceItem(uri="/x.jpg", id="image 7"),
        SourceItem(uri="https://h/exact.jpg?v=1"),
        SourceItem(uri="/data/val/deep/b.jpg"),
        SourceItem(uri="s3://bucket/any/c.jpg"),
        SourceItem(uri="https://h/x/d.jpg?token=1"),
        SourceItem(uri="/data/stem.jpg"),
    ],
)
def test_an_image_is_found_by_each_of_its_names(tmp_path: Path, item: SourceItem) -> None:
    file = tmp_path / "labels.tsv"
    names = ["image 7", "https://h/exact.jpg?v=1", "deep/b.jpg", "c.jpg", "d.jpg", "stem"]
    file.write_text("".join(f"{name}\tcat\n" for name in names))

    assert resolved(file, item) == 0


def test_the_id_wins_over_the_path_and_the_longer_path_over_the_shorter(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("id,n1\na.jpg,n2\nx/a.jpg,n1\n")

    assert resolved(file, SourceItem(uri="/y/a.jpg", id="id")) == 0
    assert resolved(file, SourceItem(uri="/y/a.jpg", id="other")) == 1
    assert resolved(file, SourceItem(uri="/x/a.jpg")) == 0


def test_the_same_label_twice_is_harmless_but_two_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("a.jpg,n1\na.jpg,n1\n")
    assert resolved(file, SourceItem(uri="/a.jpg")) == 0

    file.write_text("a.jpg,n1\nb.jpg,n1\na.jpg,n2\n")
    with pytest.raises(LabelsError, match=r"line 3 gives 'a\.jpg' another class"):
        resolved(file, SourceItem(uri="/a.jpg"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a.jpg,1,2\n", "line 1 is no 'image, class'"),
        (b"a.jpg,n1\nb.jpg,\n", "line 2 is no 'image, class'"),
        (b"a.jpg,\xff\n", "not UTF-8"),
        (b'a.jpg,"x"y\n', "not valid .csv"),
        (b"a.jpg," + b"x" * 70_000, "a line of over 65536 characters"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "labels.csv"
    file.write_bytes(content)

    with pytest.raises(LabelsError) as caught:
        resolved(file, SourceItem(uri="/a.jpg"))

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="cannot be read: No such file"):
        resolved(tmp_path / "labels.csv", SourceItem(uri="/a.jpg"))
