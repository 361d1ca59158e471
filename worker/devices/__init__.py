"""Devices: one table from the kind in a device's name to the module that opens it.

The pipeline sees only the `Device` protocol of `base`. The modules are imported when a device of
their kind is opened, so that an OpenVINO worker never loads torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from shared.errors import ArtifactError, MissingExtra, UsageError
from shared.settings import Settings
from worker.artifact import Artifact
from worker.devices.base import Device, TopK
from worker.devices.names import DeviceName, parse_device_name

__all__ = ["Device", "DeviceName", "TopK", "open_device", "parse_device_name"]

_Opener = Callable[[DeviceName, Artifact, Settings], Device]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Where a kind of device lives: a module with `open_device`, and the extra it needs."""

    module: str
    package: str | None = None
    extra: str = ""


_KINDS = {
    "cpu": _Kind(module="worker.devices.openvino_device", package="openvino", extra="cpu"),
    "cuda": _Kind(module="worker.devices.torch_device", package="torch", extra="cuda"),
    "torch-cpu": _Kind(module="worker.devices.torch_device", package="torch", extra="compile"),
    "simulated": _Kind(module="worker.devices.simulated_device"),
}


def open_device(name: str, artifact: Artifact, settings: Settings) -> Device:
    """Load an artifact onto the device of that name.

    Raises:
        UsageError: no such device, or a number that this machine does not have.
        ArtifactError: the artifact was compiled for another kind of device.
        MissingExtra: the library that drives the device is not installed.
        DeviceError: the library could not load the artifact.
    """
    parsed = parse_device_name(name)
    kind = _KINDS.get(parsed.kind)
    if kind is None:
        raise UsageError(f"no device '{name}': the kinds are {', '.join(sorted(_KINDS))}")
    _check_fits(parsed, artifact)
    if kind.package is not None and find_spec(kind.package) is None:
        raise MissingExtra(extra=kind.extra, purpose=f"the device {name}")
    opener = cast("_Opener", import_module(kind.module).open_device)
    return opener(parsed, artifact, settings)


def _check_fits(name: DeviceName, artifact: Artifact) -> None:
    compiled_for = artifact.manifest.device_kind
    if compiled_for != name.kind:
        raise ArtifactError(
            f"{artifact.folder} was compiled for {compiled_for}, not for {name.kind}: "
            f"name a {compiled_for} device or compile it with --device {name.kind}"
        )
