"""Every error of Nestor, as one tree.

    NestorError
    ├── UsageError            the caller can mend it: one line, exit code 2
    │   ├── SettingsError     a NESTOR_* variable is missing or wrong
    │   ├── MissingExtra      an optional package is not installed
    │   ├── SourceError       the source cannot be read as asked
    │   │   └── SourceChanged the source is no longer what the cursor was pinned to
    │   ├── LabelsError       true labels cannot be read as asked
    │   ├── ArtifactError     an artifact is missing, broken or unfit
    │   ├── WeightsError      weights are missing, broken or of another network
    │   ├── CompileError      a compilation cannot be done or missed its gate
    │   ├── StackError        the embedded stack cannot start or be kept running
    │   └── JobError          no such job, or not in a state that allows this
    ├── ImageError            about one image: becomes a row, never retries a chunk
    │   ├── FetchError        stage `fetch`
    │   └── DecodeError       stage `decode`
    └── MachineError          about a machine: retries the chunk, never makes a row
        ├── DeviceError       the accelerator failed
        │   └── DeviceClosed  the device was closed while work was in flight
        ├── StoreUnavailable  the SQL store cannot be reached
        ├── SourceUnavailable the source cannot be reached just now; listing it is tried again
        └── PipelineStopped   the worker is shutting down

An image error is a class a reason: `reason` is the stable code that is stored, `retryable`
says whether the same image may succeed later.
"""

from typing import ClassVar


class NestorError(Exception):
    """Any error that Nestor raises on purpose."""


class UsageError(NestorError):
    """The caller can mend it; the message says how."""


class SettingsError(UsageError):
    """A NESTOR_* variable or an option is missing or wrong."""


class MissingExtra(UsageError):
    """An optional package is not installed."""

    def __init__(self, *, extra: str, purpose: str) -> None:
        self.extra = extra
        super().__init__(f"{purpose} needs the extra '{extra}': pip install 'nestor[{extra}]'")


class SourceError(UsageError):
    """The source of a job cannot be read as asked."""


class SourceChanged(SourceError):
    """The source is no longer what the cursor was pinned to."""


class LabelsError(UsageError):
    """True labels cannot be read as asked."""


class ArtifactError(UsageError):
    """An artifact is missing, broken, or unfit for what was asked."""


class WeightsError(UsageError):
    """Weights are missing, broken, or belong to another network."""


class CompileError(UsageError):
    """A compilation cannot be done, or its result missed the gate."""


class StackError(UsageError):
    """The embedded stack cannot start, or could not be kept running."""


class JobError(UsageError):
    """No such job, or it is not in a state that allows this."""


class ImageError(NestorError):
    """About one image: it becomes a prediction row with this reason."""

    reason: ClassVar[str]
    stage: ClassVar[str]
    retryable: ClassVar[bool] = False


class FetchError(ImageError):
    """The image's bytes could not be had."""

    reason = "fetch_failed"
    stage = "fetch"
    retryable = True


class BadReference(FetchError):
    """The reference itself is unusable: an unreadable list line, or an unknown scheme."""

    reason = "bad_reference"
    stage = "source"
    retryable = False


class ImageNotFound(FetchError):
    """There is nothing at that address."""

    reason = "not_found"
    retryable = False


class ImageForbidden(FetchError):
    """Access to the address was refused."""

    reason = "forbidden"
    retryable = False


class ImageTooLarge(FetchError):
    """More bytes than `max_image_bytes`."""

    reason = "too_large"
    retryable = False


class FetchTimedOut(FetchError):
    """The whole fetch took longer than `fetch_timeout_seconds`."""

    reason = "fetch_timeout"


class TooManyRedirects(FetchError):
    """More redirects than `max_redirects`."""

    reason = "too_many_redirects"
    retryable = False


class ServerError(FetchError):
    """The server answered with a 5xx status."""

    reason = "server_error"


class RateLimited(FetchError):
    """The server answered 429 until the retries were spent."""

    reason = "rate_limited"


class NameNotResolved(FetchError):
    """The host name has no address."""

    reason = "name_not_resolved"


class ForbiddenAddress(FetchError):
    """The address is one that Nestor may not reach."""

    reason = "forbidden_address"
    retryable = False


class TlsFailed(FetchError):
    """The TLS handshake or the certificate was refused."""

    reason = "tls_error"
    retryable = False


class OriginUnavailable(FetchError):
    """The origin could not be connected to."""

    reason = "origin_unavailable"


class DecodeError(ImageError):
    """The bytes were had, but no pixels came of them."""

    reason = "decode_failed"
    stage = "decode"


class EmptyImage(DecodeError):
    """Zero bytes."""

    reason = "empty"


class NotAnImage(DecodeError):
    """No decoder knows the format."""

    reason = "not_an_image"


class TruncatedImage(DecodeError):
    """The file ends before the image does."""

    reason = "truncated"


class TooManyPixels(DecodeError):
    """More pixels than `max_image_pixels`."""

    reason = "too_many_pixels"


class UnsupportedMode(DecodeError):
    """The colour mode cannot be turned into RGB."""

    reason = "unsupported_mode"


class MachineError(NestorError):
    """About a machine: the chunk is tried again, no image is blamed."""


class DeviceError(MachineError):
    """The accelerator, or the library that drives it, failed."""


class DeviceClosed(DeviceError):
    """The device was closed while work was in flight."""


class StoreUnavailable(MachineError):
    """The SQL store cannot be reached."""


class SourceUnavailable(MachineError):
    """The source cannot be reached just now: listing it again later may work."""


class PipelineStopped(MachineError):
    """The worker is shutting down: what was not done goes back."""
