"""HubSpot's CRM v3 over httpx: a client's state as company properties. Writing the same twice changes nothing."""

from __future__ import annotations

from typing import Any

import httpx

from notify.domain.attempt import NotSent, Sent

GROUP = "client_success_loop"
BANDS = ("green", "amber", "red", "healthy", "stable", "at_risk", "critical", "unknown")
FLAGS = ("none", "likely_churn", "risk_signs", "among_riskiest", "overridden")


def _options(values: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {"label": value.replace("_", " ").capitalize(), "value": value, "displayOrder": nth}
        for nth, value in enumerate(values)
    ]


def _property(name: str, label: str, type_: str, field: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": label, "groupName": GROUP, "type": type_, "fieldType": field, **more}


PROPERTIES = (
    _property("csl_health_score", "Health score (0–100)", "number", "number"),
    _property("csl_health_band", "Health band", "enumeration", "select", options=_options(BANDS)),
    _property("csl_health_confidence", "Health confidence (0–1)", "number", "number"),
    _property("csl_health_as_of", "Health as of", "datetime", "date"),
    _property("csl_churn_risk", "Churn risk (probability)", "number", "number"),
    _property("csl_churn_flag", "Churn flag", "enumeration", "select", options=_options(FLAGS)),
    _property("csl_churn_reasons", "Churn reasons", "string", "textarea"),
    _property("csl_churn_as_of", "Churn risk as of", "datetime", "date"),
    _property(
        "csl_simulated",
        "From simulated data",
        "bool",
        "booleancheckbox",
        options=[
            {"label": "Yes", "value": "true", "displayOrder": 0},
            {"label": "No", "value": "false", "displayOrder": 1},
        ],
    ),
)
"""What the write-back needs; created on the first write that misses them (docs/notify.md names the scope)."""
PATIENCE_DEFAULT = 10.0
"""Seconds after a 429 without Retry-After: HubSpot's burst window."""


UNPREPARED = ("PROPERTY_DOESNT_EXIST", "INVALID_OPTION")
"""What HubSpot says where a property, or a choice that a later release added to one, is not there."""


class HubSpot:
    """Writes company properties; makes them first where the portal does not know them."""

    def __init__(
        self, *, base_url: str, token: str, timeout: float, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout,
            transport=transport,
        )

    async def write(self, company_id: str, properties: dict[str, str]) -> Sent:
        """Raises NotSent."""
        path = f"/crm/v3/objects/companies/{company_id}"
        answer = await self._send("PATCH", path, {"properties": properties})
        if answer.status_code == 400 and any(word in answer.text for word in UNPREPARED):
            await self.create_properties()
            answer = await self._send("PATCH", path, {"properties": properties})
        check(answer)
        return Sent({"company_id": company_id})

    async def create_properties(self) -> None:
        """Group and properties; of those that exist already only the choices of the flag are brought up to date."""
        group = {"name": GROUP, "label": "Client Success Loop", "displayOrder": -1}
        made = await self._send("POST", "/crm/v3/properties/companies/groups", group)
        if made.status_code != 409:
            check(made)
        created = await self._send("POST", "/crm/v3/properties/companies/batch/create", {"inputs": list(PROPERTIES)})
        if created.status_code != 409:
            check(created)
            return
        path = "/crm/v3/properties/companies/csl_churn_flag"
        check(await self._send("PATCH", path, {"options": _options(FLAGS)}))

    async def close(self) -> None:
        await self._client.aclose()

    async def _send(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        try:
            return await self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise NotSent(f"HubSpot cannot be reached: {type(error).__name__}: {error}", target_down=True) from error


def check(answer: httpx.Response) -> None:
    """Raises NotSent for anything but success (developers.hubspot.com, "Error handling")."""
    if answer.is_success:
        return
    status = answer.status_code
    why = f"{status} {_word(answer)}"
    if status in (429, 423):
        after = answer.headers.get("Retry-After", "")
        seconds = float(after) if after.isdigit() else PATIENCE_DEFAULT
        raise NotSent(f"HubSpot asks for patience: {why}", target_down=True, retry_after=seconds)
    if status >= 500 or status == 408:
        raise NotSent(f"HubSpot failed: {why}", target_down=True)
    raise NotSent(f"HubSpot refused: {why}", permanent=True, target_down=status in (401, 403))


def _word(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return answer.text[:200]
    return f"{body.get('category', '')}: {body.get('message', '')}"[:300] if isinstance(body, dict) else ""
