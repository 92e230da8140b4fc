"""Secrets of sources: sealed at rest, two in force while one follows the other, in every replica."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from ingest.adapters.sealing import Sealed
from loopctl.signing import SIGNERS

from tests.integration.ingest.conftest import SECRET, Ingest, settings_for, start, stop

ADMIN = ["ingest:admin", "ingest:read"]
PATH = "/v1/sources/stripe/secrets"
NEW, NEWER = "whsec_" + "n" * 24, "whsec_" + "m" * 24


async def rotate(ingest: Ingest, secret: str) -> Any:
    return await ingest.call("POST", PATH, json={"secret": secret}, scopes=ADMIN)


async def post_signed(ingest: Ingest, secret: str) -> int:
    """A Stripe event of its own, signed with this secret."""
    body = json.dumps({"id": f"evt_{uuid4().hex}", "type": "balance.available", "data": {"object": {}}}).encode()
    path = "/v1/webhooks/stripe"
    headers = SIGNERS["stripe"](secret, f"http://ingest.test{path}", body, ingest.clock.wall())
    return (await ingest.http.post(path, content=body, headers=headers)).status_code


async def taken(ingest: Ingest) -> list[bool]:
    """Whether posts signed with the environment's secret, the new one and the newer one are taken."""
    return [await post_signed(ingest, secret) == 202 for secret in (SECRET, NEW, NEWER)]


async def test_the_old_secret_holds_until_it_is_retired(ingest: Ingest) -> None:
    assert await taken(ingest) == [True, False, False]
    answer = await rotate(ingest, NEW)
    assert answer.status_code == 200, answer.text
    assert await taken(ingest) == [True, True, False]
    _, old = answer.json()["secrets"]
    retired = await ingest.call("DELETE", f"{PATH}/{old['id']}", scopes=ADMIN)
    assert retired.status_code == 200, retired.text
    assert await taken(ingest) == [False, True, False]
    assert [row["retired_by"] for row in retired.json()["items"]] == [None, "maya"]


async def test_of_three_the_oldest_goes(ingest: Ingest) -> None:
    await rotate(ingest, NEW)
    ingest.clock.advance(timedelta(minutes=1))
    rows = (await rotate(ingest, NEWER)).json()["secrets"]
    assert await taken(ingest) == [False, True, True]
    assert [row["retired_at"] is None for row in rows] == [True, True, False]


async def test_it_is_written_down_who_did_what_when_and_never_what_it_was(ingest: Ingest) -> None:
    answer = await rotate(ingest, NEW)
    listed = await ingest.call("GET", PATH)
    told = answer.text + listed.text + str(await ingest.rows("SELECT * FROM source_secrets"))
    assert NEW not in told
    assert SECRET not in told
    assert [row["added_by"] for row in listed.json()["items"]] == ["maya", "INGEST_WEBHOOK_SECRETS"]
    assert listed.json()["items"][0]["added_at"] == ingest.clock.now().isoformat().replace("+00:00", "Z")


async def test_a_retired_secret_is_not_kept_even_sealed(ingest: Ingest) -> None:
    old = (await rotate(ingest, NEW)).json()["secrets"][1]
    for _ in range(2):
        assert (await ingest.call("DELETE", f"{PATH}/{old['id']}", scopes=ADMIN)).status_code == 200
    rows = await ingest.rows("SELECT id, sealed FROM source_secrets ORDER BY retired_at NULLS FIRST")
    assert [row.sealed is None for row in rows] == [False, True]


async def test_the_same_secret_again_changes_nothing(ingest: Ingest) -> None:
    assert (await rotate(ingest, NEW)).json()["added"] is True
    again = (await rotate(ingest, NEW)).json()
    assert again["added"] is False
    assert len(again["secrets"]) == 2
    assert (await rotate(ingest, SECRET)).json()["added"] is False


async def test_the_only_secret_cannot_be_retired(ingest: Ingest) -> None:
    newest, old = (await rotate(ingest, NEW)).json()["secrets"]
    await ingest.call("DELETE", f"{PATH}/{old['id']}", scopes=ADMIN)
    assert (await ingest.call("DELETE", f"{PATH}/{newest['id']}", scopes=ADMIN)).status_code == 409
    assert (await ingest.call("DELETE", f"{PATH}/{uuid4()}", scopes=ADMIN)).status_code == 404


@pytest.mark.parametrize("wrong", ["short", " " + NEW, "line\nbreak-secret", 7, None, "\ud800" * 10])
async def test_what_cannot_be_a_secret_is_refused_without_being_repeated(ingest: Ingest, wrong: Any) -> None:
    body = json.dumps({"secret": wrong}).encode()
    answer = await ingest.call("POST", PATH, content=body, headers={"content-type": "application/json"}, scopes=ADMIN)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "secret"
    assert str(wrong) not in answer.text or wrong is None
    assert await ingest.count("source_secrets") == 0


async def test_only_who_may_administer_rotates(ingest: Ingest) -> None:
    answer = await ingest.call("POST", PATH, json={"secret": NEW}, scopes=["ingest:write"])
    assert answer.status_code == 403
    unknown = await ingest.call("POST", "/v1/sources/nobody/secrets", json={"secret": NEW}, scopes=ADMIN)
    assert unknown.status_code == 404


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
async def url(service_database: Callable[[str], str]) -> str:
    return await asyncio.to_thread(service_database, "ingest")


async def test_a_rotation_reaches_the_other_replica_and_outlives_all_of_them(url: str) -> None:
    first, second = await start(url), await start(url)
    try:
        await rotate(first, NEW)
        assert await taken(second) == [True, False, False]
        await second.service.app.state.ingest.secrets.look()
        assert await taken(second) == [True, True, False]
        old = (await first.call("GET", PATH)).json()["items"][1]
        await first.call("DELETE", f"{PATH}/{old['id']}", scopes=ADMIN)
    finally:
        await stop(first)
        await stop(second)
    third = await start(url)
    try:
        await third.service.on_start[0]()
        assert await taken(third) == [False, True, False], "what is stored counts alone; the environment is over"
    finally:
        await stop(third)


async def test_the_key_is_rotated_by_starting_with_two_and_then_with_the_new_one(url: str) -> None:
    old, new = key(), key()

    async def started(keys: str) -> Ingest:
        own = await start(url, **settings_for(url, secrets_key=keys).model_dump(include={"secrets_key"}))
        await own.service.on_start[0]()
        return own

    for nth, keys in enumerate((old, f"{new},{old}", new)):
        own = await started(keys)
        try:
            if nth == 0:
                await rotate(own, NEW)
            assert await taken(own) == [True, True, False]
        finally:
            await stop(own)
    with pytest.raises(Sealed, match="INGEST_SECRETS_KEY does not open the stored secret of stripe"):
        await started(key())
