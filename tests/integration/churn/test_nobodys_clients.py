"""Those that are no clients of anybody: test clients, and clients that were merged into another."""

from __future__ import annotations

from uuid import UUID

from tests.integration.churn.test_naming import LOW, MAYA, next_monday, raised
from tests.integration.churn.test_naming import naming as naming
from tests.support.churn_stack import ChurnStack
from tests.support.churn_told_model import becomes, clients_at


async def test_a_test_client_takes_no_place_among_the_riskiest_and_is_in_no_figure(naming: ChurnStack):
    """Its messages are held back, so a client that really is at risk would be told to nobody."""
    trial, *real = await clients_at(naming, MAYA, 0.5, 0.3, 0.2, 0.18, *LOW)
    await naming.say("client_updated", trial, test=True)
    await naming.assess()
    risk = await naming.risk(trial)
    assert (risk["model"], risk["probability"]) == ("scorecard", None), "no model has learned about test clients"
    await next_monday(naming)
    assert set(await raised(naming)) == set(real[:3])
    await becomes(naming, trial, 0.9)
    assert (await raised(naming)) == {}
    await naming.say("client_updated", trial, test=False)
    await naming.assess()
    assert (await naming.risk(trial))["probability"] == 0.9


async def test_a_client_that_was_merged_into_another_is_not_listed(naming: ChurnStack):
    one, other = await clients_at(naming, MAYA, 0.5, 0.3)
    pair = {"from_client_id": other, "into_client_id": one}
    for told in (one, other):
        await naming.say("clients_merged", told, **pair)
    await naming.assess()
    assert await listed(naming) == [str(one)]
    for told in (one, other):
        await naming.say("clients_unmerged", told, **pair)
    await naming.assess()
    assert await listed(naming) == [str(one), str(other)]


async def test_who_had_ended_before_anybody_looked_is_said_to_have_ended(churn: ChurnStack, client_id: UUID):
    await churn.say("contract_cancelled", client_id, effective_on="2026-06-01")
    await churn.assess()
    answer = await churn.get(f"/v1/clients/{client_id}/risk")
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"client {client_id} had ended (notice, 2026-03-02) before it was ever assessed"


async def listed(churn: ChurnStack) -> list[str]:
    return [str(UUID(item["client_id"])) for item in (await churn.get("/v1/risks")).json()["items"]]
