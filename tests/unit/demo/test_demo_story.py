"""The storyteller says what it hears, once, also after a restart; the play's progress outlives its process."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st
from loopctl.demo import progress, script
from loopctl.demo.population import present
from loopctl.demo.portfolio import HERO, world_name
from loopctl.demo.story import Links, Story

HERO_ID, OTHER_ID = str(uuid4()), str(uuid4())
NAMES = {HERO_ID: "Bluepeak Analytics", OTHER_ID: "Northfield Logistics"}
LINKS = Links("http://h", "http://c", "http://e", "http://x")
BEGAN = datetime(2026, 5, 4, 12, tzinfo=UTC)


def story(told: set[str] | None = None) -> Story:
    return Story(HERO_ID, NAMES, LINKS, told)


def event(type_: str, client: str = HERO_ID, **data: Any) -> dict[str, Any]:
    body = {"client_id": client, "as_of": "2026-05-20T09:00:00Z", **data}
    return {"id": str(uuid4()), "type": f"csl.{type_}.v1", "subject": client, "data": body}


REASON = {"code": "sponsor", "text": "sponsor left on 6 May, nobody has taken over", "contribution": 0.9}
RISK: dict[str, Any] = {"horizon_days": 90, "threshold": 0.6, "simulated": True, "reasons": [REASON]}
WHOLE = [
    event("health.scored", score=91.25, band="green"),
    event("health.band_changed", score=74.5, band="amber", band_before="green", moves=[{"text": "sponsor left"}]),
    event("health.band_changed", score=52.0, band="red", band_before="amber"),
    event("health.band_changed", client=OTHER_ID, score=78.0, band="amber", band_before="green"),
    event("churn.assessed", probability=0.2, **RISK),
    event("churn.assessed", probability=0.24, **RISK),
    event("churn.flag_raised", probability=0.72, **RISK),
    event("escalation.case_opened", case_id="c1", steps=[{"step": "assign", "due_at": "2026-05-20T13:00:00Z"}]),
    event("escalation.step_done", case_id="c1", step="assign", due_at="2026-05-20T13:00:00Z"),
    event("escalation.step_breached", case_id="c1", step="root_cause_call", due_at="2026-05-21T09:00:00Z"),
    event("escalation.step_done", case_id="c1", step="root_cause_call", due_at="2026-05-21T09:00:00Z"),
    event("notify.delivered", channel="slack", recipient="maya@ourteam.example", rule="band_worse"),
    event("escalation.case_closed", case_id="c1", outcome="saved"),
]


def test_a_story_is_told_in_sentences() -> None:
    teller = story()
    text = "\n".join(line for heard in WHOLE for line in teller.hear(heard))
    for words in (
        "Bluepeak Analytics is AMBER: score 74.5 (was green)",
        "because sponsor left",
        "is RED",
        "Northfield Logistics: green → amber",
        "likely to leave (risk 72%, from 60%) [model trained on simulated data]",
        "sponsor left on 6 May, nobody has taken over",
        "BREACH: root_cause_call",
        "root_cause_call is done (late, after its breach)",
        "closed: SAVED",
        "http://e/v1/cases/c1",
    ):
        assert words in text
    assert teller.known.outcome == "saved"
    assert teller.known.breached == {"root_cause_call"}


def test_a_small_move_of_the_risk_is_not_worth_a_line() -> None:
    teller = story()
    lines = [teller.hear(heard) for heard in WHOLE[4:6]]
    assert lines[0]
    assert not lines[1]


@given(st.integers(0, len(WHOLE)), st.lists(st.integers(0, len(WHOLE) - 1), max_size=6))
def test_after_a_restart_it_knows_the_same_and_repeats_nothing(killed_after: int, repeats: list[int]) -> None:
    straight, first = story(), story()
    expected = [line for heard in WHOLE for line in straight.hear(heard)]
    said = [line for heard in WHOLE[:killed_after] for line in first.hear(heard)]
    second = story(set(first.told))
    said += [line for heard in WHOLE for line in second.hear(heard)]
    said += [line for n in repeats for line in second.hear(WHOLE[n]) if WHOLE[n]["type"] != "csl.churn.assessed.v1"]
    assert said == expected
    assert second.known.outcome == straight.known.outcome
    assert second.known.done == straight.known.done


def test_progress_survives_as_plain_json() -> None:
    known = progress.Progress(generation=3, began=BEGAN.isoformat(), sent=17, done=["chapter:decline"], told=["a"])
    assert progress.from_plain(asdict(known) | {"state": "playing", "unknown": 1}) == known
    assert known.began_at == BEGAN
    assert known.world == world_name(20_260, 3)


def test_the_script_goes_forward_and_every_beat_has_a_name_of_its_own() -> None:
    hero = present(world_name(7, 1), BEGAN, 6).members[HERO]
    flag = BEGAN + timedelta(days=15)
    beats = [*script.decline(hero, BEGAN), *script.rescue(hero, BEGAN, flag)]
    for part in (script.decline(hero, BEGAN), script.rescue(hero, BEGAN, flag)):
        times = [beat.happening.at for beat in part]
        assert times == sorted(times)
    names = [beat.name for beat in beats]
    assert len(names) == len(set(names))
    assert script.NEEDS_MODEL in names
    assert timedelta(0) < script.ASSIGN_AFTER < timedelta(hours=4)
    assert script.CALL_DUE < script.CALL_AFTER < script.PLAN_AFTER < timedelta(hours=72)


def test_being_among_the_riskiest_is_told_but_does_not_turn_the_story():
    own = story()
    named = {**RISK, "probability": 0.14, "rule": "capacity", "flag_id": str(uuid4())}
    (line,) = own.hear(event("churn.flag_raised", **named))
    assert "among the riskiest clients of its CSM this week: 14%" in line
    (line,) = own.hear(event("churn.flag_cleared", **named))
    assert "not among the riskiest" in line
    assert (own.known.flagged_at, own.known.cleared) == (None, False)
    own.hear(event("churn.flag_raised", **{**named, "probability": 0.7, "rule": "threshold"}))
    assert own.known.flagged_at is not None
