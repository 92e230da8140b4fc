"""HubSpot's CRM v3 as far as the write-back uses it: companies and their properties, errors in its own words."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from loopctl.catcher.faults import Fault
from loopctl.catcher.parts import Own, Parts
from loopctl.catcher.store import Caught, Store, wall_now

BASE = "/hubspot/crm/v3"
STANDARD = {"name", "domain", "industry", "description", "lifecyclestage", "hubspot_owner_id"}


def error(status: int, category: str, message: str, **more: Any) -> JSONResponse:
    """HubSpot's error body (developers.hubspot.com, "Error handling")."""
    body = {
        "status": "error",
        "message": message,
        "correlationId": str(uuid4()),
        "category": category,
        **more,
    }
    return JSONResponse(body, status_code=status)


def refused(fault: Fault) -> Response | None:
    if fault.kind == "rate_limited":
        answer = error(429, "RATE_LIMITS", "You have reached your secondly limit.", policyName="SECONDLY")
        answer.headers["Retry-After"] = str(fault.retry_after)
        return answer
    if fault.kind == "server_error":
        return Response("Internal Server Error", status_code=500)
    if fault.kind == "unauthorized":
        return error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
    if fault.kind == "missing_scope":
        return error(403, "MISSING_SCOPES", "This app hasn't been granted all required scopes.")
    if fault.kind == "rejected":
        return error(404, "OBJECT_NOT_FOUND", "Object not found. objectId are usually numeric.")
    return None


def wrong_value(definition: dict[str, Any], value: Any) -> str | None:
    """Why a value does not fit its property; None when it does. An empty text clears any property."""
    if value in ("", None):
        return None
    kind = definition.get("type")
    if kind == "number":
        try:
            float(value)
        except ValueError:
            return f"{value} was not a valid number."
    if kind == "enumeration" and value not in [option["value"] for option in definition.get("options", [])]:
        return f"{value} was not one of the allowed options"
    if kind == "bool" and value not in ("true", "false"):
        return f"{value} was not a valid boolean."
    return None


class Crm:
    """The object part of HubSpot, with the checks that make a wrong write-back visible."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def patch(self, company: str, properties: dict[str, Any]) -> Response:
        if not company.isdigit():
            return error(404, "OBJECT_NOT_FOUND", "Object not found. objectId are usually numeric.")
        known = self.store.property_names()
        faults = [
            {
                "isValid": False,
                "message": f'Property "{n}" does not exist',
                "error": "PROPERTY_DOESNT_EXIST",
                "name": n,
            }
            for n in properties
            if n not in known and n not in STANDARD
        ] or [
            {"isValid": False, "message": why, "error": "INVALID_VALUE", "name": n}
            for n, value in properties.items()
            if n in known and (why := wrong_value(known[n], value))
        ]
        if faults:
            return error(400, "VALIDATION_ERROR", f"Property values were not valid: {json.dumps(faults)}")
        before = self.store.company(company)
        kept = self.store.write_company(company, properties)
        changed = {n: [before.get(n), v] for n, v in properties.items() if before.get(n) != v}
        body = {"company_id": company, "properties": properties, "changed": changed}
        self.store.add(Caught("crm", f"company {company}", _headline(properties), body))
        return JSONResponse({"id": company, "properties": kept, "updatedAt": wall_now(), "archived": False})


def _headline(properties: dict[str, Any]) -> str:
    band, score = properties.get("csl_health_band"), properties.get("csl_health_score")
    return f"{band or 'written'} {score if score is not None else ''}".strip()


router = APIRouter()


async def gate(request: Request, own: Parts) -> Response | None:
    """The failure that was asked for, or a missing token; None when the request may go on."""
    fault = own.faults.take("crm", request.method)
    if fault and (answer := refused(fault)):
        return answer
    if fault:
        if fault.kind == "hang_after" and "company" in request.path_params and request.method == "PATCH":
            Crm(own.store).patch(request.path_params["company"], (await request.json())["properties"])
        await asyncio.sleep(fault.hang_seconds)
        return Response("timeout", status_code=504)
    if not request.headers.get("authorization", "").startswith("Bearer "):
        return error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
    return None


@router.patch(BASE + "/objects/companies/{company}")
async def patch(company: str, request: Request, own: Own) -> Response:
    if stopped := await gate(request, own):
        return stopped
    return Crm(own.store).patch(company, (await request.json()).get("properties", {}))


@router.get(BASE + "/objects/companies/{company}")
async def read(company: str, request: Request, own: Own) -> Response:
    if stopped := await gate(request, own):
        return stopped
    return JSONResponse({"id": company, "properties": own.store.company(company), "archived": False})


@router.post(BASE + "/properties/companies/groups")
async def add_group(request: Request, own: Own) -> Response:
    if stopped := await gate(request, own):
        return stopped
    return JSONResponse(await request.json(), status_code=201)


@router.post(BASE + "/properties/companies/batch/create")
async def add_properties(request: Request, own: Own) -> Response:
    if stopped := await gate(request, own):
        return stopped
    inputs = (await request.json())["inputs"]
    created = [definition for definition in inputs if own.store.define_property(definition)]
    if not created:
        return error(409, "OBJECT_ALREADY_EXISTS", "Properties exist already.")
    return JSONResponse({"status": "COMPLETE", "results": created}, status_code=201)


@router.patch(BASE + "/properties/companies/{name}")
async def change_property(name: str, request: Request, own: Own) -> Response:
    """As the portal does it: what is sent takes the place of what was there."""
    if stopped := await gate(request, own):
        return stopped
    changed = own.store.change_property(name, await request.json())
    if changed is None:
        return error(404, "OBJECT_NOT_FOUND", f"Property {name} does not exist.")
    return JSONResponse(changed)
