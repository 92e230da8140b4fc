"""The vendors' pages and the OpenAPI document say what the code does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest
from common.contracts import client
from ingest.main import build
from ingest.settings import Settings
from ingest.sources import CATALOGUE
from pydantic import SecretStr, ValidationError

DOCS = Path(__file__).parents[3] / "docs" / "sources"
VENDORS = [name for name in CATALOGUE if name != "mapped"]
"""A mapped source is a file of its own, and its page is about all of them."""


def kinds(vendor: str) -> list[str]:
    """The event names that a vendor's module knows."""
    module = CATALOGUE[vendor].module
    return [*getattr(module, "_KINDS", ()), *getattr(module, "_SILENT", ())]


def source_of(vendor: str) -> str:
    return inspect.getsource(cast("ModuleType", CATALOGUE[vendor].module))


def rows(vendor: str) -> list[list[str]]:
    """The cells of the page's mapping table: theirs, ours, fields."""
    table = (DOCS / f"{vendor}.md").read_text().partition("| theirs | ours | fields |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()[2:]]


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_event_that_is_read_stands_in_its_vendors_table(vendor: str) -> None:
    page = (DOCS / f"{vendor}.md").read_text()
    known = kinds(vendor)
    short = [kind for kind in known if kind not in page and f".{kind.rsplit('.', 1)[-1]}" not in page]
    assert short == [], "these events are mapped but not documented"


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendors_table_speaks_of_our_events_and_its_page_of_how_to_connect_it(vendor: str) -> None:
    ours = {event.__name__: event.type_name() for event in client.EVENTS}
    said = {name for row in rows(vendor) for name in re.findall(r"[a-z]+(?:_[a-z]+)+", re.sub("`.*?`", "", row[1]))}
    assert said, "the page has a table"
    assert said <= set(ours.values()), "the table names events that there are not"
    made = {ours[name] for name in re.findall(r"\bclient\.(\w+)", source_of(vendor)) if name in ours}
    assert made <= said, "the code makes events that the table does not name"
    page = (DOCS / f"{vendor}.md").read_text()
    assert "## Connect it" in page
    assert f"/v1/webhooks/{vendor}" in page


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
