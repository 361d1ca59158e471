"""How failures of HTTP and S3 become Nestor's errors, and which of them are tried again."""

import http.client
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from urllib3 import exceptions as urllib3_errors

from shared.bounded_sockets import Allowance, current_allowance, spending
from shared.errors import (
    BadReference,
    FetchError,
    FetchTimedOut,
    ImageForbidden,
    ImageNotFound,
    NameNotResolved,
    OriginUnavailable,
    RateLimited,
    ServerError,
    TlsFailed,
)

Result = TypeVar("Result")

#: The first pause before another attempt; it doubles each time, and jitter takes up to half off.
FIRST_PAUSE_SECONDS = 0.2
#: No pause of our own choice is longer.
LONGEST_PAUSE_SECONDS = 5.0

_STATUS_ERRORS: Mapping[int, type[FetchError]] = {
    401: ImageForbidden,
    403: ImageForbidden,
    404: ImageNotFound,
    410: ImageNotFound,
    451: ImageForbidden,
}


class Transient(Exception):
    """What went wrong may heal by itself: worth another attempt, else `error` it is."""

    def __init__(self, error: FetchError, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after_seconds = retry_after_seconds


def attempt_repeatedly(
    attempt: Callable[[], Result], *, attempts: int, allowance: Allowance
) -> Result:
    """Call `attempt` until it succeeds, fails for good, or attempts or allowance are spent.

    Raises:
        FetchError: the last failure.
    """
    for number in range(1, attempts + 1):
        allowance.refill_bytes()
        try:
            with spending(allowance):
                return attempt()
        except Transient as failure:
            pause_seconds = _pause_seconds(failure, number)
            if number == attempts or pause_seconds >= allowance.seconds_left():
                raise failure.error from failure.__cause__
        time.sleep(pause_seconds)
    raise AssertionError("at least one attempt")


def failure_of_status(
    status: int, *, host: str, headers: Mapping[str, str]
) -> FetchError | Transient:
    """Say what an answer that is no success means."""
    message = f"{host} answered {status}"
    if status == 429:
        return Transient(RateLimited(message), retry_after_seconds=_retry_after_seconds(headers))
    if status >= 500:
        return Transient(ServerError(message), retry_after_seconds=_retry_after_seconds(headers))
    return _STATUS_ERRORS.get(status, FetchError)(message)


@contextmanager
def named_failures(host: str, *, answered: bool = False) -> Iterator[None]:
    """Raise urllib3's and the system's network errors as Nestor's; `answered`: in the body."""
    try:
        yield
    except (urllib3_errors.HTTPError, http.client.HTTPException, OSError) as error:
        raise _failure_of_error(error, host=host, answered=answered) from error


def _failure_of_error(error: Exception, *, host: str, answered: bool) -> FetchError | Transient:
    if isinstance(error, urllib3_errors.NameResolutionError):
        failure: FetchError | Transient = NameNotResolved(f"the name of {host} has no address")
    elif isinstance(error, urllib3_errors.NewConnectionError):  # for urllib3 a kind of time-out
        failure = Transient(OriginUnavailable(f"{host} cannot be connected to"))
    elif isinstance(error, urllib3_errors.ConnectTimeoutError):
        failure = Transient(OriginUnavailable(f"connecting to {host} timed out"))
    elif isinstance(error, (urllib3_errors.TimeoutError, TimeoutError)):
        failure = _failure_of_timeout(host)
    elif isinstance(error, urllib3_errors.LocationValueError):
        failure = BadReference(f"{host} is not a host that can be asked")
    elif isinstance(error, urllib3_errors.DecodeError):
        failure = FetchError(f"{host} sent a body that is not encoded as it says")
    else:
        failure = _failure_of_connection(error, host=host, answered=answered)
    return failure


def _failure_of_connection(
    error: Exception, *, host: str, answered: bool
) -> FetchError | Transient:
    cause = error.args[-1] if error.args else error
    if isinstance(error, (urllib3_errors.SSLError, ssl.SSLError)) and not _is_broken_tls(cause):
        return TlsFailed(f"TLS with {host} failed: {_tls_reason(cause)}")
    if answered:
        return Transient(FetchError(f"{host} broke off in the middle of its answer"))
    if isinstance(cause, http.client.HTTPException) and not isinstance(cause, ConnectionError):
        return FetchError(f"{host} does not answer in HTTP")
    return Transient(OriginUnavailable(f"{host} closed the connection without an answer"))


def _failure_of_timeout(host: str) -> FetchError | Transient:
    allowance = current_allowance()
    if allowance is None or allowance.seconds_left() <= 0.01:
        return FetchTimedOut(f"{host} took longer than the limit")
    return Transient(OriginUnavailable(f"TLS with {host} was not ready in time"))


def _is_broken_tls(cause: object) -> bool:
    return isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError))


def _tls_reason(cause: object) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    return str(getattr(cause, "reason", None) or type(cause).__name__)


def _pause_seconds(failure: Transient, attempt: int) -> float:
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1))
    jittered = pause * random.uniform(0.5, 1.0)
    return max(jittered, failure.retry_after_seconds or 0.0)


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
