"""The 1,000 classes of ImageNet-1k in the order of the official weights' outputs."""

import csv
from functools import cache
from importlib.resources import files

from shared.artifact_manifest import ClassName

_DATA_FILE = "imagenet_classes.tsv"


@cache
def imagenet_classes() -> list[ClassName]:
    """Return them: `id` is the wnid, `name` all its synonyms; the index is the position.

    Two of the names are equal: `crane` is index 134 (the bird) and 517 (the machine).
    """
    text = files("shared.data").joinpath(_DATA_FILE).read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [ClassName(id=row["class_id"], name=row["name"]) for row in rows]
