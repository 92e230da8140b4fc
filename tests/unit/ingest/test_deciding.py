"""Times, refs, feeds and identity, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from common.contracts import client
from common.contracts.base import Origin
from common.contracts.errors import Refused
from hypothesis import given
from hypothesis import strategies as st
from ingest.domain.feed import Feed, FeedState, on_deadline, on_received
from ingest.domain.plan import Circumstance, Fate, Plan
from ingest.domain.refs import Ref, bare_domain, mail_domain, parse_ref, parse_subject
from ingest.domain.statement import ContactChange, Statement, dump, load
from ingest.domain.times import clamp, day, moment
from ingest.domain.world import Client, Erasure, Owner, World

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
REF = Ref("hubspot", "company", "1")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1772442000, NOW), (1772442000000, NOW), ("1772442000000", NOW), (1772442000000000, NOW), (1772442000.0, NOW),
        ("2026-03-02T09:00:00Z", NOW), ("2026-03-02T10:00:00+01:00", NOW), ("2026-03-02 09:00:00", NOW),
        ("2026-03-02T09:00:00.000000000Z", NOW),
        ("9999-12-31T23:59:59-14:00", None), (10**30, None), (float("1e300"), None), (True, None), (None, None),
        ("soon", None), ([], None), ("9" * 40, None), ("٣", None), ("²", None), ("--5", None),
    ],
)  # fmt: skip
def test_moments_are_read_in_every_vendors_writing(value: Any, expected: datetime | None) -> None:
    assert moment(value) == expected


@given(st.one_of(st.integers(), st.floats(), st.text(), st.none(), st.booleans(), st.binary()))
def test_no_value_breaks_a_moment(value: Any) -> None:
    found = moment(value)
    assert found is None or found.tzinfo is not None
    assert day(value) is None or moment(value) is not None or isinstance(value, str)


def test_impossible_times_become_the_receipt() -> None:
    for wrong in (None, NOW + timedelta(minutes=6), datetime(1970, 1, 1, tzinfo=UTC)):
        assert clamp(wrong, NOW) == (NOW, True)
    for right in (NOW + timedelta(minutes=4), NOW - timedelta(days=900)):
        assert clamp(right, NOW) == (right, False)


def test_refs_are_written_and_read() -> None:
    assert parse_ref("ref:a:b:c:d") == Ref("a", "b", "c:d")
    assert parse_subject("ref:a:b") is None
    assert parse_subject(str(UUID(int=5))) == UUID(int=5)
    assert mail_domain("Ada@Northwind.example") == "northwind.example"
    assert mail_domain("nobody") is None
    assert bare_domain("https://www.Acme.example:8080/x?y") == "acme.example"


def how(**changes: Any) -> Circumstance:
    return Circumstance(**{"source": "hubspot", "id": uuid4(), "sequence": 0, "received_at": NOW, **changes})


def created(*refs: Ref, at: datetime = NOW) -> Statement:
    named = tuple(client.Ref(source=r.source, kind=r.kind, id=r.id) for r in refs)
    return Statement(refs, at, client.ClientRegistered(refs=named), creates=True)


def login(at: datetime = NOW, ref: Ref = REF) -> Statement:
    return Statement((ref,), at, client.LoggedIn())


def test_only_what_may_create_creates() -> None:
    plan = Plan(World())
    assert plan.take(login(), how()) is Fate.PARKED
    assert plan.take(created(REF), how()) is Fate.MAPPED
    assert plan.unanswered == [REF]
    assert plan.release(plan.parked, NOW) == plan.parked
    assert [event.type.split(".")[2] for event in plan.events] == ["client_registered", "logged_in"]


def test_what_comes_before_its_owner_in_the_same_post_does_not_wait() -> None:
    """HubSpot's array for a new person: its creation, an id and nothing else, then the company it belongs to."""
    contact = Ref("hubspot", "contact", "5")
    mine = Client(uuid4(), NOW)
    plan = Plan(World(owners={REF: Owner(mine.id)}, clients={mine.id: mine}))
    assert plan.take(Statement((contact,), NOW, contact=ContactChange("5", name="Ada")), how()) is Fate.PARKED
    assert plan.take(login(ref=Ref("hubspot", "company", "2")), how()) is Fate.PARKED
    assert plan.take(Statement((REF,), NOW, links=(contact,), moves=True), how()) is Fate.MAPPED
    assert plan.release_own(NOW) == 1
    assert [parked.statement.refs[0].id for parked in plan.parked] == ["2"]
    assert [event.type.split(".")[2] for event in plan.events] == ["contact_added"]


def test_the_same_creation_makes_the_same_client_everywhere() -> None:
    one, two = Plan(World()), Plan(World())
    one.take(created(REF), how())
    two.take(created(REF), how())
    assert one.created == two.created


def test_a_ref_is_not_taken_from_its_client_unless_its_crm_says_so() -> None:
    mine, other = Client(uuid4(), NOW), Client(uuid4(), NOW)
    contact = Ref("hubspot", "contact", "5")
    owners = {REF: Owner(mine.id), contact: Owner(other.id)}
    world = World(owners=dict(owners), clients={mine.id: mine, other.id: other})
    plan = Plan(world)
    plan.take(Statement((REF,), NOW, links=(contact,)), how())
    assert world.owners == owners
    plan.take(Statement((REF,), NOW, links=(contact,), moves=True), how())
    assert world.owners[contact] == Owner(mine.id)


def test_refs_of_two_clients_contradict_each_other_and_nothing_is_changed() -> None:
    a, b = Client(uuid4(), NOW), Client(uuid4(), NOW)
    other = Ref("stripe", "customer", "c")
    plan = Plan(World(owners={REF: Owner(a.id), other: Owner(b.id)}, clients={a.id: a, b.id: b}))
    with pytest.raises(Refused, match="merge"):
        plan.take(created(REF, other), how())
    assert (plan.events, plan.linked) == ([], {})


