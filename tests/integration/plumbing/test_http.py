"""The HTTP edge, on a small application of its own with a real database behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from common import migrations
from common.auth import Caller, make_token, public, requires
from common.clock import SystemClock
from common.db import Database, SessionDep
from common.errors import Conflict, NotFound, Refused, Unavailable
from common.http import Once, check_if_match, create_app, decode_cursor, encode_cursor, etag_of
from common.settings import LOCAL_JWT_SECRET, ServiceSettings
from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text

from tests.support.stack import TestStack

router = APIRouter()


class Thing(BaseModel):
    name: str


@router.post("/things", dependencies=[requires("things:write")])
async def make_thing(thing: Thing, session: SessionDep, once: Once, caller: Caller) -> Any:
    await session.execute(text("INSERT INTO things (name) VALUES (:name)"), {"name": thing.name})
    return await once.keep({"name": thing.name, "by": caller.subject}, 201)


@router.get("/errors/{kind}", dependencies=[public()])
async def fail(kind: str) -> None:
    raise {
        "refused": Refused("a thing needs a name", field="name"),
        "missing": NotFound("no such thing"),
        "conflict": Conflict("it is closed"),
        "busy": Unavailable("the queue is full", retry_after=7),
        "bug": RuntimeError("secret detail"),
    }[kind]


@router.put("/things/1", dependencies=[public()])
async def edit(request: Request) -> dict[str, str]:
    check_if_match(request, etag_of("thing", 1))
    return {"edited": "yes"}


@router.post("/fails-late", dependencies=[public()])
async def fails_late(session: SessionDep) -> dict[str, str]:
    await session.execute(text("INSERT INTO things (name) VALUES (NULL)"))
    return {"says": "2xx before the commit"}


@pytest.fixture
async def http(
    stack: TestStack, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(migrations, "head", lambda _service: "0001")
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE things (name text CHECK (name <> 'late'))"))
        await session.execute(
            text(
                "ALTER TABLE things ADD CONSTRAINT named UNIQUE NULLS NOT DISTINCT (name) DEFERRABLE INITIALLY DEFERRED"
            )
        )
        await session.execute(text("INSERT INTO things (name) VALUES (NULL)"))
    settings = ServiceSettings(database_url=stack.owner_url, kafka_bootstrap_servers="", body_limit_bytes=1000)
    app = create_app("plumbing", settings, database=database, clock=SystemClock(), routers=[router], title="Probe")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://probe") as made:
        yield made


def token(*scopes: str, subject: str = "ada", hours: float = 1, secret: str = LOCAL_JWT_SECRET) -> dict[str, str]:
    made = make_token(
        secret, subject=subject, scopes=list(scopes), audience="client-success-loop", clock=SystemClock(), hours=hours
    )
    return {"Authorization": f"Bearer {made}"}


WRITE = token("things:write")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        (token("things:write", hours=-1), 401),
        (token("things:write", secret="another secret of at least 32 bytes"), 401),
        (token("things:read"), 403),
        (WRITE, 201),
    ],
)
async def test_a_route_wants_a_good_token_with_its_scope(
    http: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    response = await http.post("/things", json={"name": "x"}, headers=headers)
    assert response.status_code == status
    if status != 201:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_an_unsigned_token_is_refused(http: httpx.AsyncClient) -> None:
    forged = jwt.encode({"sub": "eve", "scope": "things:write", "exp": 4e9}, key=None, algorithm="none")
    response = await http.post("/things", json={"name": "x"}, headers={"Authorization": f"Bearer {forged}"})
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("kind", "status"), [("refused", 422), ("missing", 404), ("conflict", 409), ("busy", 503), ("bug", 500)]
)
async def test_every_error_is_a_problem(http: httpx.AsyncClient, kind: str, status: int) -> None:
    response = await http.get(f"/errors/{kind}")
    body = response.json()
    assert (response.status_code, body["status"]) == (status, status)
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret detail" not in response.text
    if kind == "busy":
        assert response.headers["retry-after"] == "7"
    if kind == "refused":
        assert body["errors"] == [{"field": "name", "detail": "a thing needs a name"}]


async def test_a_wrong_body_names_its_fields(http: httpx.AsyncClient) -> None:
    response = await http.post("/things", json={"nom": 1}, headers=WRITE)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "name"


async def test_a_failed_commit_is_no_success(http: httpx.AsyncClient) -> None:
    response = await http.post("/fails-late")
    assert response.status_code == 500


async def test_a_body_over_the_limit_is_413_declared_or_not(http: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 100

    assert (await http.post("/things", content=b"x" * 2000, headers=WRITE)).status_code == 413
    assert (await http.post("/things", content=chunks(), headers=WRITE)).status_code == 413


async def test_the_same_key_has_one_effect_and_one_answer(http: httpx.AsyncClient, database: Database) -> None:
    headers = {**WRITE, "Idempotency-Key": "k1"}
    answers = await asyncio.gather(*[http.post("/things", json={"name": "once"}, headers=headers) for _ in range(5)])
    assert {a.status_code for a in answers} == {201}
    assert {a.text for a in answers} == {answers[0].text}
    assert sum("idempotency-replayed" in a.headers for a in answers) == 4
    async with database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM things WHERE name = 'once'")) == 1
    other = await http.post("/things", json={"name": "twice"}, headers=headers)
    assert other.status_code == 422


async def test_a_failed_call_does_not_use_up_its_key(http: httpx.AsyncClient) -> None:
    headers = {**WRITE, "Idempotency-Key": "k2"}
    assert (await http.post("/things", json={"name": "late"}, headers=headers)).status_code == 500
    assert (await http.post("/things", json={"name": "good"}, headers={**headers})).status_code == 201


async def test_two_callers_may_choose_the_same_key(http: httpx.AsyncClient) -> None:
    for subject in ("ada", "bob"):
        headers = {**token("things:write", subject=subject), "Idempotency-Key": "shared"}
        response = await http.post("/things", json={"name": subject}, headers=headers)
        assert response.json()["by"] == subject


async def test_nobody_overwrites_what_they_have_not_seen(http: httpx.AsyncClient) -> None:
    assert (await http.put("/things/1", headers={"If-Match": '"old"'})).status_code == 412
    assert (await http.put("/things/1", headers={"If-Match": etag_of("thing", 1)})).status_code == 200


def test_a_cursor_comes_back_as_it_was_and_a_forged_one_is_refused() -> None:
    assert decode_cursor(encode_cursor({"name": "ä", "id": 3}), "name", "id") == {"name": "ä", "id": 3}
    for forged in ("", "%%%", "bm90IGpzb24", encode_cursor({"other": 1})):
        with pytest.raises(Refused):
            decode_cursor(forged, "name", "id")


async def test_operations(http: httpx.AsyncClient, database: Database) -> None:
    assert (await http.get("/healthz")).json() == {"status": "alive"}
    waiting = await http.get("/readyz")
    assert waiting.status_code == 503
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE alembic_version (version_num text)"))
        await session.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
    ready = await http.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    await http.get("/errors/missing")
    exported = (await http.get("/metrics")).text
    assert 'csl_request_seconds_count{method="GET",route="/errors/{kind}",service="plumbing",status="404"}' in exported


async def test_every_answer_carries_a_request_id(http: httpx.AsyncClient) -> None:
    assert (await http.get("/healthz", headers={"X-Request-ID": "abc"})).headers["x-request-id"] == "abc"
    assert len((await http.get("/nowhere")).headers["x-request-id"]) == 36
