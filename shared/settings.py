"""Settings of every process: read once from `NESTOR_*` variables, then passed down."""

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import SettingsError


class Settings(BaseSettings):
    """One frozen object a process. Units are in the names; each bound says why it is there."""

    model_config = SettingsConfigDict(env_prefix="NESTOR_", frozen=True, extra="ignore")

    # Where things are.
    data_dir: Path = Path("~/.local/share/nestor").expanduser()
    store_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    s3_endpoint_url: str | None = None
    s3_region: str = "us-east-1"
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_anonymous: bool = False

    # Leases and loops.
    lease_seconds: float = Field(3.0, gt=0)
    """How long a chunk stays with a worker that says nothing; renewed every third of it."""
    poll_seconds: float = Field(0.5, gt=0)
    """How often the SQL loops look; messages only wake them earlier."""
    stall_seconds: float = Field(60.0, gt=0)
    """A worker whose stages do not move for this long stops renewing and leaves."""
    shutdown_grace_seconds: float = Field(20.0, gt=0)
    """After SIGTERM, what is not done by then goes back to the queue."""
    stalled_after_seconds: float = Field(15.0, gt=0)
    """A job that no live worker can serve for this long is shown as stalled."""

    # Windows and chunks.
    chunk_seconds: float = Field(3.0, gt=0)
    """A chunk is about this much work of one worker: the loss when one dies."""
    publish_window_seconds: float = Field(15.0, gt=0)
    """This much work of all serving workers lies in Redis; bounds Redis memory."""
    chunk_slots: int = Field(2, ge=1)
    """Chunks that one worker process has in hand, so that its device never waits for one."""

    # What one image may cost.
    fetch_threads: int = Field(32, ge=1)
    """Fetches under way in one worker; they wait on the network, not on the processor."""
    decode_threads: int = Field(0, ge=0)
    """Decoder threads of one worker; 0 means one for each core it may use."""
    max_image_bytes: int = Field(64 * 2**20, gt=0)
    """A larger file is a row `too_large`; bounds memory."""
    max_image_pixels: int = Field(178_956_970, gt=0)
    """A larger image is a row `too_many_pixels`: Pillow's own bomb limit, twice its warning."""
    max_bytes_in_flight: int = Field(512 * 2**20, gt=0)
    """Fetched and not yet decoded bytes in one worker; fetching waits beyond."""
    fetch_timeout_seconds: float = Field(30.0, gt=0)
    """Wall clock for one image's fetch, retries and redirects included."""
    connect_timeout_seconds: float = Field(5.0, gt=0)
    """For one connection attempt."""
    fetch_attempts: int = Field(3, ge=1)
    """Tries for what can heal (5xx, 429, refused or broken connections)."""
    max_redirects: int = Field(5, ge=0)
    """More is a row `too_many_redirects`."""

    # Devices.
    cpu_slots: int = Field(1, ge=1)
    """Into how many `cpu:N` devices this machine's cores are divided."""

    def require_store_url(self) -> str:
        """Return the store's URL.

        Raises:
            SettingsError: if NESTOR_STORE_URL is not set.
        """
        return _required(self.store_url, "NESTOR_STORE_URL", "postgresql://user@host/nestor")

    def require_redis_url(self) -> str:
        """Return the broker's URL.

        Raises:
            SettingsError: if NESTOR_REDIS_URL is not set.
        """
        return _required(self.redis_url, "NESTOR_REDIS_URL", "redis://host:6379/0")

    @property
    def stack_file(self) -> Path:
        """Where a running `nestor up` writes its addresses."""
        return self.data_dir / "stack.json"


def _required(value: SecretStr | None, variable: str, example: str) -> str:
    if value is None:
        raise SettingsError(f"{variable} is not set: set it (say, {example}) or run 'nestor up'")
    return value.get_secret_value()


def read_settings() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: naming the variable and what is wrong with it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        variable = "NESTOR_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{variable}: {first['msg']}") from error
