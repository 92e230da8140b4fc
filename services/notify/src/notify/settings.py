"""Settings of notify: environment variables with the prefix NOTIFY_."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from common.settings import ServiceSettings
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

LOCAL_SIGNING_SECRET = "local-slack-signing-secret"  # noqa: S105  (refused in production below)
SLACK = "https://slack.com/api/"


class Settings(ServiceSettings):
    """An outside system without its token or host is "not configured": what it would get is shown as suppressed."""

    model_config = SettingsConfigDict(env_prefix="NOTIFY_", extra="ignore", frozen=True)

    port: int = 8105
    rules_file: Path | None = None
    """Default: notify/rules.yaml in config_dir."""
    links_base: str = ""
    """Where links in messages lead (`<links_base>/clients/<id>`); empty: no links."""

    slack_base_url: str = SLACK
    slack_token: SecretStr = SecretStr("")
    slack_signing_secret: SecretStr = SecretStr(LOCAL_SIGNING_SECRET)
    slack_channel: str = "#client-success"
    """The team's channel: told when no person is named."""
    on_call: str = "#on-call"
    """Channel or e-mail address of whoever looks after the feeds."""

    smtp_host: str = ""
    smtp_port: int = 25
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_tls: Literal["none", "starttls", "tls"] = "none"
    mail_from: str = "Client Success Loop <loop@localhost>"

    hubspot_base_url: str = "https://api.hubapi.com"
    hubspot_token: SecretStr = SecretStr("")
    hubspot_source: str = "hubspot"
    """The configured source whose `company` refs are the portal's company ids."""
    crm_interval_seconds: float = Field(default=600, ge=0)
    """Least wall time between two write-backs of one client for a mere change of score."""

    send_timeout_seconds: float = Field(default=10, gt=0, le=25)
    lease_seconds: float = Field(default=60, ge=2, le=600)
    """For how long a sender has a message to itself; after kill −9 that message waits so long at most."""
    give_up_after_hours: float = Field(default=72, gt=0)
    kept_days: int = Field(default=400, ge=31)
    """Deliveries older than this are dropped, a month at a time."""

    @property
    def policy_file(self) -> Path:
        return self.rules_file or self.config_dir / "notify" / "rules.yaml"

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_seconds)

    @property
    def give_up_after(self) -> timedelta:
        return timedelta(hours=self.give_up_after_hours)

    @model_validator(mode="after")
    def _own_secret_in_production(self) -> Self:
        secret = self.slack_signing_secret.get_secret_value()
        if self.environment == "production" and self.slack_token.get_secret_value() and secret == LOCAL_SIGNING_SECRET:
            raise ValueError("production needs the Slack app's own slack_signing_secret")
        return self
