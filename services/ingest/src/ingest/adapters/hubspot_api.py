"""HubSpot's CRM v3 API (developers.hubspot.com, "CRM API", "Usage guidelines"): objects with their companies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from common.clock import Clock

from ingest.adapters.vendor_api import Gone, Rate, VendorApi
from ingest.enrichment import hubspot
from ingest.sources.hubspot import HubspotSource

BASE = "https://api.hubapi.com"
RATE = Rate(100, 10.0)
"""The lowest of HubSpot's burst limits (private apps of paid accounts may 190)."""
OWNERS_FRESH = 600.0
DAY_IS_OVER = 3600.0
PLURALS = {"company": "companies", "contact": "contacts", "deal": "deals", "ticket": "tickets"}


class HubspotApi:
    """Fetches what hubspot.lookups names."""

    def __init__(self, source: HubspotSource, token: str, base_url: str, clock: Clock) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._source = source
        self._api = VendorApi(base_url=base_url or BASE, headers=headers, rate=RATE, clock=clock, patience=_patience)

    async def fetch(self, kind: str, id_: str) -> Mapping[str, Any]:
        """The object; its company's owners by address. Raises what vendor_api names."""
        asked = {"properties": ",".join(hubspot.properties(kind, self._source))}
        if kind != "company":
            asked["associations"] = "companies"
        found = await self._api.get(f"/crm/v3/objects/{PLURALS[kind]}/{quote(id_, safe='')}", urlencode(asked))
        if found.get("archived") is True:
            raise Gone("archived")
        return await self._with_owners(found) if kind == "company" else found

    async def _with_owners(self, found: Mapping[str, Any]) -> Mapping[str, Any]:
        properties = dict(found.get("properties") or {})
        for name in hubspot.unlisted_owners(properties, self._source):
            address = await self._owner(str(properties[name]))
            if address is not None:
                properties[name] = address
        return {**found, "properties": properties}

    async def _owner(self, id_: str) -> str | None:
        try:
            owner = await self._api.get(f"/crm/v3/owners/{quote(id_, safe='')}", fresh_for=OWNERS_FRESH)
        except Gone:
            return None
        email = owner.get("email")
        return email if isinstance(email, str) else None

    async def close(self) -> None:
        await self._api.close()


def _patience(answer: httpx.Response) -> float | None:
    """A spent daily allowance is not back in ten seconds."""
    return DAY_IS_OVER if '"DAILY"' in answer.text else None
