"""The envelope of every event on the bus (CloudEvents 1.0, structured JSON) and the root of all event bodies.

Field by field: `docs/events` (generated) and the contracts page that outside programs rely on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, cached_property
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar, cast
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, Strict


def iso_text_only(value: object) -> object:
    """Refuse numbers as moments and days: seconds or milliseconds, nobody can tell."""
    if isinstance(value, int | float) or (isinstance(value, str) and "-" not in value[1:]):
        raise ValueError("write it as ISO 8601 text, such as 2026-03-02 or 2026-03-02T09:30:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the moment is outside the calendar once in UTC") from error


UtcDatetime = Annotated[AwareDatetime, BeforeValidator(iso_text_only), AfterValidator(_in_utc)]
"""Timezone-aware moment, always held in UTC; a naive one is refused."""


class _Personal:
    """Marks a field that names a client's person; facts are kept without it."""


PERSONAL = _Personal()


class Origin(StrEnum):
    """How an event reached us: as it happened, or as history brought in later."""

    LIVE = "live"
    IMPORT = "import"


class Money(BaseModel):
    """Integer minor units (cents, yen) of one currency; never summed across currencies without a rate."""

    model_config = ConfigDict(frozen=True)

    amount: Annotated[int, Strict(), Field(ge=-(2**53), le=2**53)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Data(BaseModel):
    """Root of all event bodies. Unknown fields are kept: a newer producer may say more than we know."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        populate_by_name=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )

    TYPE: ClassVar[str] = ""
    """CloudEvents type, e.g. `csl.client.logged_in.v1`; empty on abstract bodies."""
    TOPIC: ClassVar[str] = ""

    @classmethod
    def type_name(cls) -> str:
        """The type's middle word: `logged_in` of `csl.client.logged_in.v1`."""
        return cls.TYPE.split(".")[2]

    @classmethod
    @cache
    def personal_fields(cls) -> frozenset[str]:
        """Names of the fields that name a client's person; worked out once a class, since every fact asks."""
        return frozenset(n for n, f in cls.model_fields.items() if any(m is PERSONAL for m in f.metadata))

    def fact(self) -> dict[str, Any]:
        """The body as a small JSON-ready mapping, without what names client people."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=set(self.personal_fields()))


class Unknown(Data):
    """A type that this release does not know: kept as it came, skipped by every handler."""


D = TypeVar("D", bound=Data, covariant=True)
B = TypeVar("B", bound=Data)


class Order(NamedTuple):
    """Position of an event among its client's events, everywhere (contracts: Order)."""

    time: datetime
    knowntime: datetime
    sequence: int
    id: UUID


class Event(BaseModel, Generic[D]):
    """One CloudEvent. `subject` is the client's id (for feed events: the source's name) and the Kafka key."""

    model_config = ConfigDict(frozen=True, extra="allow")

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: Annotated[str, Field(min_length=1)]
    type: Annotated[str, Field(min_length=1)]
    subject: Annotated[str, Field(min_length=1)]
    time: UtcDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = None
    knowntime: UtcDatetime
    origin: Origin = Origin.LIVE
    sequence: Annotated[int, Strict(), Field(ge=0)] = 0
    traceparent: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    replaces: UUID | None = None
    data: D

    @classmethod
    def of(
        cls,
        data: B,
        *,
        id: UUID,  # noqa: A002  (CloudEvents' own word)
        source: str,
        subject: UUID | str,
        time: datetime,
        knowntime: datetime | None = None,
        origin: Origin = Origin.LIVE,
        sequence: int = 0,
        caused_by: Event[Any] | None = None,
        replaces: UUID | None = None,
    ) -> Event[B]:
        """Wrap a body; trace and correlation are taken over from the event that caused it."""
        event = cls(
            id=id,
            source=source,
            type=data.TYPE,
            subject=str(subject),
            time=time,
            dataschema=f"csl/schemas/{data.TYPE}.json",
            knowntime=knowntime or time,
            origin=origin,
            sequence=sequence,
            traceparent=caused_by.traceparent if caused_by else None,
            correlationid=(caused_by.correlationid or str(caused_by.id)) if caused_by else None,
            causationid=str(caused_by.id) if caused_by else None,
            replaces=replaces,
            data=data,
        )
        return cast("Event[B]", event)

    @cached_property
    def client_id(self) -> UUID:
        return UUID(self.subject)

    @cached_property
    def order(self) -> Order:
        return Order(self.time, self.knowntime, self.sequence, self.id)

    def to_json(self) -> bytes:
        """CloudEvents structured JSON, optional attributes left out where absent."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


class Registry:
    """Event bodies by CloudEvents type, with the parametrised envelope that parses each."""

    def __init__(self) -> None:
        self._models: dict[str, type[Event[Any]]] = {}
        self._bodies: dict[str, type[Data]] = {}

    def add(self, body: type[Data]) -> None:
        if body.TYPE in self._bodies:
            raise ValueError(f"two bodies for the type {body.TYPE}")
        self._bodies[body.TYPE] = body

    def envelope(self, type_: str) -> type[Event[Any]]:
        """The envelope model of a type, built when first asked for (a service reads few of all types)."""
        model = self._models.get(type_)
        if model is None:
            body = self._bodies.get(type_)
            if body is None:
                return Event[Unknown]
            model = self._models[type_] = Event[body]  # type: ignore[valid-type]  # built at run time
        return model

    def body(self, type_: str) -> type[Data]:
        return self._bodies.get(type_, Unknown)

    def bodies(self) -> Mapping[str, type[Data]]:
        return self._bodies

    def parse(self, raw: bytes | str, type_: str) -> Event[Any]:
        """Parse structured JSON of the named type; an unknown type gives an `Event[Unknown]`.

        Raises pydantic.ValidationError when the bytes break the contract.
        """
        return self.envelope(type_).model_validate_json(raw)

    def parse_object(self, value: Mapping[str, Any]) -> Event[Any]:
        """The same for an already decoded JSON object (its `type` says which)."""
        return self.envelope(str(value.get("type"))).model_validate(value)


def rebuild(body: type[Data], fact: Mapping[str, Any]) -> Data:
    """A typed body from a stored fact (what names people is absent)."""
    return body.model_validate(fact)
