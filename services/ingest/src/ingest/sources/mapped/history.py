"""What a map says of a row, in the form of an import (contracts: import form): one event a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.contracts import client

from ingest.domain.refs import Ref
from ingest.domain.statement import ContactChange, Ignored, SourceEvent, Statement, Unreadable
from ingest.sources import mapped
from ingest.sources.mapped.settings import MappedSource

BY_CONTENT = "sha256:"
"""What a dedup key begins with that the file names no place for: ingest works the same out of the line itself."""


def lines(
    row: Mapping[str, Any], config: MappedSource, columns: Mapping[str, str] | None = None
) -> list[dict[str, Any]] | Ignored:
    """The lines of one row. `columns`: names in the map → names in the table.

    Raises Unreadable, and pydantic.ValidationError for a value that our contract refuses.
    """
    found: list[dict[str, Any]] = []
    said: list[Statement] | Ignored = []
    for event in mapped.taken_apart(row, {}, config):
        said = mapped.interpret(event, config)
        if isinstance(said, list):
            if any(statement.time is None for statement in said):
                raise Unreadable(_without_time(event, config, columns or {}))
            found += [_line(statement, nth, event, config) for nth, statement in enumerate(said)]
    return said if isinstance(said, Ignored) and not found else found


def _line(statement: Statement, nth: int, event: SourceEvent, config: MappedSource) -> dict[str, Any]:
    assert statement.time is not None  # noqa: S101  (asked before; for the type checker)
    name, data = _event(statement)
    line = {
        "type": name,
        "source": config.name,
        "subject": str(statement.client_id) if statement.client_id else f"ref:{statement.shown_as}",
        "time": statement.time.isoformat(),
        "data": data,
    }
    if statement.text:
        line["text"] = statement.text
    if not event.key.startswith(BY_CONTENT):
        line["id"] = f"{event.key}:{nth}"
    return line


def _without_time(event: SourceEvent, config: MappedSource, columns: Mapping[str, str]) -> str:
    """History happened at some moment: where the row could have said at which, and what stands there."""
    rules = [rule for rule in config.map.rules_of(event.kind) or () if rule.applies(event.body)]
    told = [_place(name, event.body, columns) for name in dict.fromkeys(name for rule in rules for name in rule.times)]
    return f"it has no time that can be read: {'; '.join(told) or 'the map says of no column that it holds one'}"


def _place(name: str, row: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    shown = columns.get(name, name)
    if name in row:
        return f"{shown} holds {str(row[name])[:40]!r}"
    return f"there is no column {shown}" if columns and name not in columns else f"{shown} is empty"


def _event(statement: Statement) -> tuple[str, dict[str, Any]]:
    if statement.contact is not None:
        return _contact(statement.contact)
    if statement.data is None:
        return client.ClientUpdated.TYPE, {"refs": [_ref(ref) for ref in statement.links]}
    data = statement.data.model_dump(mode="json", exclude_none=True, by_alias=True)
    if isinstance(statement.data, client.ClientUpdated) and statement.links:
        data["refs"] = [_ref(ref) for ref in statement.links]
    return statement.data.TYPE, data


def _contact(said: ContactChange) -> tuple[str, dict[str, Any]]:
    """An import has no half-known people: who is named is added, with what the row says."""
    if said.left:
        return client.ContactLeft.TYPE, {"contact_id": said.contact_id}
    name = said.name or " ".join(part for part in (said.first_name, said.last_name) if part)
    told = {"contact_id": said.contact_id, "name": name, "email": said.email, "role": said.role or "user"}
    return client.ContactAdded.TYPE, {key: value for key, value in told.items() if value}


def _ref(ref: Ref) -> dict[str, str]:
    return {"source": ref.source, "kind": ref.kind, "id": ref.id}
