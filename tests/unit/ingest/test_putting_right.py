"""Moved events, what a profile forgets and learns, what names a person: the pure parts of putting identity right."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from common.contracts import client
from common.contracts.base import Origin
from hypothesis import given
from hypothesis import strategies as st
from ingest.domain import moving
from ingest.domain.forgetting import digest_of, without_erased
from ingest.domain.moving import Line
from ingest.domain.refs import Ref
from ingest.domain.statement import ContactChange, Statement
from ingest.domain.traces import ERASED, Traces, same_person
from ingest.domain.world import Client, Person

from tests.conftest import START

A, B = uuid4(), uuid4()
GROUP, USER = Ref("segment", "group", "g"), Ref("segment", "user", "u")
ADA = Person(first_name="Ada", last_name="Okafor", email="Ada@Initech.example")
TRACES = Traces(A, {"501": "erased-1"}, frozenset({Ref("hubspot", "contact", "501")}), (ADA,))


def line(body: client.ClientEvent, *, hours: int = 0, via: Ref | None = GROUP, origin: Origin = Origin.LIVE) -> Line:
    at = START.replace(hour=hours)
    root = uuid4()
    return Line(A, root, root, body.TYPE, at, at, 0, origin, "csl/ingest/segment", str(via) if via else None, None,
                body.fact())  # fmt: skip


def test_an_event_is_said_again_with_its_own_time_and_known_from_now_on() -> None:
    old = line(client.LoggedIn(contact_id="501"), hours=3)
    again = moving.said_again(old, B, START, 7, None, ())
    assert again is not None
    event = again.event
    assert (event.client_id, event.time, event.knowntime) == (B, old.time, START)
    assert (event.replaces, event.sequence, again.root) == (old.event_id, 7, old.root)
    assert moving.withdrawn(old, START).data.event_id == old.event_id


def test_moving_there_and_back_never_uses_an_id_twice() -> None:
    old = line(client.LoggedIn())
    there = moving.said_again(old, B, START, 0, None, ())
    assert there is not None
    back = moving.said_again(
        Line(B, old.root, there.event.id, *(getattr(old, n) for n in Line.__slots__[3:])), A, START, 0, None, ()
    )
    assert back is not None
    assert len({old.event_id, there.event.id, back.event.id}) == 3


def test_a_person_is_told_again_with_name_and_address() -> None:
    old = line(client.ContactAdded(contact_id="501", role=client.ContactRole.USER))
    again = moving.said_again(old, B, START, 0, ADA, ())
    assert again is not None
    assert (again.event.data.name, again.event.data.email) == ("Ada Okafor", "Ada@Initech.example")


def test_news_of_refs_alone_is_not_moved_but_told_anew() -> None:
    refs = (client.Ref(source="segment", kind="group", id="g"), client.Ref(source="crm", kind="company", id="1"))
    assert moving.said_again(line(client.ClientUpdated(refs=refs)), B, START, 0, None, {GROUP}) is None
    told = line(client.ClientUpdated(refs=refs, seats=3))
    left = moving.without_refs(told, {GROUP}, (), uuid4(), START)
    assert left is not None
    assert [ref.id for ref in left.event.data.refs] == ["1"]
    known = {Ref("crm", "company", "1")}
    assert moving.without_refs(line(client.ClientUpdated(refs=refs)), {GROUP}, known, uuid4(), START) is None


SEATS = st.lists(st.tuples(st.integers(0, 23), st.integers(1, 9), st.booleans()), max_size=12)


@given(SEATS)
def test_a_profile_without_what_was_moved_is_as_if_that_had_never_been_said(said: list[tuple[int, int, bool]]) -> None:
    lines = [(line(client.ClientUpdated(seats=seats), hours=hour), moved) for hour, seats, moved in said]
    lines = [each for nth, each in enumerate(lines) if each[0].time not in {other.time for other, _ in lines[:nth]}]
    repaired, right = Client(A, START), Client(A, START)
    moving.learn(repaired, [one for one, _ in lines])
    stays = [one for one, moved in lines if not moved]
    moving.relearn(repaired, [one for one, moved in lines if moved], stays)
    moving.learn(right, stays)
    assert (repaired.profile, repaired.said_at) == (right.profile, right.said_at)


def test_refs_that_hang_on_a_moved_one_follow_it_however_far() -> None:
    through = {GROUP: None, USER: str(GROUP), Ref("s", "device", "d"): str(USER), Ref("s", "user", "other"): None}
    assert moving.follows({GROUP}, through) == {GROUP, USER, Ref("s", "device", "d")}


@pytest.mark.parametrize(
    "words",
    [
        "Ada Okafor",
        "ADA OKAFOR",
        "ada@initech.example",
        "Okafor, Ada",
        "ada%40initech.example",
        "Ada%20Okafor",
        "Ada+Okafor",
    ],
)
def test_name_and_address_are_masked_however_they_are_written(words: str) -> None:
    assert TRACES.masked(f"x {words} y") == f"x {ERASED} y"
    assert TRACES.masked_bytes(f"x {words} y".encode()) == f"x {ERASED} y".encode()


@pytest.mark.parametrize("words", ["Adaptable Okaforest", "Ada", "nada@initech.example.org", "Okafor"])
def test_what_only_looks_like_it_stays(words: str) -> None:
    assert TRACES.masked(words) == words


def test_json_stays_json() -> None:
    value = {"text": "ask Ada Okafor", "list": ["ada@initech.example", 5], "Ada Okafor": None}
    assert TRACES.masked_json(value) == {"text": f"ask {ERASED}", "list": [ERASED, 5], "Ada Okafor": None}
    umlaut = Traces(A, {}, frozenset(), (Person(name="Jörg Müller", email="j@x.example"),))
    assert json.loads(umlaut.masked_bytes(json.dumps({"a": "Jörg Müller"}).encode())) == {"a": ERASED}


def test_one_address_and_no_two_names_are_one_human() -> None:
    assert same_person(ADA, Person(email="ada@initech.example"))
    assert same_person(ADA, Person(name="ada okafor", email="ada@initech.example "))
    assert not same_person(ADA, Person(name="Bob", email="ada@initech.example"))
    assert not same_person(ADA, Person(name="Ada Okafor"))


def test_of_an_erased_person_nothing_old_is_said_and_nothing_new_names_them() -> None:
    forgotten = {digest_of("501"): START.isoformat(), digest_of("ada@initech.example"): START.isoformat()}

    def spared(**how: Any) -> Statement | None:
        return without_erased(Statement((GROUP,), **how), forgotten, START)

    late, later = START.replace(hour=1), START.replace(hour=23)
    assert spared(time=later, contact=ContactChange("501")) is None
    assert spared(time=later, contact=ContactChange("9", email="ADA@initech.example")) is None
    assert spared(time=late, data=client.LoggedIn(contact_id="501")) is None
    kept = spared(time=later, data=client.LoggedIn(contact_id="501", count=2), text="words")
    assert kept is not None
    assert (kept.data, kept.text) == (client.LoggedIn(count=2), None)
    others = spared(time=late, data=client.LoggedIn(contact_id="502"), text="words", links=(Ref("s", "user", "501"),))
    assert others is not None
    assert (others.data, others.text, others.links) == (client.LoggedIn(contact_id="502"), "words", ())
