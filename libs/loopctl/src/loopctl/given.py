"""What the operator gives a stack from outside: environment variables, and the checkout's .env (see .env.example)."""

from __future__ import annotations

import json
import os
from pathlib import Path

from loopctl.errors import Problem
from loopctl.paths import REPOSITORY

OUTSIDE_WORLD = {
    "NOTIFY_SLACK_TOKEN": ("SLACK_BASE_URL", "SLACK_SIGNING_SECRET"),
    "NOTIFY_SMTP_HOST": ("SMTP_PORT", "MAIL_FROM"),
    "NOTIFY_HUBSPOT_TOKEN": ("HUBSPOT_BASE_URL",),
}
"""With one of these given, notify speaks to the real system, and the catcher's settings for it do not apply."""


def variables() -> dict[str, str]:
    """The environment over the .env file (LOOP_ENV_FILE names another one)."""
    file = Path(os.environ.get("LOOP_ENV_FILE", "") or REPOSITORY / ".env")
    if not file.is_file():
        return dict(os.environ)
    from dotenv import dotenv_values

    return {**{name: value for name, value in dotenv_values(file).items() if value is not None}, **os.environ}


def webhook_secrets() -> dict[str, list[str]]:
    """INGEST_WEBHOOK_SECRETS: source → one or two secrets, the newest first. Raises Problem."""
    text = variables().get("INGEST_WEBHOOK_SECRETS", "").strip()
    if not text:
        return {}
    try:
        value = json.loads(text)
        return {str(source): [str(secret) for secret in secrets] for source, secrets in value.items()}
    except (ValueError, AttributeError, TypeError) as error:
        example = '{"hubspot": ["new", "old"]}'
        raise Problem("INGEST_WEBHOOK_SECRETS is not readable", remedy=f"write JSON, e.g. {example}") from error


def speaks_to_people() -> bool:
    """Whether real people would get the messages of this stack."""
    given = variables()
    return any(given.get(name) for name in OUTSIDE_WORLD)