def test_erased_refs_stay_erased_until_created_anew() -> None:
    world = World(erasures={REF: Erasure(NOW, 1)})
    assert Plan(world).take(login(), how()) is Fate.ERASED
    assert Plan(world).take(created(REF, at=NOW - timedelta(days=1)), how()) is Fate.ERASED
    first, anew = Plan(World()), Plan(world)
    first.take(created(REF), how())
    later = NOW + timedelta(days=1)
    assert anew.take(created(REF, at=later), how(received_at=later)) is Fate.MAPPED
    assert first.created != anew.created
    meant = Plan(World(erasures={REF: Erasure(NOW, 1)}))
    past = created(REF, at=NOW - timedelta(days=9))
    assert meant.take(past, how(recreate=True, origin=Origin.IMPORT)) is Fate.MAPPED


def test_history_was_known_when_it_happened_until_the_first_live_event() -> None:
    who = Client(uuid4(), NOW, live_since={"zendesk": (NOW - timedelta(days=3)).isoformat()})
    plan = Plan(World(owners={REF: Owner(who.id)}, clients={who.id: who}))
    for days in (5, 1):
        plan.take(login(NOW - timedelta(days=days)), how(origin=Origin.IMPORT, source="crm"))
    assert [event.knowntime for event in plan.events] == [NOW - timedelta(days=5), NOW]
    assert plan.spans[who.id] == (NOW - timedelta(days=5), NOW - timedelta(days=1))


def test_additive_history_yields_to_the_live_feed_of_its_own_source() -> None:
    who = Client(uuid4(), NOW, live_since={"segment": (NOW - timedelta(days=3)).isoformat()})
    plan = Plan(World(owners={REF: Owner(who.id)}, clients={who.id: who}))
    past = [how(origin=Origin.IMPORT, source=source) for source in ("segment", "segment", "crm")]
    fates = [plan.take(login(NOW - timedelta(days=d)), how_) for d, how_ in zip((1, 5, 1), past, strict=True)]
    assert fates == [Fate.OVERLAPPING, Fate.MAPPED, Fate.MAPPED]


def test_profiles_keep_what_was_said_last_whatever_comes_last() -> None:
    who = Client(uuid4(), NOW)
    who.learn({"name": "New", "tier": "core"}, NOW)
    who.learn({"name": "Old", "domain": "x.example"}, NOW - timedelta(days=1))
    assert who.profile == {"name": "New", "tier": "core", "domain": "x.example"}


def test_people_are_told_when_something_is_new() -> None:
    who = Client(uuid4(), NOW)
    plan = Plan(World(owners={REF: Owner(who.id)}, clients={who.id: who}))
    for change in (
        ContactChange("5", email="ADA@x.example"),
        ContactChange("5", first_name="Ada"),
        ContactChange("5", first_name="Ada"),
        ContactChange("5", role="sponsor"),
        ContactChange("5", email="not an address"),
        ContactChange("5", left=True),
        ContactChange("5", left=True),
        ContactChange("5"),
    ):
        plan.take(Statement((REF,), NOW, contact=change), how())
    assert [event.type.split(".")[2] for event in plan.events] == [
        "contact_added", "contact_updated", "contact_role_changed", "contact_updated", "contact_left", "contact_added",
    ]  # fmt: skip
    assert plan.events[0].data.email == "ada@x.example"
    assert plan.events[3].data.email is None
    assert plan.events[4].data.role_before == "sponsor"


def test_what_waits_can_be_put_away_and_taken_out() -> None:
    statement = Statement(
        (REF, Ref("a", "user", "2")), NOW, client.TicketOpened(ticket_id="1", priority=client.Priority.HIGH),
        links=(Ref("a", "user", "2"),), alias="x", fill=("ticket_id", REF), text="words", hints={"name": "N"},
        id=uuid4(),
    )  # fmt: skip
    assert load(dump(statement)) == statement
    contact = Statement((REF,), None, contact=ContactChange("5", role="champion"), moves=True)
    assert load(dump(contact)) == contact


FEED = Feed("segment", timedelta(hours=24))


def test_a_feed_is_seen_at_most_once_a_minute() -> None:
    feed, said = on_received(FEED, NOW)
    assert len(said) == 1
    feed, said = on_received(feed, NOW + timedelta(seconds=59))
    assert said == []
    _, said = on_received(feed, NOW + timedelta(seconds=60))
    assert len(said) == 1


def test_a_feed_falls_silent_once_and_recovers_at_once() -> None:
    feed, _ = on_received(FEED, NOW)
    due = NOW + timedelta(hours=24)
    silent, said = on_deadline(feed, feed.generation, due)
    assert (silent.state, len(said)) == (FeedState.SILENT, 1)
    assert on_deadline(silent, silent.generation, due) == (silent, [])
    back, said = on_received(silent, due + timedelta(seconds=1))
    assert (back.state, said[0].TYPE) == (FeedState.LIVE, "csl.ingest.feed_recovered.v1")


def test_a_deadline_that_was_moved_is_set_anew_and_a_stale_one_is_nothing() -> None:
    feed, _ = on_received(FEED, NOW)
    heard, _ = on_received(feed, NOW + timedelta(seconds=30))
    again, said = on_deadline(heard, heard.generation, NOW + timedelta(hours=24))
    assert (again.generation, said) == (heard.generation + 1, [])
    assert on_deadline(again, heard.generation, NOW + timedelta(days=9)) == (again, [])
