"""The optional allow-list of addresses: who it keeps out, and whose word for an address counts behind a proxy."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from common.process import _uvicorn_config
from ingest.config import Source
from ingest.main import build
from loopctl.paths import REPOSITORY
from pydantic import ValidationError

from tests.integration.ingest.conftest import Ingest, settings_for, start, stop

EVENT = {"type": "page", "userId": "u1"}


def allow(ingest: Ingest, *networks: str) -> None:
    """Sets the allow-list of the source `segment`."""
    runtime = ingest.service.app.state.ingest
    read = Source.model_validate({"vendor": "segment", "allow_addresses": networks})
    changed = runtime.sources["segment"].model_copy(update={"allow_addresses": read.allow_addresses})
    ingest.service.app.state.ingest = replace(runtime, sources={**runtime.sources, "segment": changed})


def from_address(ingest: Ingest, address: str, app: Any = None) -> None:
    """Posts come from this address from now on."""
    transport = httpx.ASGITransport(app or ingest.service.app, raise_app_exceptions=False, client=(address, 4711))
    ingest.http = httpx.AsyncClient(transport=transport, base_url="http://ingest.test")


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        ((), "203.0.113.9", 202),
        (("203.0.113.0/24",), "203.0.113.9", 202),
        (("203.0.113.9",), "203.0.113.9", 202),
        (("203.0.113.0/24", "2001:db8::/32"), "2001:db8::7", 202),
        (("203.0.113.0/24",), "::ffff:203.0.113.9", 202),
        (("203.0.113.0/24",), "198.51.100.1", 401),
        (("203.0.113.0/24",), "2001:db8::7", 401),
        (("203.0.113.0/24",), "testclient", 401),
    ],
)
async def test_posts_are_taken_from_listed_networks_only(
    ingest: Ingest, networks: tuple[str, ...], address: str, status: int
) -> None:
    allow(ingest, *networks)
    from_address(ingest, address)
    assert (await ingest.webhook("segment", EVENT)).status_code == status


async def test_who_is_kept_out_is_not_told_why_but_we_are(ingest: Ingest) -> None:
    allow(ingest, "203.0.113.0/24")
    from_address(ingest, "198.51.100.1")
    answer = await ingest.webhook("segment", EVENT)
    assert "198.51" not in answer.text
    assert "allow" not in answer.text
    await ingest.flush_feeds()
    sources = (await ingest.call("GET", "/v1/sources")).json()["items"]
    refusal = next(s for s in sources if s["name"] == "segment")["last_refusal"]
    assert refusal == "198.51.100.1 is not among the allowed addresses"


async def test_an_allowed_address_still_needs_the_signature(ingest: Ingest) -> None:
    allow(ingest, "203.0.113.0/24")
    from_address(ingest, "203.0.113.9")
    assert (await ingest.http.post("/v1/webhooks/segment", json=EVENT)).status_code == 401


def test_a_network_that_is_none_is_refused_at_start() -> None:
    with pytest.raises(ValidationError):
        Source.model_validate({"vendor": "segment", "allow_addresses": ["everywhere"]})


@pytest.mark.parametrize(
    ("trusted", "proxy", "told", "status"),
    [
        ("10.0.0.0/8", "10.1.2.3", "203.0.113.9", 202),
        ("10.0.0.0/8,192.0.2.1", "192.0.2.1", "203.0.113.9", 202),
        ("127.0.0.1", "10.1.2.3", "203.0.113.9", 401),
        ("10.0.0.0/8", "198.51.100.1", "203.0.113.9", 401),
        # what the sender itself wrote stands before what the proxy saw, and counts for nothing
        ("10.0.0.0/8", "10.1.2.3", "203.0.113.9, 198.51.100.1", 401),
        ("10.0.0.0/8", "10.1.2.3", "198.51.100.1, 203.0.113.9", 202),
        ("10.0.0.0/8", "10.1.2.3", "198.51.100.1, 203.0.113.9, 10.9.9.9", 202),
        ("10.0.0.0/8", "10.1.2.3", "203.0.113.9:4711", 202),
        ("10.0.0.0/8", "10.1.2.3", "nobody", 401),
        ("10.0.0.0/8", "203.0.113.9", "198.51.100.1", 202),
    ],
)
async def test_behind_a_proxy_the_senders_address_is_what_a_trusted_proxy_says(
    service_database: Any, trusted: str, proxy: str, told: str, status: int
) -> None:
    """Through uvicorn's own middleware, as the process is configured: a stranger's X-Forwarded-For opens nothing."""
    own = await start(service_database("ingest"), forwarded_allow_ips=trusted)
    try:
        config = _uvicorn_config(own.service)
        config.load()
        allow(own, "203.0.113.0/24")
        from_address(own, proxy, config.loaded_app)
        answer = await own.webhook("segment", EVENT, {"x-forwarded-for": told})
        assert answer.status_code == status
    finally:
        await stop(own)


@pytest.mark.parametrize("trusted", ["*", "0.0.0.0/0"])
def test_an_allow_list_that_anybody_could_pass_does_not_start(tmp_path: Path, trusted: str) -> None:
    """Who believes anybody's X-Forwarded-For lets senders choose their addresses."""
    shutil.copytree(REPOSITORY / "deploy" / "config", tmp_path / "config")
    settings = settings_for("postgresql://unused", config_dir=tmp_path / "config", forwarded_allow_ips=trusted)
    build(settings)
    (tmp_path / "config" / "sources" / "segment.yaml").write_text(
        "vendor: segment\nallow_addresses: [203.0.113.0/24]\n"
    )
    with pytest.raises(ValueError, match="segment keep nobody out: name your proxies"):
        build(settings)
