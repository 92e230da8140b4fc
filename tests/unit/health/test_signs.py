"""Signs: pure, explained, steady; whatever a client's life was like, and in whatever order we heard of it."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from common.contracts import client
from common.contracts.base import Data, Event
from common.errors import Refused
from health import signs_definition
from health.domain.evaluate import Heard
from health.domain.fold import fold
from health.domain.moments import DAY, HOUR, moment_of, seconds_of
from health.domain.signs import SIGNS, Kind, next_instant, watch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import signs_world as world
from tests.support.health_world import DAY_0, day, event, order, reading, registered
from tests.support.signs_world import (
    EXAMPLES,
    POLICY,
    SHIPPED,
    asks,
    find,
    happens,
    meets,
    plans,
    uses,
    workdays,
    writes,
)

# Any life

_ids = st.sampled_from(["a", "b", "c"])
_hours = st.integers(0, 150 * 24).map(lambda h: DAY_0 + timedelta(hours=h))
_reading = st.none() | st.builds(
    lambda s, w, q: {**reading(s, w), "questions": q}, st.floats(-1, 1), st.integers(0, 400), st.integers(0, 9)
)
_kinds = st.sampled_from(["check_in", "review", "qbr", "kickoff", "informal"])


def _any(body: type[Data], **parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Data]:
    return st.fixed_dictionaries(parts).map(body.model_validate)


_bodies = st.one_of(
    _any(client.MessageExchanged, message_id=_ids, channel=st.just("email"), thread_id=st.none() | _ids,
         direction=st.sampled_from(["inbound", "outbound"]), contact_id=st.none() | _ids, reading=_reading,
         person_email=st.none() | st.just("maya@ours.example")),
    _any(client.MeetingScheduled, meeting_id=_ids, kind=_kinds, starts_at=_hours, agenda_sent_at=st.none() | _hours),
    _any(client.MeetingHeld, meeting_id=_ids, kind=st.none() | _kinds, attended=st.lists(_ids, max_size=2),
         summary_sent_at=st.none() | _hours),
    _any(client.MeetingCancelled, meeting_id=_ids, by=st.sampled_from(["client", "us"])),
    _any(client.ApprovalRequested, approval_id=_ids, due_at=st.none() | _hours),
    _any(client.ApprovalGiven, approval_id=_ids),
    _any(client.CompetitorMentioned, contact_id=st.none() | _ids),
    _any(client.LegalInvolved, minor=st.booleans()),
    _any(client.BudgetDiscussed, direction=st.sampled_from(["increase", "decrease", "freeze"])),
    _any(client.ScopeChanged, size=st.sampled_from(["minor", "major"]), by=st.sampled_from(["client", "us"])),
    _any(client.ContactAdded, contact_id=_ids, role=st.sampled_from(["sponsor", "champion", "user"])),
    _any(client.ContactLeft, contact_id=_ids),
    _any(client.SponsorChanged, contact_before=st.none() | _ids, contact_after=st.none() | _ids),
    _any(client.SurveyAnswered, survey=st.sampled_from(["nps", "csat"]), contact_id=st.none() | _ids,
         score=st.integers(0, 10).map(float), scale_min=st.just(0.0), scale_max=st.just(10.0)),
    _any(client.SurveySent, survey=st.just("nps")),
    _any(client.UsageRecorded, feature=_ids, quantity=st.integers(0, 500).map(float)),
    _any(client.LoggedIn, contact_id=st.none() | _ids),
    _any(client.InvoiceIssued, invoice_id=_ids, amount=st.just({"amount": 1, "currency": "USD"}),
         due_on=st.sampled_from(["2026-01-20", "2026-03-01"])),
    _any(client.InvoicePaid, invoice_id=_ids),
    _any(client.SubscriptionChanged, subscription_id=_ids,
         mrr_after=st.integers(0, 9000).map(lambda a: {"amount": a, "currency": "USD"})),
    _any(client.CsmSentimentGiven, score=st.integers(1, 5), by=st.just("maya@ours.example")),
    _any(client.ClientUpdated, tier=st.sampled_from(["strategic", "core", "standard"])),
    _any(client.ContractCancelled, effective_on=st.just("2026-06-01")),
    _any(client.BlockerLogged, blocker_id=_ids, kind=st.just("technical_setup"),
         severity=st.sampled_from(["low", "critical"])),
)  # fmt: skip


@st.composite
def lives(draw: st.DrawFn) -> list[Event[Any]]:
    """Facts of one client over 150 days, in order."""
    drawn = draw(st.lists(st.tuples(_bodies, _hours), max_size=50))
    events = [event(body, at, "hubspot", nth=nth) for nth, (body, at) in enumerate(drawn)]
    return sorted([registered(), *events], key=order)


_scores = st.none() | st.integers(0, 100).map(world.healthy)
_risks = st.none() | st.builds(world.risk, st.none() | st.floats(0, 1), st.integers(0, 150), st.floats(0, 3))
_weeks = st.lists(st.integers(0, 100), max_size=20).map(lambda scores: world.weekly(*scores))


@settings(max_examples=150, deadline=None)
@given(lives(), st.integers(0, 160 * 24), _scores, _risks, _weeks, st.booleans())
def test_every_finding_is_a_sentence_that_holds_already(life, later, health, risk, weeks, on):
    state = fold(life)
    at = max(moment_of(state.last), DAY_0 + timedelta(hours=later))
    for sign, params in POLICY.settings:
        abouts = {"", "a", "health_brighter", "health_darker"} if on else ()
        seen = world.seen(state, at, abouts, health=health, risk=risk, weeks=weeks)
        found = sign.find(seen, params)
        assert found == sign.find(seen, params)
        assert len({finding.about for finding in found}) == len(found)
        for finding in found:
            assert finding.text
            assert finding.text == finding.text.strip()
            assert "None" not in finding.text
            assert min(finding.since, seen.now) <= seen.now
            assert all(mark is None or len(mark) == 32 for mark in finding.marks)


@settings(max_examples=60, deadline=None)
@given(lives(), st.randoms(use_true_random=False), st.integers(0, 160 * 24))
def test_the_order_of_arrival_does_not_matter(life, rng: random.Random, later):
    at = max(moment_of(fold(life).last), DAY_0 + timedelta(hours=later))
    shuffled = list(life)
    rng.shuffle(shuffled)
    states = [fold(sorted(events, key=order)) for events in (life, shuffled)]
    looks = [watch(POLICY, world.seen(state, at), frozenset(), None) for state in states]
    assert looks[0] == looks[1]


@settings(max_examples=100, deadline=None)
@given(lives(), st.integers(0, 150))
def test_within_a_day_a_sign_changes_only_at_the_instants_foretold(life, number):
    """Nothing happens, time passes: between two instants, and up to midnight, every look sees the same."""
    known = [e for e in life if e.time <= day(number)]
    state = fold(known)
    now = max(seconds_of(day(number)), state.last)
    midnight = (now // DAY + 1) * DAY
    at = moment_of(now)
    on = frozenset((sign.name, f.about) for sign, f in watch(POLICY, world.seen(state, at), frozenset(), None).began)
    upcoming = next_instant(state, now, POLICY)
    until = midnight if upcoming is None else min(upcoming, midnight)
    for second in {now + 1, (now + until) // 2, until - 1} - {until}:
        if now <= second < until:
            later = watch(POLICY, world.seen(state, moment_of(second)), on, None)
            assert (later.began, later.over) == ([], [])


@settings(max_examples=100, deadline=None)
@given(lives(), st.integers(0, 160 * 24))
def test_what_was_just_found_is_not_over_in_the_same_breath(life, later):
    """Hysteresis only ever keeps a sign longer."""
    state = fold(life)
    at = max(moment_of(state.last), DAY_0 + timedelta(hours=later))
    began = watch(POLICY, world.seen(state, at), frozenset(), None).began
    on = frozenset((sign.name, finding.about) for sign, finding in began)
    again = watch(POLICY, world.seen(state, at), on, None)
    assert (again.began, again.over) == ([], [])
    assert {(s.name, f.about) for s, f in again.goes_on} == on


# Each sign


def test_every_sign_has_an_example():
    assert set(EXAMPLES) == set(SIGNS) == {sign.name for sign, _ in POLICY.settings}


@pytest.mark.parametrize("name", sorted(SIGNS))
def test_a_sign_begins_with_its_facts_and_ends_without_them(name):
    (finding,) = EXAMPLES[name].findings(name)
    assert finding.since <= seconds_of(EXAMPLES[name].at)
    assert EXAMPLES[name].findings_later(name) == []


@pytest.mark.parametrize("name", sorted(SIGNS))
def test_a_client_without_history_shows_no_sign(name):
    assert find(name, [registered()], day(1)) == []


def test_usage_is_compared_with_the_same_weekdays():
    """A weekend after a week's work is no dip, and a Monday is not asked for Sunday's use."""
    for number in range(56, 63):
        assert find("usage_dip", [registered(), *workdays(0, number, 40)], day(number)) == []


@pytest.mark.parametrize(
    "why",
    [
        happens(client.ContractCancelled, 60, effective_on="2026-06-30"),
        happens(client.BlockerLogged, 62, blocker_id="b", kind="technical_setup", severity="critical"),
        happens(client.SubscriptionChanged, 61, "stripe", subscription_id="s",
                mrr_before={"amount": 9, "currency": "USD"}, mrr_after={"amount": 5, "currency": "USD"}),
    ],
    ids=["notice", "blocker", "smaller plan"],
)  # fmt: skip
def test_a_dip_that_is_explained_is_no_sign(why):
    life = [registered(), *workdays(0, 63, 40), *workdays(63, 70, 12)]
    assert find("usage_dip", life, day(70))
    assert find("usage_dip", [*life, why], day(70)) == []


def test_a_dip_becomes_the_new_normal():
    life = [registered(), *workdays(0, 63, 40), *workdays(63, 140, 12)]
    assert find("usage_dip", life, day(70), [""])
    assert find("usage_dip", life, day(126), [""]) == []


def test_between_its_two_thresholds_a_sign_stays_what_it_is():
    """Usage at 60 %: too much for a dip to begin (50 %), too little for one to be over (75 %)."""
    life = [registered(), *workdays(0, 63, 40), *workdays(63, 70, 24)]
    assert find("usage_dip", life, day(70)) == []
    assert find("usage_dip", life, day(70), [""])


def test_a_trend_never_spans_two_models():
    falling = world.weekly(*[86 - 1.5 * n for n in range(13)])
    assert find("score_falling", [registered()], day(91), weeks=falling)
    other = tuple(week._replace(model="onboarding") if nth < 6 else week for nth, week in enumerate(falling))
    assert find("score_falling", [registered()], day(91), weeks=other) == []
    newer = tuple(week._replace(version=2) if nth > 6 else week for nth, week in enumerate(falling))
    assert find("score_falling", [registered()], day(91), weeks=newer) == []


def test_a_client_that_speaks_of_other_things_is_not_silent():
    life = [registered(), asks(10, "a"), writes(11, "another thread")]
    assert find("client_silent", life, day(13)) == []


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        (None, "champion", False),
        ("user", "sponsor", False),
        ("champion", "user", True),
        ("champion", "sponsor", True),
    ],
)
def test_naming_a_key_person_is_no_loss_of_one(before, after, lost):
    """As a CRM tells it: first the person, a moment later the role."""
    life = [registered(), happens(client.ContactAdded, 1, contact_id="ben", role=before or "other"),
            happens(client.ContactRoleChanged, 2, contact_id="ben", role_before=before, role_after=after)]  # fmt: skip
    assert bool(find("key_contact_changed", life, day(2))) == lost


def test_two_meetings_without_agenda_are_two_conditions():
    life = [registered(), plans("m", 40, day(50)), plans("n", 40, day(50, 3), kind="qbr")]
    assert {f.about for f in find("agenda_missing", life, day(49, 4))} == {"m", "n"}
    assert [f.about for f in find("agenda_missing", life, day(50, 1))] == ["n"]
    assert find("agenda_missing", [registered(), plans("i", 40, day(50), kind="informal")], day(49.5)) == []


@pytest.mark.parametrize(("tier", "late_on"), [("strategic", 32), ("core", 93), ("standard", 184), (None, 184)])
def test_reviews_are_due_by_tier(tier, late_on):
    life = [registered(tier=tier), meets("r", 0.1, "review")]
    assert find("review_overdue", life, day(late_on - 0.5)) == []
    (finding,) = find("review_overdue", life, day(late_on))
    assert moment_of(finding.since) == day(late_on).replace(hour=0)


def test_a_planned_review_is_not_overdue():
    life = [registered(tier="strategic"), meets("r", 0.1, "review"), plans("s", 30, day(40))]
    assert find("review_overdue", life, day(35)) == []


def test_nothing_is_overdue_where_no_calendar_tells_us_of_meetings():
    for name in ("review_overdue", "check_in_overdue", "no_regular_check_in", "single_threaded", "only_reactive"):
        assert find(name, [registered(), uses(1, 4)], day(300)) == []


@pytest.mark.parametrize(
    ("score", "risk", "about"),
    [
        (84, world.risk(0.62, 30), "health_brighter"),
        (84, world.risk(0.49, 30), None),
        (84, world.risk(None, 30, 1.2), "health_brighter"),
        (84, world.risk(None, 30, 0.9), None),
        (52, world.risk(0.05, 30), "health_darker"),
        (52, world.risk(0.15, 30), None),
        (70, world.risk(0.9, 30), None),
        (84, world.risk(0.9, 20), None),  # said ten days ago: too old to contradict anything
    ],
)
def test_health_against_risk(score, risk, about):
    found = find("disagrees_with_risk", [registered()], day(30), health=world.healthy(score), risk=risk)
    assert [finding.about for finding in found] == ([about] if about else [])


def test_an_unknown_band_contradicts_nothing():
    unknown = world.Health(84 * 16, "unknown")
    assert find("disagrees_with_risk", [registered()], day(30), health=unknown, risk=world.risk(0.9, 30)) == []


@pytest.mark.parametrize(
    ("given_", "score", "about"),
    [(5, 50, "health_darker"), (4, 59, "health_darker"), (3, 50, None), (1, 85, "health_brighter"), (2, 79, None)],
)
def test_health_against_the_csms_own_view(given_, score, about):
    life = [registered(), happens(client.CsmSentimentGiven, 30, "csm", score=given_, by="maya@ours.example")]
    found = find("disagrees_with_csm", life, day(31), health=world.healthy(score))
    assert [finding.about for finding in found] == ([about] if about else [])


def test_money_of_two_currencies_is_never_summed():
    life = [
        registered(mrr=None),
        *[happens(client.SubscriptionChanged, n, "stripe", subscription_id=s, mrr_after={"amount": a, "currency": c})
          for n, s, a, c in ((1, "x", 100, "USD"), (1, "y", 100, "EUR"), (50, "x", 50, "USD"), (50, "y", 200, "EUR"))],
    ]  # fmt: skip
    (finding,) = find("disagrees_with_money", life, day(60), health=world.healthy(84))
    assert "fell by 50 %" in finding.text
    assert find("disagrees_with_money", life, day(60), health=world.healthy(50)) == []


# Silent sources


def test_a_silent_source_neither_begins_nor_ends_a_sign():
    life = [registered(), *workdays(0, 63, 40)]
    state = fold(life)
    seen = world.seen(state, day(70))
    dip = ("usage_dip", "")
    heard = {"segment": Heard(seconds_of(day(69.9)), DAY)}
    silent = {"segment": Heard(seconds_of(day(63)), DAY)}
    assert dip in {(s.name, f.about) for s, f in watch(POLICY, seen, frozenset(), heard).began}
    quiet = watch(POLICY, seen, frozenset(), silent)
    assert dip not in {(s.name, f.about) for s, f in quiet.began}
    well = world.seen(fold([*life, *workdays(63, 70, 40)]), day(70))
    assert dip in watch(POLICY, well, frozenset({dip}), heard).over
    assert dip not in watch(POLICY, well, frozenset({dip}), silent).over


# Instants


def test_the_next_instant_is_exact():
    life = [registered(), asks(10, "a")]
    state = fold(life)
    assert next_instant(state, seconds_of(day(10)), POLICY) == seconds_of(day(12))
    assert next_instant(state, seconds_of(day(12)), POLICY) is None
    state = fold([registered(), plans("m", 40, day(50))])
    assert next_instant(state, seconds_of(day(41)), POLICY) == seconds_of(day(49))
    assert next_instant(state, seconds_of(day(49)), POLICY) == seconds_of(day(50))
    state = fold([registered(), meets("m", 40)])
    assert next_instant(state, seconds_of(day(40)), POLICY) == seconds_of(day(40)) + 24 * HOUR
    assert next_instant(state, seconds_of(day(40)), None) is None


# The file


@pytest.mark.parametrize(
    ("here", "instead", "says"),
    [
        ("client_silent: { starts_at: 48 }", "client_silent: { start_at: 48 }", "has no setting start_at"),
        ("client_silent: { starts_at: 48 }", "client_silent: {}", "client_silent needs the setting starts_at"),
        ("client_silent: { starts_at: 48 }", "client_silent: { starts_at: 4.5 }", "is a whole number"),
        ("client_silent: { starts_at: 48 }", "client_silent: { starts_at: -1 }", "greater than or equal to 0"),
        ("client_silent: { starts_at: 48 }", "moon_phase: { starts_at: 48 }", "is called 'moon_phase'"),
        ("meetings_cancelled: { starts_at: 2, ends_below: 1", "meetings_cancelled: { starts_at: 2, ends_below: 3",
         "wrong side of 2"),
        ("    ends_above: 0.75", "    ends_above: 0.25", "wrong side of 0.5"),
        ("review_days: 31", "review_days: 0", "greater than 0"),
        ("unknown_tier: standard", "unknown_tier: gold", "'strategic', 'core' or 'standard'"),
        ("signs: standard", "signs: [standard", "not readable as YAML"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_with_file_line_and_rule(here, instead, says):
    assert here in SHIPPED
    with pytest.raises(Refused) as refused:
        signs_definition.signs_from(SHIPPED.replace(here, instead), name="signs.yaml")
    assert refused.value.detail.startswith("signs.yaml")
    assert says in refused.value.detail
    if "YAML" not in says:
        line = SHIPPED[: SHIPPED.index(here)].count("\n") + 1 + here.startswith("\n")
        assert f"line {line}" in refused.value.detail


def test_a_sign_that_is_left_out_is_not_looked_for():
    policy = signs_definition.signs_from(
        SHIPPED.replace("  client_silent: { starts_at: 48 } # hours after we asked\n", "")
    )
    life = [registered(), asks(10, "a")]
    found = watch(policy.compiled(2), world.seen(fold(life), day(13)), world.keys("client_silent"), None)
    assert [sign.name for sign, _ in found.began] == []
    assert found.over == [("client_silent", "")]


def test_there_are_signs_of_every_kind():
    assert {sign.kind for sign in SIGNS.values()} == set(Kind)
