"""The whole promise, over HTTP: a vendor's signed webhook becomes a score, a risk, a case, and a message.

One stack, one client, one story: the tests build on each other in the order in which they stand.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from loopctl import verification

from tests.support import northwind
from tests.support.loop_stack import LoopStack, eventually
from tests.support.northwind import MAYA, OMAR


class Story:
    """What the tests have learned so far."""

    began: datetime
    client_id = ""
    case_id = ""
    healthy_score = 0.0


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def now(loop: LoopStack) -> datetime:
    return datetime.fromisoformat(loop.now())


def case(loop: LoopStack, story: Story) -> dict[str, Any]:
    return dict(loop.get("escalation", f"/v1/cases/{story.case_id}"))


def steps(loop: LoopStack, story: Story) -> dict[str, str]:
    return {step["step"]: step["state"] for step in case(loop, story)["steps"]}


def happened(loop: LoopStack, story: Story) -> Counter[tuple[str, str | None]]:
    return Counter((line["what"], line["step"]) for line in case(loop, story)["trail"])


def subjects(loop: LoopStack, story: Story, **filters: str) -> list[str]:
    return [message["subject"] for message in loop.messages(client_id=story.client_id, **filters)]


def to_people(loop: LoopStack) -> list[str]:
    """Subjects of all messages but write-backs to the CRM."""
    return [message["subject"] for message in loop.messages() if message["channel"] != "crm"]


def test_a_webhook_with_a_wrong_signature_is_refused(loop: LoopStack):
    answer = loop.signed("hubspot", b"[]", secret="not the secret")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_company_created_in_the_crm_is_a_client(loop: LoopStack, story: Story):
    story.began = now(loop)
    loop.webhook("hubspot", northwind.company_created(story.began))
    found = eventually(
        lambda: loop.get("ingest", f"/v1/clients/by-ref/hubspot/company/{northwind.COMPANY}"), "the client"
    )
    story.client_id = str(found["client_id"])
    loop.webhook("hubspot", northwind.contacts(now(loop)))


def test_a_history_is_imported_in_silence(loop: LoopStack, story: Story, tmp_path: Path):
    file = tmp_path / "history.ndjson"
    file.write_text(northwind.history(story.client_id, now(loop)))
    loop.run("import", str(file))
    health = eventually(
        lambda: _scored(loop, story),
        "a score from 180 days of history",
    )
    assert {part["name"] for part in health["components"]} == {"usage", "outcome", "relationship", "financial"}
    assert to_people(loop) == [], "history never acts"
    story.healthy_score = health["score"]


def _scored(loop: LoopStack, story: Story) -> dict[str, Any] | None:
    health = loop.get("health", f"/v1/clients/{story.client_id}/health")
    return health if health and health["score"] is not None and health["score"] >= 60 else None


def test_a_live_signal_is_in_the_score_at_once(loop: LoopStack, story: Story):
    before = loop.get("health", f"/v1/clients/{story.client_id}/health")["as_of"]
    loop.webhook("segment", northwind.tracked(now(loop)))
    eventually(
        lambda: loop.get("health", f"/v1/clients/{story.client_id}/health")["as_of"] > before, "a score of the signal"
    )
    assert loop.get("churn", f"/v1/clients/{story.client_id}/risk")["flag"] is None


def test_silence_a_lost_sponsor_and_angry_words_raise_a_flag(loop: LoopStack, story: Story):
    loop.webhook("hubspot", northwind.sponsor_left(now(loop)))
    loop.advance("22d")
    loop.webhook("zendesk", northwind.angry_ticket(now(loop)))

    def flagged() -> dict[str, Any] | None:
        risk = loop.get("churn", f"/v1/clients/{story.client_id}/risk")
        return risk if risk and risk["flag"] else None

    risk = eventually(flagged, "a flag")
    assert (risk["calibrated"], risk["probability"]) == (False, None), "no model was trained here"
    assert len(risk["reasons"]) >= 2
    health = loop.get("health", f"/v1/clients/{story.client_id}/health")
    assert health["score"] < story.healthy_score


def test_the_flag_opens_a_case_and_the_csm_hears_of_it(loop: LoopStack, story: Story):
    opened = eventually(lambda: loop.get("escalation", "/v1/cases", client_id=story.client_id)["items"], "a case")
    assert len(opened) == 1
    story.case_id = opened[0]["case_id"]
    assert (opened[0]["state"], opened[0]["csm"], opened[0]["executive_sponsor"]) == ("open", MAYA, OMAR)
    assert set(steps(loop, story).values()) == {"pending"}
    mail = eventually(lambda: loop.messages(inbox=MAYA, channel="email"), "an e-mail to the CSM")
    eventually(lambda: loop.messages(channel="slack"), "a Slack message")
    assert any("Northwind Labs" in message["subject"] for message in mail)


def test_a_deadline_that_comes_near_and_passes_is_said_once_each(loop: LoopStack, story: Story):
    loop.advance("3h5m")
    eventually(lambda: happened(loop, story)["step_due", "assign"], "the reminder")
    loop.advance("1h")
    eventually(lambda: steps(loop, story)["assign"] == "breached", "the breach")
    eventually(lambda: [s for s in subjects(loop, story) if "missed" in s.lower()], "the breach's message")


def test_a_killed_service_comes_back_and_breaches_what_it_slept_through(loop: LoopStack, story: Story):
    loop.kill("escalation")
    loop.advance("21h")
    loop.run("up", "--no-demo")
    eventually(lambda: steps(loop, story)["root_cause_call"] == "breached", "the breach that it slept through")
    assert happened(loop, story)["step_breached", "root_cause_call"] == 1
    assert happened(loop, story)["step_breached", "assign"] == 1


def test_a_csm_completes_the_steps(loop: LoopStack, story: Story):
    path = f"/v1/cases/{story.case_id}/steps"
    loop.post("escalation", f"{path}/assign/complete", {"evidence": {"csm": MAYA, "executive_sponsor": OMAR}})
    starts = now(loop).replace(microsecond=0)
    meeting = {
        "type": "csl.client.meeting_scheduled.v1",
        "subject": f"ref:hubspot:company:{northwind.COMPANY}",
        "data": {
            "meeting_id": "rc-1",
            "kind": "root_cause",
            "starts_at": starts.replace(year=starts.year + 1).isoformat(),
            "attendees": [str(northwind.CHAMPION), MAYA],
        },
    }
    loop.post("ingest", "/v1/events", meeting)
    eventually(lambda: steps(loop, story)["root_cause_call"] == "done", "the call from the calendar")
    plan = {
        "actions": [{"action": "mend the export", "owner": MAYA, "due_on": starts.date().isoformat()}],
        "tracking_item": "https://pm.ours.example/CS-12",
    }
    done = loop.post("escalation", f"{path}/mitigation_plan/complete", {"evidence": plan})
    assert {step["state"] for step in done["steps"]} == {"done"}
    assert [step["step"] for step in done["steps"] if step["breached_at"]] == ["assign", "root_cause_call"]


def test_the_client_is_saved_and_nothing_more_happens_to_its_case(loop: LoopStack, story: Story):
    closing = {"outcome": "saved", "reason": "the export works; they renewed"}
    closed = loop.post("escalation", f"/v1/cases/{story.case_id}/close", closing)
    assert (closed["state"], closed["outcome"]) == ("closed", "saved")
    assert [line["by"] for line in closed["trail"]][-1] == MAYA
    eventually(lambda: [s for s in subjects(loop, story) if "saved" in s.lower()], "the good news")
    loop.advance("4d")
    trail = len(closed["trail"])
    assert len(case(loop, story)["trail"]) == trail


def test_each_message_was_received_once(loop: LoopStack, story: Story):
    deliveries = Counter(message["delivery_id"] for message in loop.messages() if message["delivery_id"])
    assert deliveries
    assert set(deliveries.values()) == {1}


def test_the_status_is_written_back_to_the_crm(loop: LoopStack, story: Story):
    written = loop.messages(channel="crm")
    assert written, "no write-back reached the CRM"
    assert any(str(northwind.COMPANY) in str(message) for message in written)


def test_the_portfolio_shows_it(loop: LoopStack, story: Story):
    told = loop.run("portfolio").stdout
    assert "Northwind Labs" in told
    rows = loop.run("portfolio", "--csv").stdout.splitlines()
    assert len(rows) == 2, "a heading and one client"


def test_the_audit_finds_nothing_missing(loop: LoopStack, story: Story):
    audit = loop.run("verify", check=False)
    assert audit.returncode == 0, audit.stdout


def test_an_event_of_nobody_we_know_waits_where_people_see_it(loop: LoopStack, story: Story):
    stranger = northwind.tracked(now(loop)) | {"context": {"groupId": "nobody-we-know"}, "userId": "stranger-1"}
    loop.webhook("segment", stranger)
    eventually(lambda: loop.get("ingest", "/v1/unmatched")["items"], "the parked event")


def test_an_erased_client_is_gone_from_every_service(loop: LoopStack, story: Story):
    with loop.http("ingest", "ingest:erase") as http:
        assert http.delete(f"/v1/clients/{story.client_id}").status_code == 204
    eventually(lambda: loop.get("health", f"/v1/clients/{story.client_id}/health") is None, "health to forget it")
    eventually(lambda: loop.get("churn", f"/v1/clients/{story.client_id}/risk") is None, "churn to forget it")
    eventually(lambda: not loop.get("escalation", "/v1/cases")["items"], "escalation to forget it")
    eventually(lambda: loop.get("ingest", f"/v1/clients/{story.client_id}") is None, "ingest to forget it")
    eventually(lambda: not loop.tables_that_say("Northwind Labs"), "its name to be in no table")
    loop.webhook("hubspot", northwind.company_created(story.began))
    audit = loop.run("verify", check=False)
    assert audit.returncode == 0, audit.stdout
    assert loop.get("ingest", "/v1/clients")["items"] == [], "a late webhook brought it back"


def test_the_audit_names_what_is_missing(loop: LoopStack, monkeypatch: pytest.MonkeyPatch):
    """A fact lost, a deadline without its timer, a timer given up: each is made here, and must be found."""
    told = loop.post(
        "ingest",
        "/v1/events",
        {
            "type": "csl.client.client_registered.v1",
            "subject": "ref:hubspot:company:77",
            "data": {"name": "Fjordkraft", "refs": [{"source": "hubspot", "kind": "company", "id": "77"}]},
        },
    )
    assert told["accepted"] == 1
    client = loop.get("ingest", "/v1/clients/by-ref/hubspot/company/77")["client_id"]
    loop.publish(northwind.flag(client, now(loop)))
    eventually(lambda: loop.get("escalation", "/v1/cases", client_id=client)["items"], "the case")
    eventually(lambda: loop.get("health", f"/v1/clients/{client}/health"), "health to know the client")
    loop.sql(
        f"DELETE FROM health.facts WHERE client_id = '{client}'",
        "DELETE FROM escalation.timers WHERE kind = 'step_breach' AND owner LIKE '%/assign'",
        "UPDATE escalation.timers SET parked_at = now(), last_error = 'it broke' WHERE kind = 'step_due'",
    )
    monkeypatch.setattr(verification, "SETTLE_SECONDS", 1.0)
    found = {(difference.kind, difference.service) for difference in verification.verify(loop.stack).differences}
    assert found == {
        ("never arrived", "health"),
        ("deadline without a timer", "escalation"),
        ("timer given up", "escalation"),
    }
