"""Pipedrive's API v2 (developers.pipedrive.com): organisations, persons and deals; users by v1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
from common.clock import Clock

from ingest.adapters.vendor_api import Gone, Rate, VendorApi
from ingest.enrichment import pipedrive
from ingest.sources.pipedrive import PipedriveSource

BASE = "https://api.pipedrive.com"
RATE = Rate(20, 2.0)
"""The burst limit of the smallest plan ("Rate limiting": rolling windows of two seconds)."""
PATHS = {"organization": "organizations", "person": "persons", "deal": "deals"}
USERS_FRESH = 600.0


class PipedriveApi:
    """Fetches what pipedrive.lookups names."""

    def __init__(self, source: PipedriveSource, token: str, base_url: str, clock: Clock) -> None:
        self._source = source
        self._api = VendorApi(
            base_url=base_url or BASE, headers={"x-api-token": token}, rate=RATE, clock=clock, patience=_patience
        )

    async def fetch(self, kind: str, id_: str) -> Mapping[str, Any]:
        """The object as it is now, its owners by address. Raises what vendor_api names."""
        found = await self._data(f"/api/v2/{PATHS[kind]}/{quote(id_, safe='')}")
        if found.get("is_deleted") is True:
            raise Gone("deleted")
        return await self._with_owners(found) if kind == "organization" else found

    async def _with_owners(self, found: Mapping[str, Any]) -> Mapping[str, Any]:
        known = dict(found)
        for name in pipedrive.unlisted_owners(known, self._source):
            try:
                user = await self._data(f"/api/v1/users/{quote(str(known[name]), safe='')}", fresh_for=USERS_FRESH)
            except Gone:
                continue
            known[name] = user.get("email", known[name])
        return known

    async def _data(self, path: str, **options: Any) -> Mapping[str, Any]:
        found = (await self._api.get(path, **options)).get("data")
        if not isinstance(found, dict):
            raise Gone("no data")
        return found

    async def close(self) -> None:
        await self._api.close()


def _patience(answer: httpx.Response) -> float | None:
    """Seconds until the window is over."""
    told = answer.headers.get("x-ratelimit-reset", "")
    return float(told) if told.isdigit() else None
