"""Artifacts on disk: loading one with every file verified, and writing one that is whole or absent.

Compilation writes them; devices, the self-test and the pipeline read them. Nothing here loads a
network: a file is only handed out after its sha256 was found right.
"""

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from shared.artifact_manifest import MANIFEST_NAME, ArtifactManifest, read_manifest
from shared.errors import ArtifactError

#: Self-test files lie in this folder of an artifact.
SELF_TEST_FOLDER = "self_test"
#: The expected probabilities, relative to the artifact.
EXPECTED_FILE = f"{SELF_TEST_FOLDER}/expected.npy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A compiled model on disk whose files were all verified when it was loaded."""

    folder: Path
    manifest: ArtifactManifest

    @property
    def digest(self) -> str:
        """The digest that jobs pin."""
        return self.manifest.digest

    def path(self, name: str) -> Path:
        """Return where a verified file lies; only files of the manifest are handed out."""
        if name not in self.manifest.files:
            raise ArtifactError(f"{self.folder} has no file {name} in its manifest: compile again")
        return self.folder / name

    def self_test_images(self) -> list[bytes]:
        """Read the bytes of the self-test images, in the manifest's order."""
        return [self.path(name).read_bytes() for name in self.manifest.self_test.images]

    def expected_probabilities(self) -> NDArray[np.float32]:
        """Read the torch fp32 probabilities of the self-test images, float32 (images, classes).

        Raises:
            ArtifactError: if the file is not of that shape.
        """
        test = self.manifest.self_test
        content = self.path(test.expected_file).read_bytes()
        try:
            expected = np.load(io.BytesIO(content), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ArtifactError(f"{self.folder}: {test.expected_file} is no .npy file") from error
        wanted = (len(test.images), len(self.manifest.classes))
        if expected.shape != wanted or expected.dtype != np.float32:
            raise ArtifactError(
                f"{self.folder}: {test.expected_file} holds {expected.dtype} {expected.shape}, "
                f"not float32 {wanted}"
            )
        return np.asarray(expected, dtype=np.float32)


def load_artifact(folder: Path) -> Artifact:
    """Read a manifest and verify each file that it names.

    Raises:
        ArtifactError: naming the file that is missing or changed, or what the manifest lacks.
    """
    manifest = read_manifest(folder)
    for name, expected_sha256 in manifest.files.items():
        _check_inside(name, folder=folder)
        actual_sha256 = _sha256_of(folder / name)
        if actual_sha256 != expected_sha256:
            raise ArtifactError(
                f"{folder / name} is damaged: its sha256 is {actual_sha256[:12]}..., the manifest "
                f"says {expected_sha256[:12]}...; copy or compile the artifact again"
            )
    _check_self_test(manifest, folder=folder)
    return Artifact(folder=folder, manifest=manifest)


@contextmanager
def staged_artifact(destination: Path) -> Iterator[Path]:
    """Give a private folder beside the destination, renamed to it if the block ends well.

    The block must call `seal_artifact`. After any failure neither the destination nor the
    private folder is left.

    Raises:
        ArtifactError: if the destination exists already, or cannot be written.
    """
    check_destination(destination)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
    except OSError as error:
        raise ArtifactError(f"{destination} cannot be written: {error.strerror}") from error
    try:
        yield stage
        if not (stage / MANIFEST_NAME).is_file():
            raise ArtifactError(f"{destination} was left without a manifest: nothing is kept")
        stage.chmod(0o755)
        if destination.exists():  # an empty folder, as checked above
            destination.rmdir()
        stage.rename(destination)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def seal_artifact(stage: Path, manifest: ArtifactManifest) -> ArtifactManifest:
    """Hash every file of the stage into the manifest, and write the manifest last."""
    sealed = manifest.model_copy(update={"files": hash_files(stage)}).with_digest()
    _check_self_test(sealed, folder=stage)
    with (stage / MANIFEST_NAME).open("w", encoding="utf-8") as file:
        file.write(sealed.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return sealed


def hash_files(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below the folder, by its relative path."""
    return {
        path.relative_to(folder).as_posix(): _sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def check_destination(destination: Path) -> None:
    """Refuse a destination that holds something already.

    Raises:
        ArtifactError: saying so; call it before long work.
    """
    if destination.exists() and not (destination.is_dir() and not any(destination.iterdir())):
        raise ArtifactError(f"{destination} exists already: remove it or name another folder")


def _sha256_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read ({error.strerror}): copy or compile the artifact again"
        ) from error


def _check_inside(name: str, *, folder: Path) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ArtifactError(f"{folder}: its manifest names a file outside the artifact: {name}")


def _check_self_test(manifest: ArtifactManifest, *, folder: Path) -> None:
    test = manifest.self_test
    if len(test.images) != len(test.pixels_sha256):
        raise ArtifactError(
            f"{folder}: {len(test.images)} self-test images but {len(test.pixels_sha256)} digests"
        )
    for name in (*test.images, test.expected_file):
        if name not in manifest.files:
            raise ArtifactError(f"{folder}: the self-test file {name} is not among its files")
