"""Erased people: how they are remembered without being kept, and what of a statement may still be said."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from common.contracts import client

from ingest.domain.refs import Ref
from ingest.domain.statement import Statement


def digest_of(value: str) -> str:
    """What is kept of an erased contact's id or address."""
    return hashlib.sha256(f"person\x1f{value.strip().lower()}".encode("utf-8", "replace")).hexdigest()[:32]


def address_ref(email: str) -> Ref:
    """An address among the erased refs: its owner is not to come back by way of a ref that nobody knows yet."""
    return Ref("*", "address", email.strip().lower())


def address_refs(statement: Statement) -> tuple[Ref, ...]:
    """The addresses that a statement gives of a person."""
    said = (statement.hints.get("email"), statement.contact.email if statement.contact else None)
    return tuple(address_ref(email) for email in said if email)


def without_erased(statement: Statement, forgotten: Mapping[str, str], receipt: datetime) -> Statement | None:
    """The statement without erased people; None where it is about one, or tells of a time before the erasure.

    What an erased person goes on doing stays a fact of the client (a login, a ticket), said of nobody.
    """
    links = tuple(ref for ref in statement.links if digest_of(ref.id) not in forgotten)
    statement = statement if len(links) == len(statement.links) else replace(statement, links=links)
    if statement.contact is not None:
        said = (statement.contact.contact_id, statement.contact.email)
        return None if any(digest_of(one) in forgotten for one in said if one) else statement
    if statement.data is None:
        return statement
    body = statement.data.model_dump(mode="json", by_alias=True, exclude_none=True)
    erased = {text for text in texts_in(body) if digest_of(text) in forgotten}
    if not erased:
        return statement
    until = max(datetime.fromisoformat(forgotten[digest_of(text)]) for text in erased)
    if isinstance(statement.data, client.Contact | client.ContactMoved) or (statement.time or receipt) <= until:
        return None
    by_erased = body.get("contact_id") in erased
    data = type(statement.data).model_validate(without(body, erased))
    return replace(statement, data=data, text=None if by_erased else statement.text, hints={})


def texts_in(value: Any) -> Collection[str]:
    """Every string inside a JSON value, keys aside."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Mapping):
        return [text for part in value.values() for text in texts_in(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in texts_in(part)]
    return ()


def without(value: Any, gone: Collection[str]) -> Any:
    """A JSON value without these strings: fields that hold one go, and items of lists."""
    if isinstance(value, Mapping):
        return {key: without(part, gone) for key, part in value.items() if not _is(part, gone)}
    if isinstance(value, list):
        return [without(part, gone) for part in value if not _is(part, gone)]
    return value


def _is(value: Any, gone: Collection[str]) -> bool:
    return isinstance(value, str) and value in gone


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A JSON value in which whole strings are replaced."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, Mapping):
        return {key: renamed(part, names) for key, part in value.items()}
    return [renamed(part, names) for part in value] if isinstance(value, list) else value
