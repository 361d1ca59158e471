"""The rival's side of the conversation: a line with a number of images in, a line of JSON out."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.artifact import Artifact, load_artifact
from worker.preprocessing.recipes import Recipe, open_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What a rival works on; image i of a round is `files[i % len(files)]`."""

    artifact: Artifact
    recipe: Recipe
    files: Sequence[Path]

    def path(self, index: int) -> Path:
        """Return the file of an image."""
        return self.files[index % len(self.files)]


def read_workload() -> Workload:
    """Read the artifact's folder and the list of files from the command line."""
    artifact = load_artifact(Path(sys.argv[1]))
    recipe = open_recipe(artifact.manifest.recipe.name, artifact.manifest.input_size)
    files = [Path(line) for line in Path(sys.argv[2]).read_text().splitlines()]
    return Workload(artifact=artifact, recipe=recipe, files=files)


def serve(classify: Callable[[int], list[int]]) -> None:
    """Answer each number of images with the seconds and the best class of each image.

    The clock runs from before the first file is opened to after the last result is there.
    """
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        best_classes = classify(int(line))
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "best_classes": best_classes}), flush=True)
