"""The page: complete, self-contained, and proof against hostile names."""

import base64
import re
from dataclasses import replace

import pytest

from producer.report import BaselineComparison, Mistake, render_html
from shared.accuracy import Answer, Counts, StageSeconds, paired_comparison
from tests.support.evaluations import GARMENTS, sample_evaluation
from tests.support.pages import Page

EVALUATION = sample_evaluation(images=2000)
HOSTILE = "<script>alert('x')</script>\"onload=\"y\x1b[31m\u202e"
UNLABELLED = Counts(
    total=50,
    predicted=50,
    failed=0,
    labelled=0,
    predicted_labelled=0,
    top1_correct=0,
    top5_correct=0,
)


def _mistake(index=1, **changes):
    fields = {
        "index": index,
        "uri_redacted": f"s3://garments/{index:05d}.png",
        "true_name": "Shirt",
        "predicted_name": "Coat",
        "probability": 0.987,
        "thumbnail_jpeg": b"\xff\xd8\xffpicture",
    }
    return Mistake(**{**fields, **changes})


def _comparison(key="https://user:pass@cdn.example/a.png?signature=secret"):
    old = [Answer(key=key, input_sha256="a", label=0, predicted=0)]
    new = [Answer(key=key, input_sha256="a", label=0, predicted=55, probability=0.75)]
    return BaselineComparison(job_id="01baseline", figures=paired_comparison(old, new))


def _page(evaluation=EVALUATION, mistakes=(), comparison=None):
    return Page(render_html(evaluation, mistakes, comparison=comparison))


def test_every_element_is_closed_where_it_was_opened():
    page = _page(mistakes=[_mistake(), _mistake(2, thumbnail_jpeg=None)], comparison=_comparison())

    assert page.nesting_errors == []


def test_the_page_asks_nothing_of_any_server():
    page = _page(mistakes=[_mistake()], comparison=_comparison())

    addressed = [
        (tag, value)
        for tag, name, value in page.attributes
        if name in {"src", "href", "srcset", "action", "data", "poster", "xlink:href"}
    ]
    assert addressed
    assert all(value.startswith("data:image/jpeg;base64,") for _, value in addressed)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {
        tag for tag, _ in page.elements
    }
    styles = " ".join(page.styles + [v for _, name, v in page.attributes if name == "style"])
    assert "--page" in styles
    assert not re.search(r"url\(|@import|//", styles)


def test_the_page_forbids_requests_by_policy_too():
    policies = [a["content"] for a in _page().find("meta") if "http-equiv" in a]

    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_light_dark_phone_and_print_are_all_styled():
    page = _page()

    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.find(
        "meta"
    )
    style = " ".join(page.styles)
    assert "prefers-color-scheme: dark" in style
    assert "max-width: 46rem" in style
    assert "tabular-nums" in style


def test_all_figures_are_there_with_their_intervals_and_denominators():
    text = _page().text
    counts, accuracy = EVALUATION.counts, EVALUATION.accuracy

    for rate in (accuracy.top1, accuracy.top5, accuracy.top1_over_all, accuracy.top5_over_all):
        low, high = rate.interval
        assert f"{100 * rate.value:.2f} %" in text
        assert f"{100 * low:.2f} to {100 * high:.2f} %" in text
        assert f"{rate.correct:,} {rate.total:,}" in text
    for number in (counts.total, counts.predicted, counts.failed, counts.labelled):
        assert f"{number:,}" in text
    assert f"Images without a known class ( {counts.unlabelled}" in text.replace("(27", "( 27")
    assert f"{100 * EVALUATION.calibration_error:.2f} %" in text


def test_classes_come_worst_first_with_their_figures():
    page = _page()

    section = page.text.split("Classes, the worst first")[1].split("Most confused pairs")[0]
    shirt = EVALUATION.per_class[6]
    assert section.index("Shirt") < section.index("Trouser")
    assert f"{100 * shirt.recall.value:.1f} %" in section
    assert f"{100 * shirt.precision.value:.1f} %" in section
    assert f"{100 * shirt.f1:.1f} %" in section
    assert all(name in section for name in GARMENTS)


def test_confused_pairs_and_matrix_hold_the_counts():
    text = _page().text
    worst = EVALUATION.confused_pairs[0]

    pairs = text.split("Most confused pairs")[1].split("Confusion matrix")[0]
    share = worst.count / EVALUATION.per_class[worst.true_index].support
    assert f"{GARMENTS[worst.true_index]} {GARMENTS[worst.predicted_index]}" in pairs
    assert f"{100 * share:.1f} % {worst.count}" in pairs
    matrix = text.split("Confusion matrix")[1].split("Calibration")[0]
    row = [EVALUATION.confusion.get((6, column), 0) for column in range(10)]
    assert f"Shirt {' '.join(map(str, row))}" in matrix


def test_the_matrix_is_left_out_where_it_would_not_fit():
    assert "Confusion matrix" not in _page(replace(EVALUATION, confusion=None)).text


