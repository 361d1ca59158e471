"""How figures are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.report import wording


@pytest.mark.parametrize(
    ("share", "digits", "written"),
    [
        (0.92136, 2, "92.14 %"),
        (1.0, 2, "100.00 %"),
        (0.999999, 2, "> 99.99 %"),
        (0.0, 1, "0.0 %"),
        (0.0001, 1, "< 0.1 %"),
        (0.93, 0, "93 %"),
        (None, 2, "–"),
    ],
)
def test_percent_never_rounds_to_all_or_nothing(share, digits, written):
    assert wording.percent(share, digits) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, "–"),
        (3.04, "3.0 s"),
        (492, "8 min 12 s"),
        (59.98, "60.0 s"),
        (3600, "1 h 0 min"),
        (7260.2, "2 h 1 min"),
        (100_000, "1 d 3 h"),
    ],
)
def test_durations_have_their_two_greatest_units(seconds, written):
    assert wording.duration(seconds) == written


def test_moments_are_written_in_utc_and_say_so():
    assert wording.utc(1_785_000_000.9) == "2026-07-25 17:20:00 UTC"
    assert wording.utc(None) == "–"


def test_differences_have_a_sign():
    assert wording.points(-0.0085) == "−0.85 points"
    assert wording.points_interval((-0.0168, 0.0003)) == "−1.68 to +0.03 points"
    assert (wording.points(None), wording.points_interval(None)) == ("–", "–")


@pytest.mark.parametrize(("p", "written"), [(0.04417, "p = 0.0442"), (3e-9, "p < 0.0001")])
def test_p_values_do_not_pretend_precision(p, written):
    assert wording.p_value(p) == written


@pytest.mark.parametrize(
    ("rate", "written"), [(1234.5, "1,234"), (12.345, "12.3"), (0.5, "0.5"), (None, "–")]
)
def test_rates_show_three_digits_that_matter(rate, written):
    assert wording.rate_per_second(rate) == written


@given(st.text(st.characters(), max_size=40) | st.characters().map(lambda one: one * 250))
def test_printable_text_is_one_short_line_that_can_be_encoded(text):
    shown = wording.printable(text)

    assert len(shown) <= wording.LONGEST_TEXT
    assert len(shown.splitlines()) <= 1
    shown.encode()


@pytest.mark.parametrize(
    "letter",
    ["\x1b", "\x9b", "\n", "\x00", "\u202e", "\u2066", "\u200b", "\ufeff", "\udcff", "\u2028"],
)
def test_what_steers_hides_or_breaks_becomes_a_visible_mark(letter):
    assert wording.printable(f"a{letter}b") == "a\N{REPLACEMENT CHARACTER}b"


def test_printable_text_keeps_what_is_harmless_and_both_ends_of_what_is_long():
    assert wording.printable("Ärmel / 袖 🙂") == "Ärmel / 袖 🙂"
    shown = wording.printable("s3://start" + "x" * 500 + "end.png")
    assert shown.startswith("s3://start")
    assert shown.endswith("end.png")
    assert len(shown) < 210
