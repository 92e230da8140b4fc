"""Lines of imports: read in a process of their own, rendered without building an event, and the same all the same."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from common.contracts import client
from common.contracts.base import Event, Origin
from common.contracts.errors import Refused
from common.contracts.rendering import instant, rendered
from hypothesis import given
from hypothesis import strategies as st
from ingest import lines
from ingest.domain.history import MAX_SEQUENCE, PER_LINE, Telling
from ingest.domain.plan import Circumstance, Plan
from ingest.domain.reading import Reader
from ingest.domain.refs import Ref
from ingest.domain.world import Client, Owner, World
from ingest.reading import make_reader
from ingest.sources import bodies
from loopctl.paths import REPOSITORY

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CLIENT = UUID("0198c0de-7b1e-7c44-9f0e-3f1f2a6d9b10")
WORDS = "We will cancel our plan. The export is still broken, and your competitor does it better!"


@pytest.fixture(scope="module", name="reader")
def _reader() -> Reader:
    return make_reader(REPOSITORY / "deploy" / "config")


def line(name: str, data: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "type": f"csl.client.{name}.v1",
        "source": "warehouse",
        "subject": "ref:crm:company:1",
        "time": "2026-01-05T10:20:30.4Z",
        "data": data or {},
        **more,
    }


LINES = [
    line("logged_in", {"contact_id": "c1", "count": 3}),
    line("usage_recorded", {"feature": "Berichte ü", "quantity": 1.5, "colour": "unknown fields are kept"}),
    line("ticket_opened", {"ticket_id": "t1", "priority": "high"}, text=WORDS),
    line("invoice_paid", {"invoice_id": "i", "amount": {"amount": 5, "currency": "EUR"}}, subject=str(CLIENT)),
    line("message_exchanged", {"message_id": "m", "channel": "email", "direction": "inbound", "person_email": "m@o"}),
    line("milestone_planned", {"milestone": "m", "phase": "kickoff", "owner_email": "maya@ours.example", "kpi": "k",
                               "due_at": "2026-03-04T00:00:00Z"}),
    line("logged_in", {"count": 1}, time="2093-01-01T00:00:00Z"),
    line("hours_logged", {"hours": 2, "person_email": "maya@ours.example"}, id="given-by-the-sender"),
]  # fmt: skip


def world() -> World:
    who = Client(CLIENT, NOW - timedelta(days=900), live_since={"zendesk": "2026-02-01T00:00:00+00:00"})
    return World(owners={Ref("crm", "company", "1"): Owner(CLIENT)}, clients={CLIENT: who})


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_brief_line_says_what_the_whole_one_would(reader: Reader, number: int) -> None:
    raw = json.dumps(LINES[number]).encode()
    whole = lines.parse(7, raw, reader)
    assert whole.event_id is not None
    plan = Plan(world())
    for nth, statement in enumerate(whole.statements):
        sequence = min(7 * PER_LINE + min(nth, PER_LINE - 1), MAX_SEQUENCE)
        own = whole.event_id if nth == 0 else list(lines.read(7, [raw], reader).briefs)[nth].id
        plan.take(statement, Circumstance(whole.source, UUID(str(own)), sequence, NOW, Origin.IMPORT))

    telling = Telling(Plan(world()), NOW)
    read = lines.load(lines.dump(lines.read(7, [raw], reader)))
    for brief in read.briefs:
        known = telling.whose(brief)
        assert known is not None
        telling.tell(known, brief)

    entries = telling.entries
    assert [body.encode() for body in entries.bodies] == [said.event.to_json() for said in plan.said]
    assert list(map(json.loads, entries.facts)) == [said.event.data.fact() for said in plan.said]
    assert entries.ids == [str(said.root) for said in plan.said]
    assert [via or None for via in entries.vias] == [str(said.via) if said.via else None for said in plan.said]
    assert [datetime.fromisoformat(at) for at in entries.times] == [said.event.time for said in plan.said]
    assert [datetime.fromisoformat(at) for at in entries.knowntimes] == [said.event.knowntime for said in plan.said]
    assert telling.plan.words == plan.words
    assert telling.plan.spans == plan.spans


@pytest.mark.parametrize("name", ["client_registered", "client_updated", "contact_added", "contact_left"])
def test_what_may_create_link_or_change_people_is_decided_whole(reader: Reader, name: str) -> None:
    data = {"contact_id": "c", "role": "user"} if "contact" in name else {"name": "N"}
    found = lines.read(1, [b"", json.dumps(line(name, data)).encode()], reader)
    assert (list(found.briefs), found.whole, found.refused) == ([], [2], [])


def test_wrong_lines_are_told_by_number(reader: Reader) -> None:
    raws = [b"{", b" ", b"[]", json.dumps(line("logged_in", {"count": -1})).encode(), b"[" * 5000]
    found = lines.read(10, raws, reader)
    assert [number for number, _ in found.refused] == [10, 12, 13, 14]
    assert list(found.briefs) == []


def test_a_separator_in_a_ref_is_refused(reader: Reader) -> None:
    found = lines.read(1, [json.dumps(line("logged_in", subject="ref:crm:company:1\x1f2")).encode()], reader)
    assert [number for number, _ in found.refused] == [1]


def test_nobody_known_is_refused_by_name(reader: Reader) -> None:
    brief = next(iter(lines.read(1, [json.dumps(LINES[0] | {"subject": "ref:a:company:b"}).encode()], reader).briefs))
    with pytest.raises(Refused, match="ref:a:company:b"):
        Telling(Plan(world()), NOW).whose(brief)


def test_a_process_answers_frame_by_frame_until_its_input_ends(reader: Reader) -> None:
    raws = [json.dumps(one).encode() for one in LINES]
    blob = b"\n".join(raws)
    out = io.BytesIO()
    asked = lines.FRAME.pack(5, len(blob)) + blob
    lines.serve(reader, io.BytesIO(asked + asked + asked[:3]), out)
    answer = lines.dump(lines.read(5, raws, reader))
    assert out.getvalue() == 2 * (lines.FRAME.pack(0, len(answer)) + answer)


moments = st.datetimes(min_value=datetime(1980, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  (hypothesis wants it bare)


@given(moments, moments, st.integers(0, MAX_SEQUENCE), st.sampled_from(list(Origin)))
def test_a_rendered_event_is_the_event_byte_for_byte(
    time: datetime, knowntime: datetime, sequence: int, origin: Origin
) -> None:
    body = client.UsageRecorded(feature='a "quoted" ü\n', quantity=0.1)
    event: Event[Any] = Event.of(
        body, id=uuid4(), source="csl/ingest/x", subject=CLIENT, time=time, knowntime=knowntime, origin=origin,
        sequence=sequence,
    )  # fmt: skip
    data = body.model_dump_json(by_alias=True, exclude_none=True)
    made = rendered(
        str(event.id),
        event.source,
        event.type,
        event.subject,
        instant(time),
        instant(knowntime),
        origin,
        sequence,
        data,
    )
    assert made.encode() == event.to_json()


scalars = (
    st.none() | st.booleans() | st.integers() | st.integers(10**17, 10**22) | st.text() | st.just("\x7f1e5")
    | st.floats(allow_nan=False, allow_infinity=False) | st.floats(1e-12, 1e-3) | st.floats(1e14, 1e24)
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


@given(values)
def test_content_is_canonical_as_it_always_was(value: Any) -> None:
    """Ids of imported lines rest on it, whichever library writes it."""
    assert bodies.canonical(value) == json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@given(values, st.booleans())
def test_both_parsers_read_the_same(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = bodies.parse(text)
    assert found == bodies.parse(b"\xef\xbb\xbf" + text)
    assert json.dumps(found) == json.dumps(bodies.parse(b"\xef\xbb\xbf" + text))
