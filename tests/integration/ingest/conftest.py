"""A whole ingest over HTTP on a real database; only the clock is the test's."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from common.auth import make_token
from common.clock import ManualClock
from common.contracts import registry
from common.contracts.base import Event
from common.process import Service
from ingest.main import build
from ingest.settings import Settings
from ingest.sources import load_sources
from loopctl.paths import REPOSITORY
from loopctl.sending import signer_of
from pydantic import SecretStr
from sqlalchemy import text

from tests.conftest import START

SECRET = "a-secret-that-only-the-test-knows"
PAYLOADS = Path(__file__).parents[4] / "shared" / "payloads"
SCOPES = ["ingest:read", "ingest:write", "ingest:import", "ingest:erase"]


class SteppedClock(ManualClock):
    """Business and wall time stand still until moved; waiting is real, so that the committer commits."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def hubspot_signature(body: bytes, url: str, now: datetime) -> dict[str, str]:
    stamp = str(int(now.timestamp() * 1000))
    mac = hmac.new(SECRET.encode(), b"POST" + url.encode() + body + stamp.encode(), hashlib.sha256)
    return {
        "X-HubSpot-Request-Timestamp": stamp,
        "X-HubSpot-Signature-v3": base64.b64encode(mac.digest()).decode(),
    }


def stripe_signature(body: bytes, url: str, now: datetime) -> dict[str, str]:
    stamp = str(int(now.timestamp()))
    mac = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={mac}"}


def zendesk_signature(body: bytes, url: str, now: datetime) -> dict[str, str]:
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    mac = hmac.new(SECRET.encode(), stamp.encode() + body, hashlib.sha256).digest()
    return {
        "X-Zendesk-Webhook-Signature": base64.b64encode(mac).decode(),
        "X-Zendesk-Webhook-Signature-Timestamp": stamp,
    }


def segment_signature(body: bytes, url: str, now: datetime) -> dict[str, str]:
    return {"X-Signature": hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()}


SIGN: dict[str, Callable[[bytes, str, datetime], dict[str, str]]] = {
    "hubspot": hubspot_signature,
    "stripe": stripe_signature,
    "zendesk": zendesk_signature,
    "segment": segment_signature,
}


@dataclass
class Ingest:
    """The service as its callers see it, and its tables."""

    service: Service
    http: httpx.AsyncClient
    clock: SteppedClock
    settings: Settings
    working: list[asyncio.Task[Any]] = field(default_factory=list)

    async def webhook(self, source: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        """Post a body (bytes, or anything JSON) signed as the vendor signs."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        path = f"/v1/webhooks/{source}"
        url, now = f"http://ingest.test{path}", self.clock.wall()
        signed = SIGN[source](raw, url, now) if source in SIGN else signer_of(source)(SECRET, url, raw, now)
        return await self.http.post(path, content=raw, headers={**signed, **(headers or {})})

    async def call(self, method: str, path: str, *, scopes: list[str] | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token(scopes)}", **options.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **options)

    def token(self, scopes: list[str] | None = None) -> str:
        settings = self.settings
        return make_token(
            settings.jwt_secret.get_secret_value(),
            subject="maya",
            scopes=SCOPES if scopes is None else scopes,
            audience=settings.jwt_audience,
            clock=self.real,
            hours=1,
        )

    @property
    def real(self) -> Any:
        from common.clock import SystemClock

        return SystemClock()

    async def published(self, topic: str = "csl.client.events.v1") -> list[Event[Any]]:
        """Everything in the outbox, in the order in which it will be sent within its lane."""
        rows = await self.rows("SELECT body FROM outbox WHERE topic = :topic ORDER BY seq", topic=topic)
        return [registry.parse(bytes(row.body), json.loads(bytes(row.body))["type"]) for row in rows]

    async def said(self) -> list[tuple[str, dict[str, Any]]]:
        """(name, data) of the client events."""
        return [
            (event.type.split(".")[2], event.data.model_dump(mode="json", exclude_none=True, by_alias=True))
            for event in await self.published()
        ]

    async def rows(self, sql: str, **parameters: Any) -> list[Any]:
        async with self.service.database.read() as session:
            return list((await session.execute(text(sql), parameters)).all())

    async def count(self, table: str) -> int:
        return int((await self.rows(f"SELECT count(*) AS n FROM {table}"))[0].n)

    async def register(self, ref: str = "hubspot:company:77", **profile: Any) -> UUID:
        """A client, said by an internal tool."""
        answer = await self.call(
            "POST", "/v1/events", json={"type": "client_registered", "subject": f"ref:{ref}", "data": profile}
        )
        assert answer.status_code == 202, answer.text
        source, kind, id_ = ref.split(":", 2)
        found = await self.call("GET", f"/v1/clients/by-ref/{source}/{kind}/{id_}")
        return UUID(found.json()["client_id"])

    async def flush_feeds(self) -> None:
        await self.service.on_stop[0]()

    async def fire_timers(self) -> None:
        from common.timers import TimerWorker

        worker = TimerWorker(self.service.database, self.clock, self.service.timers, asyncio.Event())
        await worker.fire_due()


def settings_for(url: str, **changes: Any) -> Settings:
    secrets = {name: [SecretStr(SECRET)] for name in load_sources(REPOSITORY / "deploy" / "config")}
    return Settings(
        **{"database_url": url, "kafka_bootstrap_servers": "unused:9092", "webhook_secrets": secrets, **changes}
    )


async def start(url: str, **changes: Any) -> Ingest:
    clock = SteppedClock(START)
    settings = settings_for(url, **changes)
    service = build(settings, clock)
    transport = httpx.ASGITransport(service.front or service.app, raise_app_exceptions=False)
    http = httpx.AsyncClient(transport=transport, base_url="http://ingest.test")
    intake = service.app.state.ingest.intake
    return Ingest(service, http, clock, settings, [asyncio.create_task(intake.run())])


async def stop(ingest: Ingest) -> None:
    for task in ingest.working:
        task.cancel()
    await asyncio.wait(ingest.working)
    await ingest.http.aclose()
    await ingest.service.database.close()


@pytest.fixture
async def ingest(service_database: Callable[[str], str]) -> AsyncIterator[Ingest]:
    """Empty tables, the shipped configuration."""
    url = await asyncio.to_thread(service_database, "ingest")
    running = await start(url)
    try:
        yield running
    finally:
        await stop(running)
