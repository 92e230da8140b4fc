"""Settings of health; environment variables start with HEALTH_."""

from __future__ import annotations

from common.settings import ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """What health needs beyond the shared settings."""

    model_config = SettingsConfigDict(env_prefix="HEALTH_", extra="ignore", frozen=True)

    port: int = 8102
    history_months: int = Field(default=25, gt=0)
    """How long evaluations are kept; the trend of the last months and a year's comparison need no more."""
