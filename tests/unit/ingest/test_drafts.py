"""What is said is written from its parts, without another check: the same bytes as from an event that was checked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

from common.contracts import client, registry
from common.contracts.base import Event, Origin
from common.contracts.ids import NAMESPACE, derived_id
from common.contracts.rendering import Draft, instant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest import interpret
from ingest.domain.plan import Plan, Said
from ingest.domain.refs import Ref
from ingest.domain.statement import Statement
from ingest.domain.world import Client, Owner, World
from ingest.repository import ledger

from tests.support.bending import NOW, bend, fate_of
from tests.unit.ingest.test_bent_bodies import READER, REAL, SOURCES

GOLDENS = sorted((Path(__file__).parents[2] / "contract" / "golden").glob("csl.client.*.json"))
CLIENT = UUID("0198c0de-7b1e-7c44-9f0e-3f1f2a6d9b10")
moments = st.datetimes(
    min_value=datetime(1980, 1, 1),  # noqa: DTZ001  (hypothesis wants it bare)
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))]),
)


def checked(draft: Draft) -> Event[Any]:
    """The event that the parts make."""
    event: Event[Any] = Event.of(
        draft.data, id=draft.id, source=draft.source, subject=draft.client_id, time=draft.time,
        knowntime=draft.knowntime, origin=draft.origin, sequence=draft.sequence,
    )  # fmt: skip
    return event.model_copy(update={"claimedtime": draft.claimedtime}) if draft.claimedtime else event


def assert_same(said: list[Said]) -> None:
    """Bytes for the bus, facts for the ledger, and all that lies beside them."""
    told = ledger.columns(said)
    plain = ledger.columns([one._replace(event=checked(one.event)) for one in said if isinstance(one.event, Draft)])
    assert told == plain
    assert [body.encode() for body in told.bodies] == [one.event.to_json() for one in said]
    assert [body.encode() for body in plain.bodies] == [one.event.to_json() for one in said]
    assert [json.loads(fact) for fact in told.facts] == [one.event.data.fact() for one in said]
    for one, body in zip(said, told.bodies, strict=True):
        assert registry.parse(body, one.event.type).to_json() == body.encode()


@given(st.sampled_from(GOLDENS), moments, moments, st.integers(0, 2**31 - 1), st.sampled_from(Origin), st.booleans())
def test_every_type_is_written_as_it_was(
    golden: Path, time: datetime, known: datetime, sequence: int, origin: Origin, claimed: bool
) -> None:
    data = registry.parse_object(json.loads(golden.read_text(encoding="utf-8"))).data
    draft = Draft(
        data=data, id=uuid4(), source="csl/ingest/lager-ü", client_id=CLIENT, subject=str(CLIENT), time=time,
        knowntime=known, origin=origin, sequence=sequence, claimedtime=time.isoformat() if claimed else None,
    )  # fmt: skip
    raw = (NOW.date(), uuid4())
    assert_same([Said(draft, draft.id, Ref("a", "company", "b"), raw), Said(draft, uuid4(), None, None)])


def knowing(arrival: Any) -> Plan:
    """A plan that knows every name in these statements as one client's, with a person who was there before."""
    world = World(clients={CLIENT: Client(CLIENT, NOW)})
    for item in arrival.items:
        for statement in item.statements:
            for ref in statement.refs[:1]:
                world.owners[ref] = Owner(CLIENT, alias="an alias")
    return Plan(world)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_a_bent_body_says_is_written_as_an_event_would_be(data: st.DataObject) -> None:
    name, whole = data.draw(st.sampled_from(REAL))
    value = bend(data.draw, whole) if data.draw(st.booleans()) else whole
    arrival = interpret.arrival(SOURCES[name], json.dumps(value).encode(), {}, NOW, READER)
    plan = knowing(arrival)
    for item in arrival.items:
        fate_of(arrival, item, plan)
    assert_same(plan.said)


def test_real_bodies_say_something_here() -> None:
    """The comparison above is of many events, not of none."""
    types = set()
    for name, whole in REAL:
        arrival = interpret.arrival(SOURCES[name], json.dumps(whole).encode(), {}, NOW, READER)
        plan = knowing(arrival)
        for item in arrival.items:
            fate_of(arrival, item, plan)
        assert_same(plan.said)
        types |= {said.event.type for said in plan.said}
    assert len(types) > (3 if len(REAL) < 10 else 15)


def test_corrections_are_written_beside_drafts() -> None:
    """An event that replaces another comes checked; both have their place in one ledger."""
    body = client.LoggedIn(contact_id="c", count=1)
    event: Event[Any] = Event.of(body, id=uuid4(), source="csl/ingest/x", subject=CLIENT, time=NOW, replaces=uuid4())
    told = ledger.columns([Said(event, uuid4(), None, None)])
    assert told.bodies == [event.to_json().decode()]
    assert '"replaces"' in told.bodies[0]


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8")) | st.integers() | st.uuids(), min_size=1))
def test_a_derived_id_is_the_uuid_5_of_its_parts(cause: list[Any]) -> None:
    assert derived_id(*cause) == uuid5(NAMESPACE, "\x1f".join(str(part) for part in cause))


@given(moments)
def test_a_moment_is_written_in_utc(moment: datetime) -> None:
    assert datetime.fromisoformat(instant(moment)) == moment
    assert instant(moment).endswith("Z")


def test_a_ref_is_its_three_parts() -> None:
    """Compared and ordered part by part, and written with colons."""
    assert str(Ref("a", "b", "c:d")) == "a:b:c:d"
    assert min(Ref("b", "a", "a"), Ref("a", "b", "a")).source == "a"
    assert Statement((Ref("crm", "deal", "1"), Ref("crm", "company", "2")), None).shown_as == Ref("crm", "company", "2")