def test_the_diagram_has_a_bar_for_each_bin_with_images_and_says_the_same_as_a_table():
    page = _page()
    filled = [entry for entry in EVALUATION.calibration if entry.count]

    bars = [a for a in page.find("rect") if a["class"] == "accuracy"]
    heights = [float(bar["height"]) for bar in bars]
    assert heights == pytest.approx([300 * b.correct / b.count for b in filled], abs=0.02)
    table = page.text.split("The bins as a table")[1]
    assert all(f"{100 * b.correct / b.count:.1f} % {b.count:,}" in table for b in filled)
    assert "img" in [a.get("role") for a in page.find("svg")]


def test_failures_speed_and_provenance_are_there():
    text = _page().text

    assert "not_found There is nothing at that address." in text
    assert "1,234 images/s over 8 min 12 s" in text
    assert "The bottleneck is decode: at work for 93 % of its time." in text
    assert "2026-07-25 17:28:12 UTC" in text
    for fact in (
        EVALUATION.artifact.name,
        EVALUATION.artifact.digest,
        EVALUATION.artifact.recipe_digest,
        EVALUATION.artifact.precision_used,
        EVALUATION.artifact.variant,
        EVALUATION.source,
        "cpu:0, cpu:1",
        EVALUATION.job_id,
    ):
        assert fact in text


def test_thumbnails_are_embedded_and_missing_ones_are_said():
    page = _page(mistakes=[_mistake(7), _mistake(8, thumbnail_jpeg=None)])

    (image,) = page.find("img")
    assert base64.b64decode(image["src"].partition(",")[2]) == b"\xff\xd8\xffpicture"
    assert image["alt"] == "Image 7: Shirt called Coat"
    assert "no picture kept" in page.text
    assert "Coat 98.7 % is Shirt s3://garments/00007.png" in page.text


def test_the_most_confident_mistakes_come_first_and_not_too_many():
    mistakes = [_mistake(number, probability=number / 100) for number in range(1, 100)]

    images = _page(mistakes=mistakes).find("img")

    assert len(images) == 60
    assert images[0]["alt"].startswith("Image 99:")
    assert images[-1]["alt"].startswith("Image 40:")


def test_hostile_names_stay_text():
    names = (HOSTILE, *GARMENTS[1:])
    evaluation = sample_evaluation(
        names=names,
        images=500,
        source=HOSTILE,
        state=HOSTILE,
        job_id=HOSTILE,
        devices=(HOSTILE,),
        failures={HOSTILE: 37},
        stage_seconds={HOSTILE: StageSeconds(busy=1.0, starved=0.0, blocked=0.0)},
        artifact=replace(EVALUATION.artifact, name=HOSTILE, variant=HOSTILE, digest=HOSTILE),
    )
    mistake = _mistake(true_name=HOSTILE, predicted_name=HOSTILE, uri_redacted=HOSTILE)

    html = render_html(evaluation, [mistake], comparison=_comparison(HOSTILE))
    page = Page(html)

    assert "<script" not in html
    assert page.nesting_errors == []
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert page.text.count("<script>alert('x')</script>\"onload=\"y�[31m�") >= 15
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_undecodable_names_do_not_break_the_page():
    html = render_html(EVALUATION, [_mistake(uri_redacted="/data/\udcff.png")])

    assert "/data/�.png" in html.encode().decode()


def test_random_weights_are_announced_and_their_accuracy_is_no_headline():
    page = _page(replace(EVALUATION, random_weights=True))

    top = page.text.split("Images predicted")[0]
    assert "The weights of this model are random." in top
    assert "Top-1 accuracy – not applicable: random weights" in top
    assert "%" not in top
    assert {"class": "notice", "role": "note"} in page.find("p")


def test_a_job_without_labels_says_how_to_get_accuracy():
    evaluation = replace(
        EVALUATION,
        counts=UNLABELLED,
        per_class=(),
        confused_pairs=(),
        confusion={},
        calibration=(),
        failures={},
    )

    page = _page(evaluation)

    assert "Submit the job with --labels" in page.text
    assert "Top-1 accuracy – not available" in page.text
    assert page.text.count("no labelled image was predicted") == 4
    assert "Calibration" not in page.text
    assert "No image failed." in page.text
    assert page.nesting_errors == []


def test_a_finished_job_has_no_notice():
    assert {"class": "notice", "role": "note"} not in _page().find("p")


def test_top5_of_few_classes_says_why_it_is_missing():
    page = _page(replace(EVALUATION, class_count=4))

    assert page.text.count("fewer than five classes") == 2


def test_the_comparison_shows_the_change_and_redacts_addresses():
    page = _page(comparison=_comparison())

    section = page.text.split("Against job 01baseline")[1].split("Classes")[0]
    assert "−100.00 points" in section
    assert "p = 1.0000" in section
    assert "https://cdn.example/a.png T-shirt/top T-shirt/top class 55 75.0 %" in section
    assert "secret" not in page.text
    assert "pass@" not in page.text


def test_tables_have_headings_with_scope():
    page = _page(mistakes=[_mistake()], comparison=_comparison())

    headings = page.find("th")
    assert len(headings) > 40
    assert all(heading.get("scope") in {"col", "row"} for heading in headings)
    assert page.find("html") == [{"lang": "en"}]
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    labelled_by = [a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a]
    assert set(labelled_by) <= set(ids)
