"""Settings of ingest: environment variables with the prefix INGEST_."""

from __future__ import annotations

from typing import Self

from common.settings import ServiceSettings
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from ingest.adapters.sealing import Sealer, read_keys

MAX_SECRETS = 2
LOCAL_PREFIX = "local-"
LOCAL_SECRETS_KEY = "bG9jYWwtZGV2ZWxvcG1lbnQta2V5LW5ldmVyLXByb2Q="
"""Known to everybody; refused in production."""


class Settings(ServiceSettings):
    """Beside the shared ones."""

    model_config = SettingsConfigDict(
        env_prefix="INGEST_", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    port: int = 8101
    webhook_secrets: dict[str, list[SecretStr]] = Field(default_factory=dict)
    """JSON: source → one or two secrets (two while they are rotated). A source without one takes no posts.

    How a source begins: from its first rotation on (`loop sources rotate`), what is stored of it counts alone.
    """
    secrets_key: SecretStr = SecretStr(LOCAL_SECRETS_KEY)
    """Seals the stored secrets: base64 of 32 bytes; while it is rotated two, the new one first, a comma between."""
    enrichment_tokens: dict[str, SecretStr] = Field(default_factory=dict)
    """JSON: source → the token with which its vendor's API is asked for what webhooks leave out."""
    enrichment_urls: dict[str, str] = Field(default_factory=dict)
    """JSON: source → base URL of its vendor's API, where it is not the vendor's usual one."""
    queue_posts: int = Field(default=4000, gt=0)
    queue_bytes: int = Field(default=64 << 20, gt=0)
    """Posts and bytes that may wait for their commit; beyond either, 503 with Retry-After."""
    raw_retention_days: int = Field(default=90, gt=0)
    """How long posts are kept as they came, for replays."""
    import_chunk_lines: int = Field(default=1000, gt=0, le=5000)
    import_processes: int = Field(default=2, ge=0, le=64)
    """Processes that read the lines of long imports; 0: a thread of this one does."""

    default_owner_email: str | None = Field(default=None, max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")
    """Who owns a milestone that `POST /v1/events` plans without an owner; unset: it is refused."""

    def secrets(self) -> dict[str, tuple[bytes, ...]]:
        """Secrets by source, as bytes to sign with."""
        return {
            source: tuple(secret.get_secret_value().encode() for secret in secrets)
            for source, secrets in self.webhook_secrets.items()
        }

    def sealer(self) -> Sealer:
        """Seals and opens stored secrets."""
        return Sealer(read_keys(self.secrets_key.get_secret_value()))

    def tokens(self) -> dict[str, str]:
        """Tokens of vendors' APIs by source; an empty one is none."""
        given = {source: token.get_secret_value().strip() for source, token in self.enrichment_tokens.items()}
        return {source: token for source, token in given.items() if token}

    @model_validator(mode="after")
    def _two_secrets_at_most(self) -> Self:
        for source, secrets in self.webhook_secrets.items():
            if not 0 < len(secrets) <= MAX_SECRETS or not all(s.get_secret_value() for s in secrets):
                raise ValueError(f"webhook_secrets: {source} needs one or two secrets")
            if self.environment == "production" and any(s.get_secret_value().startswith(LOCAL_PREFIX) for s in secrets):
                raise ValueError(f"webhook_secrets: {source} has a local default secret")
        return self

    @model_validator(mode="after")
    def _a_key_of_its_own(self) -> Self:
        try:
            keys = read_keys(self.secrets_key.get_secret_value())
        except ValueError as error:
            raise ValueError(f"secrets_key: {error}") from None
        if self.environment == "production" and set(keys) & set(read_keys(LOCAL_SECRETS_KEY)):
            raise ValueError("production needs a secrets_key of its own: openssl rand -base64 32")
        return self
