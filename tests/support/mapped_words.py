"""What a source makes of a body: statements, and the same in short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from common.settings import REPOSITORY_CONFIG
from ingest.domain.statement import Ignored, Statement
from ingest.sources import CATALOGUE, VENDORS, load_sources

PAYLOADS = Path(__file__).parents[3] / "shared" / "payloads"


SOURCES = load_sources(REPOSITORY_CONFIG)


shared = pytest.mark.skipif(not PAYLOADS.exists(), reason="the shared payloads are not beside this checkout")


def said(source: str, body: Any, **options: Any) -> list[Any]:
    """Statements and Ignored of a body, in the source's configuration with `options` over it."""
    known = CATALOGUE[source].settings
    config = known.model_validate({**SOURCES[source].model_dump(), **options})
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found: list[Any] = []
    for event in VENDORS[source].split(raw, {}, config):
        told = VENDORS[source].interpret(event, config)
        found += [told] if isinstance(told, Ignored) else told
    return found


def told(source: str, body: Any, **options: Any) -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for statement in said(source, body, **options):
        assert isinstance(statement, Statement), statement
        if statement.contact:
            kept = {name: getattr(statement.contact, name) for name in statement.contact.__slots__}
            data = {name: value for name, value in kept.items() if value not in (None, False)}
            found.append((str(statement.refs[0]), "contact", data))
        elif statement.data is not None:
            data = statement.data.model_dump(mode="json", exclude_none=True)
            found.append((str(statement.refs[0]), statement.data.type_name(), data))
    return found


def key(source: str, body: Any) -> str:
    [event] = VENDORS[source].split(json.dumps(body).encode(), {}, SOURCES[source])
    return event.key
