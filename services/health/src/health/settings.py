"""Settings of health; environment variables start with HEALTH_."""

from __future__ import annotations

from common.settings import ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from health.domain.blast import Limits


class Settings(ServiceSettings):
    """What health needs beyond the shared settings."""

    model_config = SettingsConfigDict(env_prefix="HEALTH_", extra="ignore", frozen=True)

    port: int = 8102
    history_months: int = Field(default=25, gt=0)
    """How long evaluations are kept; the trend of the last months and a year's comparison need no more."""
    breaker_percent: float = Field(default=10.0, gt=0, le=100)
    """Moves for the worse are held when one feed or one publication makes them for more than this share of the clients
    within an hour."""
    breaker_least_clients: int = Field(default=5, gt=0)
    """Fewer moves than this are never held, however few clients there are."""

    @property
    def limits(self) -> Limits:
        return Limits(self.breaker_percent, self.breaker_least_clients)
