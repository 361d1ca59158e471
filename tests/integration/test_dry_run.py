import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.dry_run import DryRunLimits, DryRunReport, dry_run
from producer.duplicates import DuplicateCount, DuplicateCounter
from producer.sources.options import SourceOptions
from shared.artifact_manifest import ClassName
from shared.labels import ClassTable, LabelResolver, parse_labels_spec
from tests.support.source_reading import source_of

CLASSES = ClassTable(
    [
        ClassName(id="n1", name="cat"),
        ClassName(id="n2", name="crane"),
        ClassName(id="n3", name="crane"),
    ]
)
LIST = """path,label
a/1.jpg,cat
a/2.jpg,n2
a/1.jpg,crane
broken
https://user:secret@h:81/x.jpg?key=secret,wolf
https://user:secret@h:81/x.jpg?key=secret,
s3://bucket/x.jpg,0
gs://bucket/x.jpg,0
"""


def report_of(content: str, tmp_path: Path, **options: Any) -> DryRunReport:
    wanted = {"resolver": None, "images_per_second": None, **options}
    source = source_of(content, "csv", options=SourceOptions(page_items=2))
    return dry_run(source, work_dir=tmp_path, **wanted)


def count_of(uris: list[str], tmp_path: Path, *, exact_references: int) -> DuplicateCount:
    with DuplicateCounter(work_dir=tmp_path, exact_references=exact_references) as counter:
        for start in range(0, len(uris), 500):
            counter.add(uris[start : start + 500])
        return counter.count()


def test_a_dry_run_counts_images_and_names_what_cannot_be_read(tmp_path: Path) -> None:
    report = report_of(LIST, tmp_path)

    assert (report.images, report.unreadable) == (6, 2)
    assert [(problem.line, problem.reason) for problem in report.problems] == [
        (5, "it has 1 columns, not 2"),
        (9, "unknown scheme 'gs': use a path, http, https or s3"),
    ]
    assert report.places == (("/base/a", 3), ("https://h:81", 2), ("s3://bucket", 1))
    assert report.other_places == 0


def test_duplicates_are_exact_and_shown_without_secrets(tmp_path: Path) -> None:
    report = report_of(LIST, tmp_path)

    assert report.duplicates == DuplicateCount(
        repeated=2,
        is_exact=True,
        standard_error=0.0,
        examples=("/base/a/1.jpg", "https://h:81/x.jpg"),
    )
    assert "secret" not in json.dumps(report.as_dict()) + "\n".join(report.render())


def test_labels_are_resolved_and_what_is_not_is_shown(tmp_path: Path) -> None:
    with LabelResolver(parse_labels_spec("column:label"), CLASSES) as resolver:
        report = report_of(LIST, tmp_path, resolver=resolver)

    assert report.labels is not None
    assert (report.labels.resolved, report.labels.unresolved, report.labels.missing) == (3, 2, 1)
    assert report.labels.classes_seen == 2
    assert set(report.labels.unresolved_texts) == {("crane", 1), ("wolf", 1)}
    assert report.labels.ambiguous_texts == ("crane",)


def test_the_time_is_estimated_from_the_rate(tmp_path: Path) -> None:
    report = report_of(LIST, tmp_path, images_per_second=0.001)

    assert report.estimated_seconds == pytest.approx(6000)
    assert "time: about 1:40:00 at 0 images/s" in report.render()
    assert "no estimate" in "\n".join(report_of(LIST, tmp_path).render())


def test_the_report_reads_as_text(tmp_path: Path) -> None:
    with LabelResolver(parse_labels_spec("column:label"), CLASSES) as resolver:
        lines = report_of(
            LIST,
            tmp_path,
            resolver=resolver,
            images_per_second=2.0,
            limits=DryRunLimits(problems_shown=1, places_shown=1, duplicates_shown=1),
        ).render()

    assert lines == [
        "images: 6",
        "  3 in /base/a",
        "  3 elsewhere",
        "duplicates: 2",
        "  again: /base/a/1.jpg",
        "unreadable lines: 2",
        "  line 5: it has 1 columns, not 2",
        "  and 1 more",
        "labels: 3 resolved (50.0%) in 2 classes, 2 unresolved, 1 missing",
        "  1 x 'crane' is no class",
        "  1 x 'wolf' is no class",
        "  'crane' could be several classes: use ids",
        "time: about 0:00:03 at 2 images/s",
        "dry run: nothing was queued",
    ]


def test_progress_is_told_after_each_page_and_nothing_is_left_behind(tmp_path: Path) -> None:
    heard: list[int] = []

    report_of(LIST, tmp_path, progress=heard.append)

    assert heard == [2, 4, 6, 8]
    assert list(tmp_path.iterdir()) == []


def test_different_places_are_bounded_but_all_counted(tmp_path: Path) -> None:
    content = "path\n" + "".join(f"{number}/a.jpg\n" for number in range(50)) + "0/b.jpg\n"

    report = report_of(content, tmp_path, limits=DryRunLimits(places_counted=5))

    assert report.places[0] == ("/base/0", 2)
    assert len(report.places) == 5
    assert report.other_places == 45


@given(st.lists(st.integers(0, 30).map(str), max_size=60))
@settings(max_examples=30, deadline=None)
def test_up_to_the_limit_duplicates_are_exactly_what_sets_say(
    tmp_path_factory: pytest.TempPathFactory, uris: list[str]
) -> None:
    found = count_of(uris, tmp_path_factory.getbasetemp(), exact_references=31)

    assert found.is_exact
    assert found.repeated == len(uris) - len(set(uris))


def test_beyond_the_limit_none_is_reported_where_there_is_none(tmp_path: Path) -> None:
    found = count_of([f"/a/{n}.jpg" for n in range(20_000)], tmp_path, exact_references=500)

    assert (found.repeated, found.is_exact, found.standard_error) == (0, False, 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_beyond_the_limit_the_estimate_is_within_its_own_error(tmp_path: Path, seed: int) -> None:
    uris = [f"/{seed}/{number}.jpg" for number in range(20_000)]
    uris += uris[:3000] + uris[:1000]

    found = count_of(uris, tmp_path, exact_references=1000)

    assert not found.is_exact
    assert 0 < found.standard_error < 600
    assert abs(found.repeated - 4000) < 4 * found.standard_error


def test_estimates_are_right_on_average(tmp_path: Path) -> None:
    estimates = []
    for seed in range(20):
        uris = [f"/{seed}/{number}.jpg" for number in range(2000)]
        found = count_of(uris + uris[:1000], tmp_path, exact_references=200)
        estimates.append(found.repeated)

    assert len(set(estimates)) > 5
    assert sum(estimates) / len(estimates) == pytest.approx(1000, rel=0.1)
    assert "estimated from a sample" in str(
        report_of("path\na\nb\nc\n", tmp_path, limits=DryRunLimits(exact_references=1)).render()
    )


def test_a_stored_sample_never_exceeds_the_limit(tmp_path: Path) -> None:
    with DuplicateCounter(work_dir=tmp_path, exact_references=100) as counter:
        counter.add(f"/a/{number}.jpg" for number in range(10_000))
        (database,) = tmp_path.glob("duplicates-*/seen.sqlite")

        assert database.stat().st_size < 40_000
