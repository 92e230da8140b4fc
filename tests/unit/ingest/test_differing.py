"""What a replay publishes: as little as makes what was said into what would be said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from common.contracts import client
from common.contracts.base import Data, Event, Origin
from hypothesis import given
from hypothesis import strategies as st
from ingest.domain.differing import Difference, difference
from ingest.domain.moving import Line
from ingest.domain.plan import Said
from ingest.domain.refs import Ref

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOW = AT + timedelta(days=3)
CLIENT, OTHER = UUID(int=1), UUID(int=2)
REF, ELSE = Ref("segment", "group", "g"), Ref("segment", "group", "h")
ROOTS = [uuid5(CLIENT, str(nth)) for nth in range(24)]


def said(body: Data, nth: int, *, who: UUID = CLIENT, via: Ref = REF, minutes: int = 0) -> Said:
    event: Event[Any] = Event.of(
        body, id=ROOTS[nth], source="csl/ingest/segment", subject=who, time=AT + timedelta(minutes=minutes),
        knowntime=NOW, sequence=nth,
    )  # fmt: skip
    return Said(event, ROOTS[nth], via, None)


def line(one: Said) -> Line:
    event = one.event
    return Line(event.client_id, one.root, event.id, event.type, event.time, event.knowntime, event.sequence,
                Origin.LIVE, event.source, str(one.via), None, event.data.fact())  # fmt: skip


def after(before: list[Line], found: Difference) -> list[Line]:
    """The ledger once it is published."""
    gone = {one.root for one in found.withdrawn} | {c.line.root for c in found.corrected}
    new = [line(one) for one in (*(c.said for c in found.corrected), *found.new)]
    return [*(one for one in before if one.root not in gone), *new]


bodies = st.one_of(
    st.builds(client.UsageRecorded, feature=st.sampled_from("abc"), quantity=st.integers(0, 2).map(float)),
    st.builds(client.LoggedIn, count=st.integers(1, 2)),
    st.builds(client.KpiReported, kpi=st.sampled_from("kl"), value=st.just(1.0)),
)


def listed(several: list[tuple[Data, int]]) -> list[Said]:
    return [said(body, nth, minutes=minutes) for nth, (body, minutes) in enumerate(several)]


several = st.lists(st.tuples(bodies, st.integers(0, 1)), max_size=6).map(listed)


def contents(lines: list[Line]) -> list[str]:
    return sorted(repr((one.client_id, one.type, one.time, sorted(one.data.items()))) for one in lines)


@given(several)
def test_the_same_mapping_differs_in_nothing(today: list[Said]) -> None:
    found = difference([line(one) for one in today], today, {}, ROOTS)
    assert (found.unchanged, found.new, found.corrected, found.withdrawn) == (len(today), [], [], [])


@given(several, several)
def test_afterwards_it_is_said_as_today_and_again_differs_in_nothing(then: list[Said], today: list[Said]) -> None:
    before = [line(one) for one in then]
    found = difference(before, today, {}, ROOTS)
    ledger = after(before, found)
    assert contents(ledger) == contents([line(one) for one in today])
    assert len({one.root for one in ledger}) == len(ledger), "one line a root"
    again = difference(ledger, today, {}, ROOTS)
    assert (again.unchanged, again.new, again.corrected, again.withdrawn) == (len(today), [], [], [])


@given(several, several)
def test_nothing_is_said_under_an_id_that_was_said(then: list[Said], today: list[Said]) -> None:
    before = [line(one) for one in then]
    found = difference(before, today, {}, ROOTS)
    ids = [one.event.id for one in (*(c.said for c in found.corrected), *found.new)]
    assert not {*ids} & {one.event_id for one in before}
    assert len({*ids}) == len(ids)
    assert all(c.said.event.replaces == c.line.event_id for c in found.corrected)
    assert len(found.corrected) + len(found.withdrawn) + found.unchanged == len(before)


@given(several, several, several)
def test_a_mapping_and_back_gives_ids_of_its_own(first: list[Said], second: list[Said], third: list[Said]) -> None:
    ledger: list[Line] = []
    published: list[UUID] = []
    spent: dict[UUID, UUID] = {}
    for today in (first, second, third, first):
        found = difference(ledger, today, spent, ROOTS)
        published += [one.event.id for one in (*(c.said for c in found.corrected), *found.new)]
        spent |= {one.root: one.event_id for one in found.withdrawn}
        ledger = after(ledger, found)
    assert contents(ledger) == contents([line(one) for one in first])
    assert len({*published}) == len(published)


def usage(feature: str) -> client.UsageRecorded:
    return client.UsageRecorded(feature=feature, quantity=1)


def test_equal_contents_are_matched_before_equal_types() -> None:
    before = [line(said(usage("a"), 0)), line(said(usage("b"), 1))]
    found = difference(before, [said(usage("x"), 0), said(usage("a"), 1)], {}, ROOTS)
    assert found.unchanged == 1
    [correction] = found.corrected
    assert (correction.line.root, correction.said.event.data) == (ROOTS[1], usage("x"))


def test_another_type_replaces_what_is_left() -> None:
    found = difference([line(said(usage("a"), 0))], [said(client.LoggedIn(), 0)], {}, ROOTS)
    [correction] = found.corrected
    assert isinstance(correction.said.event.data, client.LoggedIn)
    assert correction.said.event.replaces == ROOTS[0]


def test_a_ref_that_moved_on_since_moves_nothing() -> None:
    then = line(said(usage("a"), 0))
    assert difference([then], [said(usage("a"), 0, who=OTHER)], {}, ROOTS).unchanged == 1
    [correction] = difference([then], [said(usage("b"), 0, who=OTHER)], {}, ROOTS).corrected
    assert (correction.said.event.client_id, correction.moves) == (CLIENT, False)


def test_another_ref_may_tell_of_another_client() -> None:
    [correction] = difference(
        [line(said(usage("a"), 0))], [said(usage("a"), 0, who=OTHER, via=ELSE)], {}, ROOTS
    ).corrected
    assert (correction.said.event.client_id, correction.moves) == (OTHER, True)


def test_readings_are_left_as_they_were_read_where_that_is_asked() -> None:
    def read(model: str, sentiment: float) -> client.Reading:
        return client.Reading(
            sentiment=sentiment, words=3, questions=0, topics=("competitor",), language="en", model=model
        )

    def ticket(priority: str, model: str, sentiment: float) -> Said:
        reading = read(model, sentiment)
        return said(client.TicketOpened(ticket_id="t", priority=client.Priority(priority), reading=reading), 0)

    then = [line(ticket("low", "old", -1)), line(said(client.CompetitorMentioned(inferred=True), 1))]
    assert difference(then, [ticket("low", "new", 1)], {}, ROOTS, readings=False) == Difference(unchanged=1)
    found = difference(then, [ticket("high", "new", 1)], {}, ROOTS, readings=False)
    assert found.corrected[0].said.event.data.reading == read("old", -1)
    whole = difference(then, [ticket("low", "new", 1)], {}, ROOTS)
    assert (len(whole.corrected), len(whole.withdrawn)) == (1, 1)
