"""The APIs of the sources that have a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from common.clock import Clock

from ingest.adapters.hubspot_api import HubspotApi
from ingest.adapters.pipedrive_api import PipedriveApi
from ingest.adapters.stripe_api import StripeApi
from ingest.config import Source

Made = Callable[[Any, str, str, Clock], Any]
_APIS: Mapping[str, Made] = {"hubspot": HubspotApi, "pipedrive": PipedriveApi, "stripe": StripeApi}
"""By vendor: (source, token, base URL or empty, clock) → its API."""


def make_apis(
    sources: Mapping[str, Source], tokens: Mapping[str, str], urls: Mapping[str, str], clock: Clock
) -> dict[str, Any]:
    """By source. Raises ValueError for a token that no configured source can use: it was mistyped."""
    made = {}
    for name, token in tokens.items():
        known = sources.get(name)
        if known is None or known.vendor not in _APIS:
            raise ValueError(f"enrichment_tokens: {name} is no source of {', '.join(sorted(_APIS))}")
        made[name] = _APIS[known.vendor](known, token, urls.get(name, ""), clock)
    return made
