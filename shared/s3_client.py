"""A boto3 client that sends over bounded sockets, and its failures as Nestor's errors.

boto3 signs, resolves endpoints and reads the answers; the bytes travel over the same sockets as
http downloads, so that one wall-clock limit and one byte limit hold here too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from urllib3 import Timeout

from shared.bounded_sockets import current_allowance, open_pools, resolve_any
from shared.errors import (
    BadReference,
    FetchError,
    FetchTimedOut,
    ImageForbidden,
    RateLimited,
    SettingsError,
)
from shared.fetch_failures import Transient, failure_of_status, named_failures
from shared.redaction import host_of
from shared.settings import Settings

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.exceptions import ClientError

#: S3 has one host for an endpoint, or one for a bucket.
HOSTS_KEPT_OPEN = 8
#: What S3 and its kin call "slower, please", whatever the status.
_SLOW_DOWN_CODES = frozenset(
    {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"}
)
_NO_CREDENTIALS = (
    "no S3 credentials: set NESTOR_S3_ACCESS_KEY and NESTOR_S3_SECRET_KEY, "
    "or NESTOR_S3_ANONYMOUS=true for a public bucket"
)


class BoundedSender:
    """Sends what boto3 has signed, instead of boto3's own HTTP session."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pools = open_pools(
            resolve_any, hosts=HOSTS_KEPT_OPEN, connections_each=settings.fetch_threads
        )

    def __call__(self, request: "AWSPreparedRequest", **_: object) -> "AWSResponse":
        """Answer botocore's `before-send` event, which takes the answer for the server's."""
        from botocore.awsrequest import AWSResponse

        host = host_of(request.url)
        allowance = current_allowance()
        left = allowance.seconds_left() if allowance else self._settings.fetch_timeout_seconds
        if left <= 0:
            raise FetchTimedOut(f"{host} took longer than the limit")
        connect_seconds = min(left, self._settings.connect_timeout_seconds)
        with named_failures(host):
            # Straight to the pool: the manager would tidy `..` and `//` out of a signed path.
            raw = self._pools.connection_from_url(request.url).urlopen(
                request.method,
                _request_target(request.url),
                body=request.body,
                headers=request.headers,
                timeout=Timeout(connect=connect_seconds, read=left),
                redirect=False,
                retries=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        answer = AWSResponse(request.url, raw.status, raw.headers, raw)
        if not request.stream_output or raw.status >= 300:
            with named_failures(host, answered=True):
                _ = answer.content  # read now, and kept
        return answer

    def close(self) -> None:
        """Close the idle connections."""
        self._pools.clear()


def open_client(settings: Settings, sender: BoundedSender) -> Any:
    """Open a boto3 client as the settings ask; safe for threads.

    Raises:
        SettingsError: if endpoint or region make no sense.
    """
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(
        signature_version=UNSIGNED if settings.s3_anonymous else "s3v4",
        s3={"addressing_style": "path" if settings.s3_endpoint_url else "auto"},
        retries={"mode": "standard", "total_max_attempts": 1},  # attempts are made above
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=settings.connect_timeout_seconds,
        read_timeout=settings.fetch_timeout_seconds,
        max_pool_connections=settings.fetch_threads,
    )
    try:
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=settings.s3_endpoint_url,
            region_name=settings.s3_region,
            aws_access_key_id=_secret(settings.s3_access_key),
            aws_secret_access_key=_secret(settings.s3_secret_key),
            config=config,
        )
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(f"the S3 settings cannot be used: {error}") from error
    client.meta.events.register("before-send.s3", sender)
    return client


@contextmanager
def named_s3_failures(endpoint: str) -> Iterator[None]:
    """Raise boto3's errors as Nestor's; `endpoint` names the server in messages."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        raise _failure_of_answer(error, endpoint) from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise ImageForbidden(_NO_CREDENTIALS) from error
    except exceptions.ParamValidationError as error:
        raise BadReference("not a bucket and key that S3 can have") from error
    except exceptions.ReadTimeoutError as error:
        raise FetchTimedOut(f"{endpoint} took longer than the limit") from error
    except exceptions.ResponseStreamingError as error:
        raise Transient(FetchError(f"{endpoint} broke off in the middle of an object")) from error
    except exceptions.BotoCoreError as error:
        raise FetchError(f"{endpoint} cannot be asked: {type(error).__name__}") from error


def status_of(error: BaseException | None) -> int | None:
    """Find the HTTP status of the S3 answer behind an error."""
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return int(error.response["ResponseMetadata"].get("HTTPStatusCode", 0))
    return None


def _failure_of_answer(error: "ClientError", endpoint: str) -> FetchError | Transient:
    headers = error.response["ResponseMetadata"].get("HTTPHeaders", {})
    named = {"Retry-After": headers.get("retry-after", "")}
    code = error.response.get("Error", {}).get("Code", "")
    failure = failure_of_status(status_of(error) or 0, host=endpoint, headers=named)
    if code in _SLOW_DOWN_CODES:
        waited = failure.retry_after_seconds if isinstance(failure, Transient) else None
        return Transient(RateLimited(f"{endpoint} answered {code}"), retry_after_seconds=waited)
    return failure


def _request_target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _secret(value: Any) -> str | None:
    return None if value is None else str(value.get_secret_value())
