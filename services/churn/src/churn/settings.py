"""Settings of churn; environment variables start with CHURN_."""

from __future__ import annotations

from common.settings import ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """What churn needs beyond the shared settings."""

    model_config = SettingsConfigDict(env_prefix="CHURN_", extra="ignore", frozen=True)

    port: int = 8103
    assess_every: float = Field(default=1.5, gt=0, le=60)
    """Wall seconds between looks for clients to assess: how long one waits after its event at most."""
    assess_rest: float = Field(default=10, ge=0, le=3600)
    """Business seconds from one assessment of a client to its next: a stream of events does not cause a stream of
    assessments. The first event after a pause is answered at once."""
    assess_batch: int = Field(default=200, ge=1, le=2000)
    """Clients in one transaction."""
    history_days: int = Field(default=400, ge=120)
    """How long assessments are kept (in whole months)."""
