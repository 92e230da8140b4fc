"""What `loop` says of a request that a service refused."""

from __future__ import annotations

import httpx
from loopctl.api import reason

FORM = "the request does not have the form this route takes"


def test_a_refusal_names_the_fields_that_were_wrong():
    errors = [{"field": "reason", "detail": "String should have at least 3 characters"}]
    told = httpx.Response(422, json={"title": "Unprocessable Entity", "detail": FORM, "errors": errors})
    assert reason(told) == f"{FORM}; reason: String should have at least 3 characters"


def test_what_the_detail_says_is_not_said_twice():
    errors = [{"field": "until", "detail": "until must lie in the next 90 days"}]
    told = httpx.Response(422, json={"detail": "until must lie in the next 90 days", "errors": errors})
    assert reason(told) == "until must lie in the next 90 days"


def test_any_other_body_is_told_from_its_beginning():
    assert reason(httpx.Response(502, text="Bad gateway")) == "Bad gateway"
    assert reason(httpx.Response(409, json={"title": "Conflict"})) == "Conflict"
