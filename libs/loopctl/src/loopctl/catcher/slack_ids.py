"""Ids as Slack gives them, but derived from names."""

from __future__ import annotations

import hashlib

TEAM_ID = "T0LOCAL"


def slack_id(prefix: str, name: str) -> str:
    """A stable id for a name: the same person has the same user and the same direct-message channel for ever."""
    return prefix + hashlib.sha256(name.lower().encode()).hexdigest()[:10].upper()
