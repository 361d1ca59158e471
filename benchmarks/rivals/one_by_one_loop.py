"""The loop that everybody writes first: decode, preprocess and infer each image in turn."""

from benchmarks.rivals.openvino_requests import compile_graph
from benchmarks.rivals.serving import Workload, read_workload, serve


class OneByOneLoop:
    """One image at a time; the network may use all cores for it."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        compiled = compile_graph(workload.artifact, hint="LATENCY")
        self._request = compiled.create_infer_request()

    def classify(self, images: int) -> list[int]:
        """Classify a round."""
        best_classes = []
        for index in range(images):
            pixels = self._workload.recipe.pixels(self._workload.path(index).read_bytes())
            self._request.infer([pixels[None]])
            best_classes.append(int(self._request.get_tensor("class_indices").data[0, 0]))
        return best_classes


if __name__ == "__main__":
    serve(OneByOneLoop(read_workload()).classify)
