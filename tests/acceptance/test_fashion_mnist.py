"""The main job on real images: by every way in, the same predictions and an exact accuracy."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from producer.demo import ARTIFACT_NAME, demo_artifact, unpack_demo_images
from shared.store.evaluations import load_evaluation
from tests.support.fashion_mnist import require_fashion_mnist
from tests.support.image_server import image_server
from tests.support.nestor_processes import NestorProcesses
from training.fashion_mnist.dataset import read_garments
from training.fashion_mnist.image_files import write_tree

IMAGES = 1000


@pytest.fixture(scope="module")
def bucket(rclone_folder) -> Path:
    """The bundled images as the objects of a bucket: folders are class ids."""
    return unpack_demo_images(rclone_folder / "fashion")


@pytest.fixture(scope="module")
def nestor(tmp_path_factory, rclone_s3, module_valkey):
    folder = tmp_path_factory.mktemp("fashion")
    variables = {
        "NESTOR_S3_ENDPOINT_URL": rclone_s3.endpoint_url,
        "NESTOR_S3_ACCESS_KEY": rclone_s3.access_key,
        "NESTOR_S3_SECRET_KEY": rclone_s3.secret_key,
    }
    with NestorProcesses(
        store_url=f"sqlite:///{folder / 'store.sqlite3'}",
        valkey=module_valkey,
        folder=folder,
        variables=variables,
    ) as processes:
        processes.start_all(demo_artifact())
        yield processes


def run(nestor, source, **options):
    """Run a job to its end; return its status and what it said of each image, by file name."""
    job = nestor.submit(source, ARTIFACT_NAME, **options)
    status = nestor.wait_for_end(job)
    said = {
        "/".join(row.uri.split("/")[-2:]): (
            row.class_indices,
            row.probabilities,
            row.input_sha256,
            row.label,
        )
        for row in nestor.predictions(job)
    }
    return job, status, said


@pytest.fixture(scope="module")
def from_folder(nestor, bucket):
    return run(nestor, bucket)


def assert_same(ours, theirs):
    _, status, said = ours
    assert status["state"] == "completed", status
    assert status["counts"] == theirs[1]["counts"]
    assert said == theirs[2]


def test_a_folder_gives_exact_counts_and_the_accuracy_of_its_rows(nestor, from_folder):
    job, status, said = from_folder

    assert status["state"] == "completed"
    counts = status["counts"]
    assert (counts["total"], counts["predicted"], counts["failed"]) == (IMAGES, IMAGES, 0)
    assert len(said) == IMAGES
    right = sum(indices[0] == label for indices, _, _, label in said.values())
    assert counts["top1_correct"] == right
    assert status["accuracy"]["top1"] == right / IMAGES >= 0.90
    with nestor.store.read() as connection:
        evaluation = load_evaluation(connection, job.key)
    assert evaluation["counts"] == counts
    assert sum(entry["correct"] for entry in evaluation["per_class"]) == right
    assert {entry["support"] for entry in evaluation["per_class"]} == {100}


def test_an_s3_prefix_gives_the_same(nestor, bucket, from_folder):
    assert_same(run(nestor, f"s3://{bucket.name}/"), from_folder)


def test_a_list_of_urls_gives_the_same(nestor, bucket, from_folder, tmp_path):
    with image_server(folder=bucket) as server:
        lines = [
            json.dumps(
                {"url": server.url(str(path.relative_to(bucket))), "class": path.parent.name}
            )
            for path in sorted(bucket.glob("*/*.png"))
        ]
        (tmp_path / "urls.jsonl").write_text("\n".join(lines))

        theirs = run(
            nestor,
            tmp_path / "urls.jsonl",
            labels="column:class",
            source_options={"label_column": "class"},
        )

    assert_same(theirs, from_folder)


def test_a_parquet_list_in_s3_of_objects_in_s3_gives_the_same(
    nestor, bucket, from_folder, rclone_folder
):
    names = [str(path.relative_to(bucket)) for path in sorted(bucket.glob("*/*.png"))]
    table = pyarrow.table(
        {
            "uri": [f"s3://{bucket.name}/{name}" for name in names],
            "class": [name.split("/")[0] for name in names],
            "shelf": list(range(len(names))),
        }
    )
    lists = rclone_folder / "lists"
    lists.mkdir()
    pyarrow.parquet.write_table(table, lists / "list.parquet", row_group_size=150)

    job, *rest = run(
        nestor,
        "s3://lists/list.parquet",
        labels="column:class",
        source_options={"label_column": "class"},
    )

    assert_same((job, *rest), from_folder)
    assert [row.extra["shelf"] for row in nestor.predictions(job)] == list(range(IMAGES))


@pytest.mark.long
def test_all_ten_thousand_test_images_from_a_folder(nestor, tmp_path):
    garments = read_garments("test", require_fashion_mnist())
    write_tree(garments, range(len(garments.labels)), tmp_path / "images")

    job, status, _ = run(nestor, tmp_path / "images")

    assert status["state"] == "completed"
    assert status["counts"]["predicted"] == status["counts"]["total"] == 10_000
    rows = nestor.predictions(job)
    right = sum(row.class_indices[0] == row.label for row in rows)
    assert status["counts"]["top1_correct"] == right
    for row in rows:
        index = int(Path(row.uri).stem)
        assert row.label == garments.labels[index]
    assert status["accuracy"]["top1"] >= 0.92
