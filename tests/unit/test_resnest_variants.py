import re

import pytest

from shared.errors import UsageError
from worker.models.variants import VARIANTS, find_variant

PUBLISHED = [variant for variant in VARIANTS.values() if variant.weights]


def test_the_table_has_the_seven_variants_in_order():
    assert list(VARIANTS) == [
        "resnest50",
        "resnest101",
        "resnest200",
        "resnest269",
        "resnest14d",
        "resnest26d",
        "resnest_tiny",
    ]


@pytest.mark.parametrize("variant", PUBLISHED, ids=lambda variant: variant.name)
def test_the_digest_is_the_one_that_the_published_file_name_carries(variant):
    # torch.hub's own rule: what stands between the last hyphen and the dot
    carried = re.findall(r"-([a-f0-9]*)\.", variant.weights.file_name)

    assert carried == [variant.weights.sha256_prefix]
    assert len(variant.weights.sha256_prefix) == 8


@pytest.mark.parametrize("variant", PUBLISHED, ids=lambda variant: variant.name)
def test_every_address_is_encrypted_and_ends_with_the_file_name(variant):
    for url in variant.weights.urls:
        assert url.startswith("https://")
        assert url.endswith(f"/{variant.weights.file_name}")


def test_an_unknown_variant_is_refused_with_the_names_of_all_others():
    with pytest.raises(UsageError) as refusal:
        find_variant("resnet50")

    message = str(refusal.value)
    assert "\n" not in message
    assert all(name in message for name in ["resnet50", *VARIANTS])
