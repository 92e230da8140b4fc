"""Stripe's API (docs.stripe.com/api): customers, subscriptions with their price tiers, charges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from common.clock import Clock

from ingest.adapters.vendor_api import Gone, Rate, VendorApi
from ingest.sources.stripe import StripeSource

BASE = "https://api.stripe.com"
RATE = Rate(20, 1.0)
"""Below the 25 a second of test mode; live mode allows 100."""
PATHS = {"customer": "customers", "subscription": "subscriptions", "charge": "charges"}
EXPANDED = {"subscription": ("items.data.price.tiers", "discounts.coupon")}


class StripeApi:
    """Fetches what stripe.lookups names."""

    def __init__(self, source: StripeSource, token: str, base_url: str, clock: Clock) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._api = VendorApi(base_url=base_url or BASE, headers=headers, rate=RATE, clock=clock)

    async def fetch(self, kind: str, id_: str) -> Mapping[str, Any]:
        """The object as it is now. Raises what vendor_api names."""
        query = urlencode([("expand[]", part) for part in EXPANDED.get(kind, ())])
        found = await self._api.get(f"/v1/{PATHS[kind]}/{quote(id_, safe='')}", query)
        if found.get("deleted") is True:
            raise Gone("deleted")
        return found

    async def close(self) -> None:
        await self._api.close()
