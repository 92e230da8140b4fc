"""Settings of escalation; environment variables start with ESCALATION_."""

from __future__ import annotations

from common.settings import ServiceSettings
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """What escalation needs beyond the shared settings."""

    model_config = SettingsConfigDict(env_prefix="ESCALATION_", extra="ignore", frozen=True)

    port: int = 8104
    own_email_domains: frozenset[str] = frozenset()
    """Our mail domains (JSON list). Where set, only such addresses can be people of a case."""
