import json
import sys

import pytest

from shared.errors import MissingExtra, UsageError
from worker.models.description import describe, render
from worker.models.variants import VARIANTS


def test_the_size_changes_multiply_adds_but_not_the_comparison_with_the_seed_page():
    native, larger = describe("resnest50"), describe("resnest50", 256)

    assert native.input_size == 224
    assert larger.input_size == 256
    assert larger.native_input_size == 224
    assert native.multiply_adds == 5_371_160_576
    assert round(larger.multiply_adds / 1e9, 6) == 7.014189
    assert larger.parameters == native.parameters
    assert larger.seed_page == native.seed_page


def test_the_seed_page_s_formula_gives_its_own_figure():
    page = describe("resnest50").seed_page

    assert page is not None
    assert page.our_flops_giga == page.flops_giga == 12.065
    assert page.our_params_millions == page.params_millions == 27.483
    assert "gives the page's figure" in page.note


def test_the_seed_page_s_transposed_digits_are_told():
    page = describe("resnest200", 32).seed_page

    assert page is not None
    assert (page.flops_giga, page.our_flops_giga) == (79.762, 79.672)
    assert "transposed" in page.note


def test_the_text_says_what_the_figures_are():
    text = "\n".join(render(describe("resnest50")))

    for expected in [
        "27,483,240",
        "5,371,160,576",
        "5.371 G",
        "12.065",
        "x 2 / 0.9e9",
        "81.03 %",
        "resnest50-528c19ca.pth",
        "https://github.com/zhanghang1989/",
        "native 224",
    ]:
        assert expected in text


def test_a_variant_that_was_never_published_says_so():
    description = describe("resnest_tiny")
    text = "\n".join(render(description))

    assert description.seed_page is None
    assert description.weights_urls == ()
    assert "published top-1 none" in text
    assert "none published: give a file or random:SEED" in text
    assert "does not list it" in text


@pytest.mark.parametrize("name", ["resnest50", "resnest14d", "resnest_tiny"])
def test_the_description_is_json(name):
    description = describe(name, 32)

    read_back = json.loads(json.dumps(description.as_dict()))

    assert read_back["variant"] == name
    assert read_back["multiply_adds"] == description.multiply_adds
    assert (read_back["seed_page"] is None) == (VARIANTS[name].seed_page is None)


@pytest.mark.parametrize("size", [0, -1, 4097])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(UsageError, match="out of range"):
        describe("resnest50", size)


def test_an_unknown_variant_is_refused():
    with pytest.raises(UsageError, match="no variant"):
        describe("resnest51")


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "worker.models.complexity", raising=False)

    with pytest.raises(MissingExtra, match=r"nestor\[compile\]"):
        describe("resnest50")
