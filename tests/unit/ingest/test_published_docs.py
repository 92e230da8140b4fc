"""The vendors' pages and the OpenAPI document say what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest
from ingest.main import build
from ingest.settings import Settings
from ingest.sources import hubspot, segment, stripe, zendesk
from pydantic import SecretStr, ValidationError

DOCS = Path(__file__).parents[3] / "docs" / "sources"
KINDS = {
    "hubspot": [*hubspot._KINDS],
    "stripe": [*stripe._KINDS],
    "zendesk": [*zendesk._KINDS],
    "segment": [*segment._KINDS, *segment._SILENT],
}


@pytest.mark.parametrize("vendor", KINDS)
def test_every_event_that_is_read_stands_in_its_vendors_table(vendor: str) -> None:
    page = (DOCS / f"{vendor}.md").read_text()
    short = [kind for kind in KINDS[vendor] if kind not in page and f".{kind.rsplit('.', 1)[-1]}" not in page]
    assert short == [], "these events are mapped but not documented"


def settings(**changes: object) -> Settings:
    return Settings.model_validate(
        {"database_url": "postgresql://x@localhost/x", "kafka_bootstrap_servers": "x:1", **changes}
    )


async def test_the_openapi_document_holds_every_route_with_examples() -> None:
    document = build(settings()).app.openapi()
    assert {"/v1/webhooks/{source}", "/v1/events", "/v1/imports", "/v1/clients/by-ref/{source}/{kind}/{id}"} <= set(
        document["paths"]
    )
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))
    assert document["paths"]["/v1/webhooks/{source}"]["post"]["responses"].keys() >= {"202", "401", "404", "413", "503"}


def test_secrets_are_one_or_two_and_never_local_ones_in_production() -> None:
    with pytest.raises(ValidationError, match="one or two"):
        settings(webhook_secrets={"hubspot": ["a", "b", "c"]})
    with pytest.raises(ValidationError, match="local default"):
        settings(environment="production", jwt_secret="x" * 40, webhook_secrets={"hubspot": ["local-hubspot-secret"]})
    found = settings(webhook_secrets={"hubspot": [SecretStr("a"), SecretStr("b")]})
    assert found.secrets() == {"hubspot": (b"a", b"b")}
    assert "'a'" not in repr(found)
