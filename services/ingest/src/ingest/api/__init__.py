"""The routes of ingest, one file a noun."""

from __future__ import annotations

from fastapi import APIRouter

from ingest.api import (
    clients,
    contacts,
    events,
    identity,
    imports,
    quarantine,
    replays,
    secrets,
    sources,
    tracking,
    unmatched,
    webhooks,
)

ROUTERS: tuple[APIRouter, ...] = (
    webhooks.router,
    tracking.router,
    events.router,
    imports.router,
    clients.router,
    identity.router,
    contacts.router,
    unmatched.router,
    quarantine.router,
    replays.router,
    sources.router,
    secrets.router,
)
