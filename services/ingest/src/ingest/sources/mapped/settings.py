"""The file of a mapped source: what an operator writes, checked when it is read."""

from __future__ import annotations

import codecs
import fnmatch
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ingest.config import Settled, Source
from ingest.located import At, Faults
from ingest.sources.mapped import rules, values
from ingest.sources.mapped.amounts import Figures
from ingest.sources.mapped.forms import Writing
from ingest.sources.mapped.rules import Around, Compiled, Rule
from ingest.sources.mapped.schemes import Scheme, StandardWebhooks
from ingest.sources.mapped.values import Wrong

EVENT = "event"
"""The kind of every event of a source that does not tell kinds apart."""
Take = Callable[[Any, Mapping[str, str]], Any]
"""(body, headers in lower case) → value."""


class Header(Settled):
    """`{header: X-Topic}`."""

    header: str


class Constant(Settled):
    """`{is: row}`."""

    value: str = Field(alias="is")


def _place(value: Any) -> Any:
    """One sentence in place of pydantic's one for each thing that it might have been."""
    if isinstance(value, bool):
        raise ValueError(f"YAML reads this word as {str(value).lower()}: put it in quotes")  # noqa: TRY004  (pydantic's)
    if not isinstance(value, str | Header | Constant) and (not isinstance(value, dict) or len(value) != 1):
        raise ValueError("write a JMESPath, or {header: NAME}")
    return value


Place = Annotated[str | Header, BeforeValidator(_place)]
Kind = Annotated[str | Header | Constant, BeforeValidator(_place)]


class Formats(Settled):
    """How the source's texts write numbers and days; JSON numbers and ISO 8601 need nothing here."""

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ","] = ""
    """Spaces and apostrophes between groups are read anyway."""
    dates: tuple[str, ...] = ()
    """strptime's forms, such as %d.%m.%Y, tried in order before ISO 8601."""
    timezone: str | None = None
    """Of moments without an offset; None: UTC."""

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError(f"{self.decimal} cannot stand for both, decimals and thousands")
        return self

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone such as Europe/Berlin") from error
        return value


class Csv(Settled):
    """How a file of rows is written; None of it is needed for what spreadsheets save today."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """None: the commonest of , ; tab | in the first row."""
    encoding: str | None = None
    """None: told by the file's first bytes; without a mark UTF-8, and where it is none, Windows-1252."""

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        try:
            return codecs.lookup(value).name if value is not None else None
        except LookupError as error:
            raise ValueError(f"{value!r} is no encoding") from error


class MappedSource(Source):
    """A vendor that is connected by a file alone (docs/sources/mapped.md)."""

    vendor: Literal["mapped"]
    signature: Scheme | None = None
    """None: its webhook takes nothing; for files of rows."""
    body: Literal["json", "form"] = "json"
    split: str | None = None
    """JMESPath to the list of events; None: the body, or its items."""
    envelope: dict[str, Place] = {}
    """What each event takes along from the body around it or its headers, under `envelope`."""
    key: Annotated[list[Place], BeforeValidator(lambda value: value if isinstance(value, list) else [value])] = []
    """What tells repeats, one place or several; none: the content."""
    kind: Kind | None = None
    creates: bool = False
    """Whether it may bring clients into being, as a CRM does."""
    time: Any = None
    refs: list[dict[str, Any]] = []
    links: list[dict[str, Any]] = []
    hints: dict[str, Any] = {}
    kinds: dict[str, Annotated[list[Rule], Field(min_length=1)]]
    """The vendor's kinds of event, `*` and `?` allowed."""
    ignore: list[str] = []
    """Kinds that are known and say nothing to us."""
    formats: Formats = Formats()
    csv: Csv | None = None

    def model_post_init(self, context: Any, /) -> None:
        """Raises Faults with every rule that cannot hold."""
        self.map  # noqa: B018  (compiled now, so that a wrong file stops the service and not an event)

    @cached_property
    def map(self) -> Map:
        """The rules, compiled."""
        return Map(self)

    @property
    def kept_headers(self) -> tuple[str, ...]:
        """Headers that its events cannot be read again without."""
        keys = self.key if isinstance(self.key, list) else [self.key]
        named = [
            part.header.lower() for part in (*keys, self.kind, *self.envelope.values()) if isinstance(part, Header)
        ]
        standard = isinstance(self.signature, StandardWebhooks) and not self.key
        return (*named, *([_message_id(self)] if standard else []))


def _message_id(source: MappedSource) -> str:
    assert isinstance(source.signature, StandardWebhooks)  # noqa: S101  (asked by the callers; for the type checker)
    return f"{source.signature.headers.lower()}-id"


