"""The stages together: real files, real decoding, a device of set speed and set faults."""

import threading

import pytest

from shared.errors import DeviceError, MachineError, PipelineStopped, SettingsError
from shared.image_reference import ImageReference
from shared.settings import Settings
from tests.support.tiny_images import write_tiny_images
from worker.devices import open_device
from worker.fetching import open_fetcher
from worker.pipeline.chunk_classifier import ChunkClassifier
from worker.pipeline.stage_clock import StageClock
from worker.preprocessing.recipes import open_recipe


class FaultyFetcher:
    """Reads files as the real one does, and raises what a URI names where a test wants it."""

    def __init__(self, real):
        self._real = real
        self.faults = {}

    def fetch(self, uri):
        if uri in self.faults:
            raise self.faults[uri]
        return self._real.fetch(uri)


@pytest.fixture
def fetcher(tmp_path):
    real = open_fetcher(Settings(data_dir=tmp_path))
    yield FaultyFetcher(real)
    real.close()


@pytest.fixture
def device_errors():
    return []


@pytest.fixture
def open_classifier(simulated_artifact, fetcher, device_errors, tmp_path):
    opened = []

    def open_one(device="simulated:0", **options):
        settings = Settings(data_dir=tmp_path, **options)
        classifier = ChunkClassifier(
            device=open_device(device, simulated_artifact, settings),
            recipe=open_recipe("exact", simulated_artifact.manifest.input_size),
            fetcher=fetcher,
            settings=settings,
            clock=StageClock(),
            on_device_error=lambda _, in_a_row: device_errors.append(in_a_row),
        )
        classifier.start()
        opened.append(classifier)
        return classifier

    yield open_one
    for classifier in opened:
        classifier.abort()
        classifier.close()


@pytest.fixture
def references(tmp_path):
    files = write_tiny_images(tmp_path / "images")
    return [
        ImageReference(index=index, uri=str(files[index % len(files)]), label=index % 10)
        for index in range(70)
    ]


def test_every_reference_gets_its_outcome_in_order(open_classifier, references):
    outcomes = open_classifier().classify(references)

    assert [outcome.reference for outcome in outcomes] == references
    assert all(outcome.reason is None for outcome in outcomes)
    assert [o.class_indices for o in outcomes[:16]] == [o.class_indices for o in outcomes[16:32]]
    assert len({tuple(outcome.class_indices) for outcome in outcomes}) > 1
    assert len({outcome.input_sha256 for outcome in outcomes}) == 16


def test_chunks_at_the_same_time_do_not_mix(open_classifier, references):
    classifier = open_classifier("simulated:0?images_per_second=2000", max_bytes_in_flight=500)
    parts = [references[start::5] for start in range(5)]
    outcomes = {}

    def classify(number):
        outcomes[number] = classifier.classify(parts[number])

    threads = [threading.Thread(target=classify, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    for number, part in enumerate(parts):
        assert [outcome.reference for outcome in outcomes[number]] == part


def test_bad_images_are_rows_and_the_rest_is_predicted(open_classifier, references, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    bad = [
        ImageReference(index=70, uri=str(tmp_path / "text.png")),
        ImageReference(index=71, uri=str(tmp_path / "missing.png")),
        ImageReference(index=72, uri="x", problem="line 9 is not JSON"),
    ]

    outcomes = open_classifier().classify([*bad, *references])

    assert [(o.reason, o.stage) for o in outcomes[:3]] == [
        ("not_an_image", "decode"),
        ("not_found", "fetch"),
        ("bad_reference", "source"),
    ]
    assert outcomes[2].message == "line 9 is not JSON"
    assert outcomes[0].input_sha256 is not None
    assert all(outcome.reason is None for outcome in outcomes[3:])


def test_an_error_that_nobody_foresaw_costs_its_image_only(open_classifier, references, fetcher):
    fetcher.faults[references[3].uri] = ZeroDivisionError("a bug")

    outcomes = open_classifier().classify(references[:8])

    assert [outcome.reason for outcome in outcomes] == [*[None] * 3, "fetch_failed", *[None] * 4]
    assert "ZeroDivisionError" in outcomes[3].message


@pytest.mark.parametrize(
    "error", [SettingsError("no such region"), MemoryError(), MachineError("x")]
)
def test_what_is_a_machines_fault_hands_the_chunk_back(open_classifier, references, fetcher, error):
    classifier = open_classifier()
    fetcher.faults[references[3].uri] = error

    with pytest.raises(MachineError, match="fetch: "):
        classifier.classify(references)

    fetcher.faults.clear()
    assert len(classifier.classify(references)) == len(references)


def test_a_device_error_hands_back_the_chunks_of_its_batch_and_is_told(
    open_classifier, references, device_errors
):
    classifier = open_classifier("simulated:0?fail_batches=0")

    with pytest.raises(DeviceError):
        classifier.classify(references)

    assert device_errors[0] == 1
    assert len(classifier.classify(references)) == len(references)


def test_only_errors_without_a_success_between_add_up(open_classifier, references, device_errors):
    classifier = open_classifier("simulated:0?fail_batches=0,1,3")
    for _ in range(2):
        with pytest.raises(DeviceError):
            classifier.classify(references[:1])
    classifier.classify(references[:1])
    with pytest.raises(DeviceError):
        classifier.classify(references[:1])

    assert device_errors == [1, 2, 1]


def test_aborting_hands_back_what_hangs_on_the_device(open_classifier, references):
    classifier = open_classifier("simulated:0?images_per_second=5")
    progress = classifier.submit(references[:4])
    threading.Timer(0.1, classifier.abort).start()

    with pytest.raises(PipelineStopped):
        classifier.wait(progress)
    with pytest.raises(PipelineStopped):
        classifier.classify(references)
