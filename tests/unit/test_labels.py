from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.sources.base import SourceItem
from shared.artifact_manifest import ClassName
from shared.errors import LabelsError
from shared.imagenet_classes import imagenet_classes
from shared.labels import (
    MAX_UNRESOLVED_TEXTS,
    ClassTable,
    LabelResolver,
    LabelsSpec,
    parse_labels_spec,
)


def table_of(*pairs: tuple[str, str]) -> ClassTable:
    return ClassTable([ClassName(id=id_, name=name) for id_, name in pairs])


def resolver_of(spec: str, *pairs: tuple[str, str]) -> LabelResolver:
    return LabelResolver(parse_labels_spec(spec), table_of(*pairs))


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("folders", LabelsSpec(kind="folders")),
        ("none", LabelsSpec(kind="none")),
        ("column", LabelsSpec(kind="column")),
        ("column:true class", LabelsSpec(kind="column", column="true class")),
        ("file:/data/a:b.csv", LabelsSpec(kind="file", file=Path("/data/a:b.csv"))),
    ],
)
def test_a_spec_says_where_labels_come_from(text: str, spec: LabelsSpec) -> None:
    assert parse_labels_spec(text) == spec


@pytest.mark.parametrize("text", ["", "folder", "file:", "column:", "folders:x", "none:"])
def test_any_other_spec_is_refused(text: str) -> None:
    with pytest.raises(LabelsError, match="use folders, column:NAME, file:PATH or none"):
        parse_labels_spec(text)


def test_imagenet_has_its_thousand_classes_in_order() -> None:
    classes = imagenet_classes()

    assert len(classes) == 1000
    assert [one.id for one in classes] == sorted(one.id for one in classes)
    assert classes[639] == ClassName(id="n03710721", name="maillot, tank suit")


@settings(max_examples=60, deadline=None)
@given(index=st.integers(0, 999))
def test_every_imagenet_class_is_found_by_its_id_and_its_index(index: int) -> None:
    table = ClassTable(imagenet_classes())

    assert table.index_of(imagenet_classes()[index].id) == index
    assert table.index_of(str(index)) == index


def test_crane_is_two_classes_and_so_none() -> None:
    table = ClassTable(imagenet_classes())

    assert table.index_of("crane") is None
    assert table.is_ambiguous("crane")
    assert (table.index_of("n02012849"), table.index_of("n03126707")) == (134, 517)


def test_maillot_is_one_class_in_full_names_and_two_in_short_ones() -> None:
    full = ClassTable(imagenet_classes())
    short = table_of(("n03710637", "maillot"), ("n03710721", "maillot"))

    assert full.index_of("maillot") == 638
    assert full.index_of("maillot, tank suit") == 639
    assert not full.is_ambiguous("maillot")
    assert short.index_of("maillot") is None
    assert short.is_ambiguous("maillot")


def test_ids_win_over_names_and_names_over_indices() -> None:
    table = table_of(("b", "1"), ("a", "b"), ("0", "c"))

    assert table.index_of("b") == 0
    assert table.index_of("1") == 0
    assert table.index_of("0") == 2
    assert table.index_of("2") == 2


def test_an_ambiguous_name_is_not_tried_as_an_index() -> None:
    table = table_of(("a", "1"), ("b", "1"), ("c", "x"))

    assert table.index_of("1") is None
    assert table.is_ambiguous("1")


@pytest.mark.parametrize("text", ["", "3", "-1", "1.0", "²", "9" * 10, "Dog", "do g"])
def test_a_text_that_means_no_class_means_none(text: str) -> None:
    table = table_of(("n1", "dog"), ("n2", "cat"), ("n3", "cow"))

    assert table.index_of(text) is None
    assert not table.is_ambiguous(text)


def test_outer_spaces_and_the_composition_of_accents_do_not_matter() -> None:
    table = table_of(("n1", "caf\u00e9"))

    assert table.index_of(" cafe\u0301 ") == 0


@pytest.mark.parametrize(
    "uri",
    [
        "/data/val/dog/a.jpg",
        "s3://bucket/val/dog/a.jpg",
        "s3://bucket/dog/a?b#c.jpg",
        "https://h/val/dog/a.jpg?at=cat/x.jpg",
        "https://h/d%6Fg/a.jpg",
    ],
)
def test_folders_take_the_parent_folder_of_any_uri(uri: str) -> None:
    resolver = resolver_of("folders", ("n1", "cat"), ("n2", "dog"))

    assert resolver.resolve(SourceItem(uri=uri, label="cat")) == 1


@pytest.mark.parametrize("uri", ["s3://dog/a.jpg", "https://dog/a.jpg", "/a.jpg"])
def test_a_host_or_bucket_is_no_folder(uri: str) -> None:
    resolver = resolver_of("folders", ("n1", "dog"))

    assert resolver.resolve(SourceItem(uri=uri)) is None
    assert resolver.counts().missing == 1


def test_a_column_gives_the_label_of_the_item_and_none_gives_none() -> None:
    item = SourceItem(uri="/cat/a.jpg", label="dog")
    classes = (("n1", "cat"), ("n2", "dog"))

    assert resolver_of("column:truth", *classes).resolve(item) == 1
    assert resolver_of("none", *classes).resolve(item) is None


def test_what_is_not_resolved_is_counted_with_examples() -> None:
    resolver = resolver_of("column", ("n1", "crane"), ("n2", "crane"), ("n3", "dog"))
    labels = ["dog", "n1", "crane", "crane", "wolf", None, ""]

    indices = [resolver.resolve(SourceItem(uri="/a", label=label)) for label in labels]

    counts = resolver.counts()
    assert indices == [2, 0, None, None, None, None, None]
    assert (counts.resolved, counts.unresolved, counts.missing) == (2, 3, 2)
    assert counts.classes_seen == 2
    assert counts.unresolved_texts == (("crane", 2), ("wolf", 1))
    assert counts.ambiguous_texts == ("crane",)
    assert resolver.unresolved_summary() == {
        "count": 3,
        "texts": {"crane": 2, "wolf": 1},
        "ambiguous": ["crane"],
    }


def test_nothing_unresolved_is_an_empty_summary() -> None:
    resolver = resolver_of("column", ("n1", "dog"))
    resolver.resolve(SourceItem(uri="/a", label="dog"))

    assert resolver.unresolved_summary() == {}


def test_distinct_unresolved_texts_are_bounded_but_all_counted() -> None:
    resolver = resolver_of("column", ("n1", "dog"))
    for number in range(MAX_UNRESOLVED_TEXTS + 50):
        resolver.resolve(SourceItem(uri="/a", label=f"text {number}"))

    counts = resolver.counts(examples=10**6)

    assert counts.unresolved == MAX_UNRESOLVED_TEXTS + 50
    assert len(counts.unresolved_texts) == MAX_UNRESOLVED_TEXTS