class Map:
    """A file's rules, ready for any body."""

    def __init__(self, source: MappedSource) -> None:
        self._faults: list[tuple[At, str]] = []
        formats = source.formats
        self._writing = Writing(
            Figures(formats.decimal, formats.thousands),
            formats.dates,
            ZoneInfo(formats.timezone) if formats.timezone else None,
        )
        self.split = self._path(source.split, ("split",)) if source.split else None
        self.envelope = tuple((name, self._take(part, ("envelope", name))) for name, part in source.envelope.items())
        self.key = self._key(source)
        self.key_in_header = bool(source.kept_headers) and not self.key_in_body(source)
        self.kind = self._take(source.kind, ("kind",)) if source.kind is not None else None
        self._exact: dict[str, tuple[Compiled, ...]] = {}
        self._patterns: list[tuple[re.Pattern[str], tuple[Compiled, ...]]] = []
        for kind, written in source.kinds.items():
            self._add(kind, self._rules(source, kind, written))
        self._not_read = frozenset(source.ignore)
        self._ignored = [_pattern(kind) for kind in source.ignore if _is_pattern(kind)]
        self._both(source)
        if self._faults:
            raise Faults(self._faults)

    @staticmethod
    def key_in_body(source: MappedSource) -> bool:
        """Whether any part of the dedup key stands in the event itself, so that two of one post differ by it."""
        return any(isinstance(part, str) for part in source.key)

    def rules_of(self, kind: str) -> tuple[Compiled, ...] | None:
        """None for a kind that the file does not map. A name goes before a pattern, what is read before what is not."""
        if kind in self._exact or kind in self._not_read:
            return self._exact.get(kind)
        return next((found for pattern, found in self._patterns if pattern.match(kind)), None)

    def ignores(self, kind: str) -> bool:
        """Whether a kind without rules is known all the same."""
        return kind in self._not_read or any(pattern.match(kind) for pattern in self._ignored)

    @property
    def most_statements(self) -> int:
        """How much one event can say."""
        return max(map(len, (*self._exact.values(), *(found for _, found in self._patterns))), default=1)

    def _key(self, source: MappedSource) -> tuple[Take, ...]:
        if not source.key and isinstance(source.signature, StandardWebhooks):
            return (_header(_message_id(source)),)
        return tuple(self._take(part, ("key", nth)) for nth, part in enumerate(source.key))

    def _take(self, part: str | Header | Constant, at: At) -> Take:
        if isinstance(part, Header):
            return _header(part.header.lower())
        if isinstance(part, Constant):
            return lambda _body, _headers: part.value
        find = self._path(part, at)
        return lambda body, _headers: find(body)

    def _path(self, path: str, at: At) -> Any:
        try:
            return values.found(path, values.Place(at, self._writing))
        except Wrong as wrong:
            self._faults.append((wrong.at, wrong.reason))
            return lambda _body: None

    def _rules(self, source: MappedSource, kind: str, written: list[Rule]) -> tuple[Compiled, ...]:
        around = Around(
            source.name, source.refs, source.links, source.time, source.hints, source.creates, self._writing
        )
        found = []
        for nth, rule in enumerate(written):
            try:
                found.append(rules.compiled(rule, around, ("kinds", kind, nth)))
            except Wrong as wrong:
                self._faults.append((wrong.at, wrong.reason))
        return tuple(found)

    def _add(self, kind: str, found: tuple[Compiled, ...]) -> None:
        if _is_pattern(kind):
            self._patterns.append((_pattern(kind), found))
        else:
            self._exact[kind] = found

    def _both(self, source: MappedSource) -> None:
        for nth, kind in enumerate(source.ignore):
            if kind in source.kinds:
                self._faults.append((("ignore", nth), f"{kind} is mapped, too"))
        if source.kind is None and source.kinds.keys() != {EVENT}:
            self._faults.append((("kinds",), f"without `kind` there is one kind only, and it is called {EVENT}"))
        if source.signature is None and source.csv is None:
            self._faults.append(((), "`signature` is missing: a webhook that anybody may call proves nothing"))


def _is_pattern(kind: str) -> bool:
    return "*" in kind or "?" in kind


def _pattern(kind: str) -> re.Pattern[str]:
    """Only * and ? are special: vendors' kinds hold brackets."""
    return re.compile(fnmatch.translate(kind.replace("[", "[[]")))


def _header(name: str) -> Take:
    return lambda _body, headers: headers.get(name)
