"""Slack, Calendly and Typeform over HTTP: whose words and meetings they are, and the answers that vendors want."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.ingest.conftest import Ingest

OURS, THEIRS = "T0OURS", "T0THEIRS"


def message(text: str, event: str = "Ev1", **parts: Any) -> dict[str, Any]:
    inner = {"type": "message", "channel": "C1", "channel_type": "channel", "user": "U9", "text": text,
             "ts": "1772441999.000100", "user_team": THEIRS, **parts}  # fmt: skip
    return {"type": "event_callback", "event_id": event, "team_id": THEIRS, "event": inner,
            "is_ext_shared_channel": True, "authorizations": [{"team_id": OURS}]}  # fmt: skip


def booking(email: str, kind: str = "invitee.created", **parts: Any) -> dict[str, Any]:
    uri = "https://api.calendly.com/scheduled_events/E1"
    payload = {"uri": f"{uri}/invitees/I1", "email": email, "name": "Ada Okafor", "created_at": "2026-03-02T08:00:00Z",
               "event": uri, "scheduled_event": {"uri": uri, "name": "QBR", "start_time": "2026-03-05T10:00:00Z"},
               "rescheduled": False, **parts}  # fmt: skip
    return {"event": kind, "created_at": "2026-03-02T08:00:01Z", "payload": payload}


async def test_slacks_challenge_is_given_back_to_slack_alone(ingest: Ingest) -> None:
    challenge = json.dumps({"type": "url_verification", "token": "x", "challenge": "3eZbrw1aB"}).encode()
    answer = await ingest.webhook("slack", challenge)
    assert (answer.status_code, answer.json()) == (200, {"challenge": "3eZbrw1aB"})
    assert answer.headers["content-type"] == "application/json"
    stranger = await ingest.http.post("/v1/webhooks/slack", content=challenge)
    assert stranger.status_code == 401
    assert "3eZbrw1aB" not in stranger.text


async def test_a_channel_waits_until_somebody_says_whose_it_is_and_a_retry_counts_once(ingest: Ingest) -> None:
    who = await ingest.register(name="Northwind")
    first = await ingest.webhook("slack", message("The export is still broken. Any news?"))
    retry = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
    again = await ingest.webhook("slack", message("The export is still broken. Any news?"), retry)
    assert (first.json(), again.json()) == ({"accepted": 1, "duplicates": 0}, {"accepted": 0, "duplicates": 1})
    [waiting] = (await ingest.call("GET", "/v1/unmatched")).json()["items"]
    assert waiting["ref"] == {"source": "slack", "kind": "channel", "id": "C1"}
    path = f"/v1/unmatched/{waiting['id']}/assign"
    assert (await ingest.call("POST", path, json={"client_id": str(who)})).status_code == 200
    said = dict((await ingest.said())[1:])
    heard = said["message_exchanged"]
    assert (heard["direction"], heard["contact_id"]) == ("inbound", "U9")
    assert heard["reading"]["questions"] == 1
    assert "still_broken" in heard["reading"]["topics"]
    assert said["client_updated"]["refs"][-1] == {"source": "slack", "kind": "channel", "id": "C1"}
    await ingest.webhook("slack", message("Did it work?", "Ev2", user="U1", user_team=OURS, ts="1772442000.000100"))
    answered = (await ingest.said())[-1][1]
    assert (answered["direction"], answered["expects_reply"]) == ("outbound", True)
    assert "reading" not in answered


async def test_an_invitee_belongs_to_the_client_of_its_addresss_domain_and_to_nobody_by_free_mail(
    ingest: Ingest,
) -> None:
    await ingest.register(domain="northwind.example", name="Northwind")
    await ingest.webhook("calendly", booking("Ada@Northwind.example"))
    said = dict((await ingest.said())[1:])
    assert said["contact_added"]["email"] == "ada@northwind.example"
    assert (said["meeting_scheduled"]["kind"], said["meeting_scheduled"]["meeting_id"]) == ("qbr", "E1")
    assert said["meeting_scheduled"]["attendees"] == [said["contact_added"]["contact_id"]]
    await ingest.webhook(
        "calendly", booking("ada@gmail.com", uri="https://api.calendly.com/scheduled_events/E2/invitees/I2")
    )
    assert len(await ingest.said()) == 3
    [waiting] = (await ingest.call("GET", "/v1/unmatched")).json()["items"]
    assert (waiting["ref"]["kind"], waiting["hints"]) == ("contact", {"email": "ada@gmail.com"})


async def test_a_survey_names_its_client_in_its_hidden_fields_and_its_words_stay_here(ingest: Ingest) -> None:
    await ingest.register("hubspot:company:77")
    answers = [
        {"type": "number", "number": 2, "field": {"id": "a", "type": "nps", "ref": "nps"}},
        {"type": "text", "text": "We are evaluating other vendors.", "field": {"id": "b", "type": "long_text"}},
    ]
    response = {"form_id": "f", "token": "t", "submitted_at": "2026-03-02T08:00:00Z", "answers": answers,
                "hidden": {"client_ref": "hubspot:company:77", "contact_id": "1251"}}  # fmt: skip
    answer = await ingest.webhook(
        "typeform", {"event_id": "e", "event_type": "form_response", "form_response": response}
    )
    assert answer.json() == {"accepted": 1, "duplicates": 0}
    _, (name, data), (remark, inferred) = await ingest.said()
    assert name == "survey_answered"
    assert (data["survey"], data["score"], data["scale_min"], data["scale_max"]) == ("nps", 2, 0, 10)
    assert data["contact_id"] == "1251"
    assert data["reading"]["topics"] == ["competitor"]
    assert (remark, inferred) == ("competitor_mentioned", {"contact_id": "1251", "inferred": True})
    outbox = await ingest.rows("SELECT body FROM outbox")
    assert not any(b"evaluating" in bytes(row.body) for row in outbox)
