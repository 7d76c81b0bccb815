"""The one frozen set of settings of the service, read from `RETENTION_*` variables."""

from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where the project, store and models are, and where the service listens.

    Making one reads the environment and nothing else: no file is opened or created.
    """

    model_config = SettingsConfigDict(env_prefix="RETENTION_", frozen=True, extra="forbid")

    project: Path = Path("retention.toml")
    data: Path | None = None  # overrides the data folder of the project file
    store_url: str | None = None  # None: SQLite in the outputs folder of the project
    tracking_uri: str | None = None  # None: MLFLOW_TRACKING_URI, else the project's MLflow file
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    log_level: Literal["critical", "error", "warning", "info", "debug"] = "info"
    page_size: int = Field(50, ge=1, le=500)
    max_page_size: int = Field(500, ge=1, le=500)
    max_batch: int = Field(1000, ge=1, le=1000)  # ids of one batchGet
    max_predictions: int = Field(200, ge=1, le=200)  # rows of one call
    max_body_bytes: int = Field(2 * 1024 * 1024, ge=1024)
    refresh_seconds: float = Field(2.0, gt=0)  # how often a new champion or run is looked for
    stale_after_hours: float = Field(192.0, gt=0)  # older scores are shown as stale
    cursor_secret: SecretStr | None = None  # None: one per process, cursors end with it

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        """There are no keys yet, so nothing but this machine may ask."""
        if host != "localhost" and not _is_loopback(host):
            raise ValueError(
                f"{host!r} is not a loopback address; allowed are 127.0.0.1, ::1, localhost"
            )
        return host


def _is_loopback(host: str) -> bool:
    """Whether the text is an address of this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
