"""Loads OpenVINO without its telemetry, which otherwise calls out at import.

Every import of OpenVINO or NNCF in Nestor goes through here.
"""

import sys
from importlib import import_module
from typing import Any

from shared.errors import MissingExtra

#: With this package absent, OpenVINO and NNCF use stubs that send nothing.
_TELEMETRY_PACKAGE = "openvino_telemetry"


def load_openvino() -> Any:
    """Return the module `openvino`.

    Raises:
        MissingExtra: if it is not installed.
    """
    return _load("openvino", extra="cpu", purpose="OpenVINO")


def load_nncf() -> Any:
    """Return the module `nncf`, which loads torch.

    Raises:
        MissingExtra: if it is not installed.
    """
    return _load("nncf", extra="compile", purpose="int8 quantisation")


def _load(package: str, *, extra: str, purpose: str) -> Any:
    if _TELEMETRY_PACKAGE not in sys.modules:
        sys.modules[_TELEMETRY_PACKAGE] = None  # type: ignore[assignment]  # "not installed"
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingExtra(extra=extra, purpose=purpose) from error
