"""Identity put right on a running stack: every service follows over Kafka, and ends where it should have been.

One stack for the whole module; the tests build on each other in the order in which they stand.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.loop_stack import LoopStack, eventually

NAME, EMAIL = "Ada Okafor", "ada.okafor@initech.example"


def say(loop: LoopStack, ref: str, name: str, /, **data: Any) -> None:
    loop.post("ingest", "/v1/events", {"type": name, "subject": f"ref:{ref}", "source": "desk", "data": data})


def register(loop: LoopStack, ref: str, **profile: Any) -> str:
    say(loop, ref, "client_registered", **profile)
    return str(loop.get("ingest", "/v1/clients/by-ref/" + ref.replace(":", "/"))["client_id"])


def give(loop: LoopStack, ref: str, client: str) -> None:
    with loop.http("ingest", "ingest:write") as http:
        answer = http.put("/v1/refs/" + ref.replace(":", "/"), json={"client_id": client})
    assert answer.is_success, answer.text


def live_on(loop: LoopStack, ref: str) -> None:
    """What makes a score."""
    for nth in range(3):
        say(loop, ref, "logged_in", contact_id=f"p{nth}")
        say(loop, ref, "usage_recorded", feature=f"f{nth}", quantity=10)
        say(loop, ref, "survey_answered", survey="nps", contact_id=f"p{nth}", score=9, scale_min=0, scale_max=10)
    say(loop, ref, "invoice_overdue", invoice_id="i1", days=9)


def health(loop: LoopStack, client: str) -> Any:
    """Its score, and those of its components and signals."""
    found = loop.get("health", f"/v1/clients/{client}/health")
    if found is None:
        return None
    parts = [(part["name"], part["score"], [(s["name"], s["score"]) for s in part["signals"]])
             for part in found["components"]]  # fmt: skip
    return found["score"], parts


@pytest.fixture(scope="module")
def ids() -> dict[str, str]:
    return {}


def test_a_moved_link_ends_where_a_right_one_would(loop: LoopStack, ids: dict[str, str]):
    for name in ("right", "wrong", "right2", "wrong2"):
        ids[name] = register(loop, f"crm:company:{name}", name=name.removesuffix("2"), seats=4)
    give(loop, "desk:organization:d", ids["wrong"])
    give(loop, "desk:organization:d2", ids["right2"])
    live_on(loop, "desk:organization:d")
    live_on(loop, "desk:organization:d2")
    for name in ("right", "wrong", "right2", "wrong2"):
        say(loop, f"crm:company:{name}", "csm_sentiment_given", score=4, by="maya@ours.example")
    eventually(lambda: health(loop, ids["wrong"]) == health(loop, ids["right2"]), "the mistake is scored")
    assert health(loop, ids["right"]) != health(loop, ids["right2"])
    give(loop, "desk:organization:d", ids["right"])
    eventually(lambda: health(loop, ids["right"]) == health(loop, ids["right2"]), "the right client is scored right")
    eventually(lambda: health(loop, ids["wrong"]) == health(loop, ids["wrong2"]), "and the wrong one, too")


def test_a_merge_and_its_undoing_are_followed(loop: LoopStack, ids: dict[str, str]):
    before = {name: health(loop, ids[name]) for name in ("right", "wrong")}
    loop.post("ingest", f"/v1/clients/{ids['wrong']}/merge", {"from_client_id": ids["right"]})
    eventually(lambda: health(loop, ids["wrong"]) == before["right"], "both are scored as one")
    live_on(loop, "desk:organization:d")
    live_on(loop, "desk:organization:d2")
    loop.post("ingest", f"/v1/clients/{ids['right']}/unmerge", {})
    eventually(lambda: health(loop, ids["right"]) == health(loop, ids["right2"]), "its own again")
    eventually(lambda: health(loop, ids["wrong"]) == before["wrong"], "nothing of it is left with the other")


def test_an_erased_person_is_gone_everywhere_and_the_score_stays(loop: LoopStack, ids: dict[str, str]):
    say(loop, "crm:company:right", "contact_added", contact_id=EMAIL, name=NAME, email=EMAIL, role="user")
    say(loop, "crm:company:right", "logged_in", contact_id=EMAIL)
    eventually(lambda: {"health.facts", "churn.facts"} <= _tables(loop), "health and churn know of the person")
    scored = health(loop, ids["right"])
    with loop.http("ingest", "ingest:erase") as http:
        assert http.delete(f"/v1/contacts/{EMAIL}").status_code == 204
    eventually(lambda: not _tables(loop), "no table names the person")
    assert loop.tables_that_say(NAME) == []
    assert health(loop, ids["right"]) == scored


def _tables(loop: LoopStack) -> set[str]:
    return {name.split("_p")[0] for name in loop.tables_that_say(EMAIL)}


def test_the_audit_of_the_stack_finds_nothing_missing(loop: LoopStack):
    assert loop.run("verify").returncode == 0
