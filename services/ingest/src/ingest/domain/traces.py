"""What names a person: ids, refs, address, name. Where it stands in what we keep, and how it is taken out. Pure."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from ingest.domain.forgetting import texts_in
from ingest.domain.refs import Ref
from ingest.domain.statement import Statement
from ingest.domain.world import Person

ERASED = "[erased]"
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-_.~")
SHORTEST_NAME = 5
"""A shorter name, or one of a single word, is too common a word to be taken out of other people's sentences."""


@dataclass(frozen=True)
class Traces:
    """One person of one client. `names`: contact's id → what stands for it from now on."""

    client_id: UUID
    names: Mapping[str, str]
    refs: frozenset[Ref]
    people: tuple[Person, ...]
    tokens: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", frozenset(t for p in self.people for t in _tokens(p)))

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        spellings = {spelt for token in self.tokens for spelt in _spellings(token)}
        longest = sorted(map(re.escape, spellings), key=len, reverse=True)
        return re.compile(rf"(?<!\w)(?:{'|'.join(longest)})(?!\w)", re.IGNORECASE) if longest else None

    def masked(self, words: str) -> str:
        """The words without the address and the name."""
        return self._pattern.sub(ERASED, words) if self._pattern else words

    def masked_bytes(self, body: bytes) -> bytes:
        """The same for a body, whatever it is made of; bytes that are no text stay as they are."""
        words = body.decode("utf-8", "surrogateescape")
        return self.masked(words).encode("utf-8", "surrogateescape")

    def masked_json(self, value: Any) -> Any:
        """The same for every string in a JSON value."""
        if isinstance(value, str):
            return self.masked(value)
        if isinstance(value, Mapping):
            return {key: self.masked_json(part) for key, part in value.items()}
        return [self.masked_json(part) for part in value] if isinstance(value, list) else value

    def is_about(self, statement: Statement) -> bool:
        """Whether a statement tells of this person, or was made by them."""
        if any(ref in self.refs for ref in (*statement.refs, *statement.links)):
            return True
        if statement.contact is not None:
            return statement.contact.contact_id in self.names or self.is_address(statement.contact.email)
        if self.is_address(statement.hints.get("email")):
            return True
        return getattr(statement.data, "contact_id", None) in self.names

    def is_address(self, email: str | None) -> bool:
        return email is not None and any((p.email or "").lower() == email.strip().lower() for p in self.people)

    def named_in(self, value: Any, source: str) -> bool:
        """Whether an event that we do not map names them: by their id at that source, address or name."""
        ids = {ref.id for ref in self.refs if ref.source == source}
        said: Collection[str] = texts_in(value)
        return any(words in ids or self.masked(words) != words for words in said)


def _spellings(token: str) -> set[str]:
    """As it stands in words, in JSON and in forms."""
    form = "".join(c if c in _UNRESERVED else "".join(f"%{byte:02X}" for byte in c.encode()) for c in token)
    return {token, json.dumps(token)[1:-1], form, form.replace("%20", "+"), form.replace("%40", "@")}


def _tokens(person: Person) -> set[str]:
    names = {person.full_name, person.name}
    names = {name.strip() for name in names if name and len(name) >= SHORTEST_NAME and " " in name.strip()}
    reversed_ = {f"{p.last_name}, {p.first_name}" for p in (person,) if p.first_name and p.last_name}
    return {token for token in (*names, *reversed_, (person.email or "").strip()) if token}


def same_person(one: Person, other: Person) -> bool:
    """Whether two contacts are one human: the same address, and no two different names."""
    if not one.email or not other.email or one.email.strip().lower() != other.email.strip().lower():
        return False
    names = {(name or "").strip().lower() for name in (one.full_name, other.full_name)}
    return len(names - {""}) < 2
