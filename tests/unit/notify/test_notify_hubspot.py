"""A portal that knows fewer choices than we write is brought up to date, and the write is made again."""

from __future__ import annotations

import json

import httpx
import pytest
from notify.adapters.hubspot import FLAGS, HubSpot
from notify.domain.attempt import NotSent


class Portal:
    """A HubSpot whose flag has some choices only."""

    def __init__(self, *choices: str) -> None:
        self.choices = list(choices)
        self.calls: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(f"{request.method} {request.url.path.removeprefix('/crm/v3/')}")
        body = json.loads(request.content)
        if request.url.path.endswith("/csl_churn_flag"):
            self.choices = [option["value"] for option in body["options"]]
            return httpx.Response(200, json={})
        if "/properties/" in request.url.path:
            return httpx.Response(409, json={"category": "OBJECT_ALREADY_EXISTS"})
        if body["properties"]["csl_churn_flag"] not in self.choices:
            return httpx.Response(400, json={"category": "VALIDATION_ERROR", "errors": [{"code": "INVALID_OPTION"}]})
        return httpx.Response(200, json={})

    def hubspot(self) -> HubSpot:
        return HubSpot(base_url="http://portal", token="t", timeout=1, transport=httpx.MockTransport(self))


async def test_a_choice_that_the_portal_does_not_have_is_added_to_it() -> None:
    portal = Portal("none", "likely_churn", "risk_signs", "overridden")
    await portal.hubspot().write("7", {"csl_churn_flag": "among_riskiest"})
    assert portal.choices == list(FLAGS)
    assert portal.calls[-2:] == ["PATCH properties/companies/csl_churn_flag", "PATCH objects/companies/7"]


async def test_a_choice_that_nobody_has_is_refused_once_and_for_all() -> None:
    portal = Portal(*FLAGS)
    with pytest.raises(NotSent) as refused:
        await portal.hubspot().write("7", {"csl_churn_flag": "horoscope"})
    assert refused.value.permanent
