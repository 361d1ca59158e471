from hypothesis import given
from hypothesis import strategies as st

from producer.chunker import split, to_references
from producer.sources.base import SourceItem
from shared.artifact_manifest import ClassName
from shared.image_reference import ImageReference, pack_references, unpack_references, unpack_rows
from shared.labels import ClassTable, LabelResolver, parse_labels_spec
from shared.messages import ClassifyChunk

CLASSES = [ClassName(id="n01", name="cat"), ClassName(id="n02", name="dog")]

texts = st.text(max_size=20)
references = st.builds(
    ImageReference,
    index=st.integers(0, 2**40),
    uri=texts,
    id=st.none() | texts,
    label=st.none() | st.integers(0, 999),
    extra=st.none() | st.dictionaries(texts, texts | st.integers(), min_size=1, max_size=3),
    problem=st.none() | texts,
)


@given(st.integers(0, 3000), st.integers(1, 512))
def test_chunks_hold_every_reference_in_order_and_are_of_nearly_one_size(count, largest):
    whole = [ImageReference(index=index, uri="x") for index in range(count)]

    chunks = list(split(whole, largest))

    assert [reference for chunk in chunks for reference in chunk] == whole
    sizes = {len(chunk) for chunk in chunks}
    assert not sizes or (max(sizes) <= largest and max(sizes) - min(sizes) <= 1)
    assert len(chunks) == -(-count // largest)


def test_references_are_numbered_and_their_labels_resolved():
    resolver = LabelResolver(parse_labels_spec("folders"), ClassTable(CLASSES))
    items = [
        SourceItem(uri="/a/n02/1.png", label="n02", id="x", extra={"k": 1}),
        SourceItem(uri="/a/bird/2.png", label="bird"),
        SourceItem(uri="{", problem="line 3 is not JSON", line=3),
    ]

    made = to_references(items, first_index=40, resolver=resolver)

    assert [reference.index for reference in made] == [40, 41, 42]
    assert [reference.label for reference in made] == [1, None, None]
    assert (made[0].id, made[0].extra, made[2].problem) == ("x", {"k": 1}, "line 3 is not JSON")


@given(st.lists(references, max_size=20))
def test_packing_and_a_message_give_the_references_back(whole):
    packed = pack_references(whole)
    message = ClassifyChunk(
        job_key=1, chunk_id=2, artifact_digest="f", topk=5, rows=unpack_rows(packed)
    )
    sent = ClassifyChunk.model_validate_json(message.model_dump_json())

    assert unpack_references(packed) == whole
    assert sent.references() == whole


def test_a_packed_reference_takes_about_thirty_bytes():
    whole = [
        ImageReference(
            index=i, uri=f"s3://bucket/val/n0{i % 97:07}/ILSVRC2012_val_{i:08}.JPEG", label=i % 97
        )
        for i in range(256)
    ]

    assert len(pack_references(whole)) / len(whole) < 30
