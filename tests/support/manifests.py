"""A manifest that is whole in form, for tests of the store; no compiled file lies behind it."""

from shared.artifact_manifest import (
    ArtifactManifest,
    ClassName,
    RecipeReference,
    SelfTest,
    WeightsOrigin,
)


def make_manifest(*, name: str = "tiny", classes: int = 10, kind: str = "file") -> ArtifactManifest:
    return ArtifactManifest(
        name=name,
        variant="resnest_tiny",
        backend="simulated",
        device_kind="simulated",
        classes=[
            ClassName(id=f"n{number:04}", name=f"class {number}") for number in range(classes)
        ],
        input_size=8,
        topk=min(10, classes),
        batch_size=16,
        precision_asked="fp32",
        precision_used="f32",
        recipe=RecipeReference(name="exact", input_size=8, digest="0" * 64),
        weights=WeightsOrigin(kind=kind, sha256="0" * 64, seed=0 if kind == "random" else None),
        toolchain={},
        self_test=SelfTest(
            images=[], pixels_sha256=[], expected_file="expected.npy", margin=0.1, max_drift=0.1
        ),
        images_per_second=1000.0,
        gate={},
        files={},
    ).with_digest()
