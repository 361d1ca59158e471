"""Result rows for tests of exports: one of a predicted image, one of a failed one."""

from producer.result_row import RankedClass, ResultRow
from producer.results_export import export_results


def ranked(number, probability=0.5, name=None):
    return RankedClass(
        class_index=number,
        class_id=f"n{number:08d}",
        name=name if name is not None else f"class {number}",
        probability=probability,
    )


GOOD = ResultRow(
    index=3,
    id="own-3",
    uri="https://user:pass@cdn.example/3.jpg?X-Amz-Signature=secret",
    label=7,
    label_rank=2,
    status="predicted",
    reason=None,
    topk=tuple(ranked(number, 0.5 / (number + 1)) for number in range(7)),
    artifact_digest="a" * 64,
    recipe_digest="b" * 64,
    input_sha256="c" * 64,
    device="cpu:0",
    extra={"photographer": "Ås", "stars": 4, "seen": None},
)
BAD = ResultRow(
    index=4,
    id=None,
    uri="/data/4.jpg",
    label=None,
    label_rank=None,
    status="failed",
    reason="truncated",
    topk=(),
    artifact_digest="a" * 64,
    recipe_digest="b" * 64,
    input_sha256=None,
    device="cpu:0",
)


def export_to_file(tmp_path, rows, *, format, raw=False):
    out = tmp_path / f"results.{format}"
    written = export_results(iter(rows), format=format, out=out, with_raw_uris=raw)
    assert written == len(rows)
    return out
