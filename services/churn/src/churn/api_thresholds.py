"""HTTP about where to draw the line: what each threshold and capacity would mean."""

from __future__ import annotations

from typing import Annotated

from common.auth import requires
from common.contracts.errors import Refused
from common.db import SessionDep
from fastapi import APIRouter, Query, Request

from churn import views_thresholds
from churn.domain.policy import Policy
from churn.domain.thresholds import Price, most_used
from churn.registry import Registry
from churn.repository import portfolio
from churn.repository.portfolio import Portfolio

router = APIRouter(prefix="/v1")
READ = requires("churn:read")
LARGEST_COST = 10**9


@router.get("/thresholds", dependencies=[READ], tags=["decisions"])
async def get_thresholds(
    request: Request,
    session: SessionDep,
    cost_of_contact: Annotated[int | None, Query(ge=0, le=LARGEST_COST, examples=[15000])] = None,
    share_saved: Annotated[float | None, Query(gt=0, le=1, allow_inf_nan=False, examples=[0.25])] = None,
    months: Annotated[int, Query(ge=1, le=120)] = 12,
    currency: Annotated[str | None, Query(pattern=r"^[A-Z]{3}$", examples=["EUR"])] = None,
) -> views_thresholds.ThresholdsView:
    """For each threshold, and for each number of clients a CSM and week: alerts, precision, revenue that is missed.

    With `cost_of_contact` (minor units of `currency`, by default that of most clients) and `share_saved` (of the
    leavers that are contacted) also what contacting costs and saves, over the `months` that a saved client stays.
    """
    registry: Registry = request.app.state.registry
    policy: Policy = request.app.state.policy
    serving = await registry.current(session)
    clients = await portfolio.read(session)
    price = _price(clients, cost_of_contact, share_saved, months, currency)
    return views_thresholds.thresholds_view(serving, clients, policy, price)


def _price(
    clients: Portfolio, cost_of_contact: int | None, share_saved: float | None, months: int, currency: str | None
) -> Price | None:
    """Raises Refused for half of one: neither a cost nor a share says anything alone."""
    if cost_of_contact is None and share_saved is None:
        return None
    if cost_of_contact is None:
        raise Refused("needed together with share_saved", field="cost_of_contact")
    if share_saved is None:
        raise Refused("needed together with cost_of_contact", field="share_saved")
    currency = currency or most_used(clients.standing)
    return None if currency is None else Price(cost_of_contact, share_saved, currency, months)
