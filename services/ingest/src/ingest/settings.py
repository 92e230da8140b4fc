"""Settings of ingest: environment variables with the prefix INGEST_."""

from __future__ import annotations

from typing import Self

from common.settings import ServiceSettings
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

MAX_SECRETS = 2
LOCAL_PREFIX = "local-"


class Settings(ServiceSettings):
    """Beside the shared ones."""

    model_config = SettingsConfigDict(env_prefix="INGEST_", extra="ignore", frozen=True)

    port: int = 8101
    webhook_secrets: dict[str, list[SecretStr]] = Field(default_factory=dict)
    """JSON: source → one or two secrets (two while they are rotated). A source without one takes no posts."""
    queue_posts: int = Field(default=4000, gt=0)
    queue_bytes: int = Field(default=64 << 20, gt=0)
    """Posts and bytes that may wait for their commit; beyond either, 503 with Retry-After."""
    raw_retention_days: int = Field(default=90, gt=0)
    """How long posts are kept as they came, for replays."""
    import_chunk_lines: int = Field(default=500, gt=0, le=5000)

    def secrets(self) -> dict[str, tuple[bytes, ...]]:
        """Secrets by source, as bytes to sign with."""
        return {
            source: tuple(secret.get_secret_value().encode() for secret in secrets)
            for source, secrets in self.webhook_secrets.items()
        }

    @model_validator(mode="after")
    def _two_secrets_at_most(self) -> Self:
        for source, secrets in self.webhook_secrets.items():
            if not 0 < len(secrets) <= MAX_SECRETS or not all(s.get_secret_value() for s in secrets):
                raise ValueError(f"webhook_secrets: {source} needs one or two secrets")
            if self.environment == "production" and any(s.get_secret_value().startswith(LOCAL_PREFIX) for s in secrets):
                raise ValueError(f"webhook_secrets: {source} has a local default secret")
        return self
