"""Names of devices: `cpu:0`, `cuda:1`, `torch-cpu`, `simulated:0?images_per_second=1000`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from shared.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceName:
    """A parsed name; `text` is what the user wrote, without options."""

    text: str
    kind: str
    number: int
    options: Mapping[str, str] = field(default_factory=dict)


def parse_device_name(text: str) -> DeviceName:
    """Split `kind[:number][?option=value&...]`; the number is 0 where it is left out.

    Raises:
        UsageError: saying how a name looks.
    """
    base, _, query = text.partition("?")
    kind, colon, number = base.partition(":")
    if not kind or (colon and not (number.isascii() and number.isdigit())):
        raise UsageError(f"'{text}' is no device: write it like cpu:0, cuda:0 or torch-cpu")
    try:
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    except ValueError as error:
        raise UsageError(f"'{text}': options of a device are written ?name=value&...") from error
    return DeviceName(text=base, kind=kind, number=int(number or 0), options=options)
