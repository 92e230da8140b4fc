"""Typed settings, read once from the environment; each service subclasses this with its own prefix."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LOCAL_JWT_SECRET = "local-development-secret-never-for-production"  # noqa: S105  (refused in production below)
REPOSITORY_CONFIG = Path(__file__).parents[4] / "deploy" / "config"
MIN_SECRET_BYTES = 32


class ServiceSettings(BaseSettings):
    """What every service needs. Environment variables carry the service's prefix, e.g. HEALTH_DATABASE_URL."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    environment: Literal["local", "production"] = "local"
    host: str = "127.0.0.1"
    port: int = 8100
    public_url: str = ""
    """Base URL at which people and vendors reach this service; empty: as served."""
    forwarded_allow_ips: str = "127.0.0.1"
    """Proxies whose X-Forwarded-For and -Proto are believed: addresses or networks, commas between; `*`: anybody."""
    database_url: str
    database_pool: int = 6
    kafka_bootstrap_servers: str
    consumer_instance: str = ""
    """Stable name of this replica among its group (static membership); empty: a dynamic member."""
    session_timeout_ms: int = 6000
    imports_per_second: int = Field(default=2000, gt=0)
    """History that goes to Kafka a second: more makes live events wait for their consumers behind it."""
    jwt_secret: SecretStr = SecretStr(LOCAL_JWT_SECRET)
    jwt_jwks_url: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = "client-success-loop"
    clock_file: Path | None = None
    config_dir: Path = REPOSITORY_CONFIG
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otel_endpoint: str = ""
    body_limit_bytes: int = Field(default=1 << 20, gt=0)
    kill_at: str = ""
    """Crash tests only: `<point>` or `<point>:<nth>`; the process kills itself there (see common.failpoints)."""

    @property
    def believes_anybody(self) -> bool:
        """Whether every sender may choose its own address by X-Forwarded-For."""
        return any(part == "*" or ip_network(part).prefixlen == 0 for part in _parts(self.forwarded_allow_ips))

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _addresses_or_networks(cls, value: str) -> str:
        """What is neither would be compared as a name and never fit."""
        for part in [] if value == "*" else _parts(value):
            try:
                ip_network(part)
            except ValueError as error:
                raise ValueError(f"forwarded_allow_ips: {error}") from error
        return value

    @model_validator(mode="after")
    def _fit_for_production(self) -> Self:
        if self.environment != "production":
            return self
        secret = self.jwt_secret.get_secret_value()
        if not self.jwt_jwks_url and (secret == LOCAL_JWT_SECRET or len(secret) < MIN_SECRET_BYTES):
            raise ValueError("production needs jwt_jwks_url, or a jwt_secret of its own of at least 32 bytes")
        if self.clock_file is not None:
            raise ValueError("production runs on wall time: unset clock_file")
        if self.kill_at:
            raise ValueError("kill_at is for crash tests, not for production")
        return self


def _parts(hosts: str) -> list[str]:
    return [part.strip() for part in hosts.split(",")]
