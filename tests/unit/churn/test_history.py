"""What a model may learn from: nothing known later than a moment reaches that moment's features."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest
from churn.adapters import event_file
from churn.domain.history import MICRO, Happened, Scored, grid, in_order, rows
from churn.domain.labels import Rules
from churn.domain.moments import DAY
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.churn_population import events_of, lines

RULES = Rules()


def told(number: int) -> list[Happened]:
    content = [orjson.dumps(event) for event in events_of(number)]
    found = event_file.read(content, event_file.identities(content))
    assert not found.refusals
    return in_order(next(iter(found.clients.values())))


def features(events: Sequence[Happened], moments: Sequence[int], until: int) -> dict[int, list[str]]:
    """Feature rows by moment, as text, so that missing equals missing."""
    return {r.moment: [repr(value) for value in r.features] for r in rows(events, [], moments, until, RULES)}


def later(event: Happened, cut: int) -> bool:
    return event.known > cut * MICRO


@settings(max_examples=25, deadline=None)
@given(
    number=st.integers(0, 200),
    share=st.floats(0.3, 0.9),
    edit=st.sampled_from(["remove", "append", "edit", "backdate"]),
)
def test_features_do_not_change_when_later_known_events_do(number: int, share: float, edit: str):
    events = told(number)
    first, last = events[0].time // MICRO, events[-1].time // MICRO
    cut = int(first + share * (last - first))
    moments = grid(first, cut, 14)
    until = last + 200 * DAY
    before = features(events, moments, until)
    known = [e for e in events if not later(e, cut)]
    after = [e for e in events if later(e, cut)]
    if edit == "append":
        after = [*after, Happened((cut + DAY) * MICRO, (cut + DAY) * MICRO, 0, "new", "logged_in", {"count": 10**6})]
    elif edit == "edit":
        after = [e._replace(data={**e.data, "count": 999}) if e.name == "logged_in" else e for e in after]
    elif edit == "backdate":
        late = [
            Happened((m - DAY) * MICRO, (cut + DAY) * MICRO, 0, f"late-{m}", "logged_in", {"count": 5000})
            for m in moments
        ]
        after = [*after, *late]
    else:
        after = []
    changed = features(in_order([*known, *after]), moments, until)
    common = before.keys() & changed.keys()
    assert {m: before[m] for m in common} == {m: changed[m] for m in common}
    if edit != "remove":
        assert common == before.keys()


def test_a_withdrawal_counts_from_when_it_was_known():
    events = told(3)
    login = next(e for e in events if e.name == "logged_in" and e.data["count"] > 0)
    known = login.time // MICRO + 60 * DAY
    withdrawal = Happened(known * MICRO, known * MICRO, 0, "w", "event_withdrawn", {"event_id": login.id})
    moments = [login.time // MICRO + 45 * DAY, known + DAY]
    until = events[-1].time // MICRO + 200 * DAY
    plain, withdrawn = features(events, moments, until), features(in_order([*events, withdrawal]), moments, until)
    assert plain[moments[0]] == withdrawn[moments[0]]
    without = features([e for e in events if e.id != login.id], moments, until)
    assert withdrawn[moments[1]] == without[moments[1]]


def test_scores_known_later_are_not_seen():
    events = told(5)
    moment = events[0].time // MICRO + 100 * DAY
    until = events[-1].time // MICRO + 200 * DAY
    score = {"mode": "historic", "score": 20.0, "band": "red", "model": "loop", "components": []}

    def at(second: int) -> list[Scored]:
        from churn.domain.moments import moment_of

        return [Scored(second * MICRO, {**score, "as_of": moment_of(second).isoformat()})]

    def health(scores: list[Scored]) -> float:
        from churn.domain.features import NAMES

        return rows(events, scores, [moment], until, RULES)[0].features[NAMES.index("health_score")]

    assert health(at(moment - DAY)) == 20.0
    assert health(at(moment + 1)) != health(at(moment + 1))  # NaN: missing


def test_the_grid_is_the_same_for_everybody_and_stays_inside():
    assert grid(10 * DAY, 40 * DAY, 7) == [14 * DAY, 21 * DAY, 28 * DAY, 35 * DAY]
    assert set(grid(3, 100 * DAY, 28)) <= set(grid(0, 200 * DAY, 28)) | {0}
    through = grid(10 * DAY + 5, 40 * DAY, 7, 37 * DAY)
    assert through == [16 * DAY, 23 * DAY, 30 * DAY, 37 * DAY], "a test begins on the day that was asked for"


def test_a_label_is_known_once_what_decided_it_was_known():
    events = told(2)
    began, until = events[0].time // MICRO, events[-1].time // MICRO + 400 * DAY
    moment, left = began + 60 * DAY, (began + 100 * DAY) * MICRO
    told_at = began + 300 * DAY
    notice = Happened(left, left, 0, "n", "contract_cancelled", {"effective_on": "2027-01-01"})
    gone = Happened(told_at * MICRO, told_at * MICRO, 0, "w", "event_withdrawn", {"event_id": "n"})

    def said(*more: Happened) -> list[tuple[int, int]]:
        found = rows(in_order([*events, *more]), [], [moment], until, RULES)
        return [(row.label, row.known_at) for row in found]

    assert said(notice) == [(1, moment + 90 * DAY)]
    assert said(notice._replace(known=told_at * MICRO)) == [(1, told_at)]
    assert said(notice, gone) == [(0, told_at)]


def test_a_file_is_read_by_ref_or_id_with_repeats_once_and_faults_named():
    registered = {
        "type": "csl.client.client_registered.v1",
        "source": "crm",
        "subject": "7b2f6c7e-3a77-4a51-9b57-0a5b8c1f0001",
        "time": "2025-01-01T00:00:00Z",
        "data": {"refs": [{"source": "crm", "kind": "company", "id": "7"}]},
    }
    login = {
        **registered,
        "type": "csl.client.logged_in.v1",
        "subject": "ref:crm:company:7",
        "time": "2025-01-02T00:00:00Z",
        "data": {"count": 4},
    }
    bad = {**login, "data": {"count": "many"}}
    naive = {**login, "time": "2025-01-02T00:00:00"}
    content = [orjson.dumps(e) for e in (registered, login, login, bad, naive)] + [b"{broken", b""]
    found = event_file.read(content, event_file.identities(content))
    assert list(found.clients) == [registered["subject"]]
    assert [e.name for e in in_order(found.clients[str(registered["subject"])])] == ["client_registered", "logged_in"]
    assert found.refused == 3
    assert [text.split(":")[0] for text in found.refusals] == ["line 4", "line 5", "line 6"]


@given(
    data=st.fixed_dictionaries(
        {},
        optional={
            "count": st.one_of(st.integers(-2, 10), st.booleans(), st.floats(), st.none(), st.text(max_size=3)),
            "contact_id": st.one_of(st.none(), st.text(max_size=4), st.just("a\x00b"), st.integers()),
            "feature": st.one_of(st.text(max_size=4), st.none()),
            "quantity": st.one_of(st.integers(-2, 10), st.floats(), st.booleans(), st.none(), st.text(max_size=3)),
            "active_users": st.one_of(st.integers(-2, 10), st.none(), st.floats(), st.booleans()),
            "more": st.integers(),
        },
    ),
    type_=st.sampled_from(["csl.client.logged_in.v1", "csl.client.usage_recorded.v1"]),
)
def test_the_quick_way_takes_what_the_contract_takes_and_folds_the_same(data: dict, type_: str):
    from churn.domain import fold
    from churn.domain.state import State, to_plain
    from common.contracts import registry
    from pydantic import ValidationError

    if not event_file._QUICK[type_](data):
        return
    try:
        slow = registry.body(type_).model_validate(data).fact()
    except ValidationError:
        pytest.fail(f"the contract refuses {data}")
    name = event_file.NAMES[type_]
    states = [to_plain(fold.apply(State(), name, body, 10**9, "e")) for body in (data, slow)]
    assert states[0] == states[1]


def test_merged_clients_are_read_together():
    content = lines(2)
    ids = [orjson.loads(content[0])["subject"], orjson.loads(content[-1])["subject"]]
    merge = {
        "type": "csl.client.clients_merged.v1",
        "source": "crm",
        "subject": ids[0],
        "time": "2025-06-01T00:00:00Z",
        "data": {"from_client_id": ids[0], "into_client_id": ids[1]},
    }
    both = [*content, orjson.dumps(merge)]
    who = event_file.identities(both)
    parts = [event_file.read(both, who, part=part, parts=2) for part in (0, 1)]
    assert sorted(len(part.clients) for part in parts) == [0, 2]


def test_words_without_a_reading_are_read_on_the_way():
    from common.settings import REPOSITORY_CONFIG
    from loopctl.words import words_of

    subject = {"source": "desk", "subject": "7b2f6c7e-3a77-4a51-9b57-0a5b8c1f0001", "time": "2025-01-02T00:00:00Z"}
    ticket = {"ticket_id": "t", "priority": "normal"}
    text = "This is terrible, we want to cancel our contract."
    inside = {**subject, "type": "csl.client.ticket_opened.v1", "data": {**ticket, "text": text}}
    beside = {**subject, "type": "csl.client.ticket_opened.v1", "data": ticket, "text": text}
    for event in (inside, beside):
        content = [orjson.dumps(event)]
        found = event_file.read(content, event_file.identities(content), words=words_of(REPOSITORY_CONFIG))
        events = in_order(found.clients[subject["subject"]])
        opened = next(e for e in events if e.name == "ticket_opened")
        assert opened.data["reading"]["sentiment"] < 0
        assert "cancel_intent" in opened.data["reading"]["topics"]
        assert "text" not in opened.data
        assert (found.read, found.refused) == (1, 0)


def test_a_line_that_is_refused_says_what_is_wrong_with_it():
    login = {"type": "csl.client.logged_in.v1", "source": "crm", "subject": "s", "time": "2025-01-02T00:00:00Z"}
    nobody = {name: value for name, value in login.items() if name != "subject"}
    at_noon = {**login, "time": "noon"}
    content = [b"{broken", orjson.dumps(nobody), b"[1, 2]", orjson.dumps(login), orjson.dumps(at_noon)]
    told = event_file.read(content, event_file.identities(content)).refusals
    assert [text.split(" (")[0] for text in told] == [
        "line 1: this is not JSON",
        "line 2: subject is missing",
        "line 3: this is not an event: an object with type, source, subject, time and data",
        "line 4: data is missing",
        "line 5: Invalid isoformat string: 'noon'",
    ]


def test_nothing_is_learned_from_a_test_client():
    events = told(3)
    begun = events[0]
    trial = [begun._replace(data={**begun.data, "test": True}), *events[1:]]
    moments, until = grid(begun.time // MICRO, begun.time // MICRO + 200 * DAY, 14), begun.time // MICRO + 400 * DAY
    assert rows(events, [], moments, until, RULES)
    assert rows(trial, [], moments, until, RULES) == []
