"""What `GET /v1/thresholds` answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from churn.domain import thresholds
from churn.domain.policy import Policy
from churn.domain.thresholds import Choice, Price, Worth
from churn.registry import Serving
from churn.repository.portfolio import Portfolio

BY_POINTS = (
    "No calibrated model is in service, so nothing can be said about precision or revenue at risk: `points` counts the"
    " clients from so many points of the scorecard's risk signs on. Train a model with `loop churn train`."
)
NOT_MEASURED = (
    "The model in service was stored without its curves: what thresholds would have done in its test is not known;"
    " train it again to see that."
)
NOT_PAID = "No client pays in {currency} as far as is known, so `costs` counts nobody; they pay in {known}."
POINTS = tuple(range(5, 101, 5))


class AmountView(BaseModel):
    """Integer minor units of one currency: like the contracts' money, but sums may be larger than any one of it."""

    amount: int
    currency: str


class FigureView(BaseModel):
    """A figure of the model's test with its 95 % interval; null where the test had nothing to count."""

    value: float | None
    low: float | None
    high: float | None


class NowView(BaseModel):
    """Who would be chosen of the clients there are now. Revenue is a month's, times each client's probability."""

    clients: int
    expected_precision: float | None
    """Share of them that leaves within the horizon, as the calibrated probabilities say."""
    flagged_revenue: list[AmountView]
    """Monthly revenue expected to leave with those chosen."""
    missed_revenue: list[AmountView]
    """Monthly revenue expected to leave with the others."""


class ThresholdView(BaseModel):
    """A probability from which clients would be flagged."""

    threshold: float
    alerts_per_week: float | None
    """New ones, by the test, for as many clients as there are now."""
    now: NowView
    precision: FigureView | None
    recall: FigureView | None


class CapacityView(BaseModel):
    """The riskiest so many of each CSM, named every week."""

    per_csm: int
    alerts_per_week: int
    """Named in a week now; many of them were named the week before too."""
    now: NowView
    precision: FigureView | None
    recall: FigureView | None


class PointsView(BaseModel):
    """Points of the scorecard from which clients would be flagged."""

    points: int
    clients: int


class WorthView(BaseModel):
    """Contacting everybody from a threshold on; null: whoever is expected to save more than the contact costs."""

    threshold: float | None
    contacts: int
    cost: AmountView
    saved: AmountView
    net: AmountView


class CostsView(BaseModel):
    """What contacting clients now costs and is expected to save, by threshold (0 is everybody)."""

    cost_of_contact: AmountView
    share_saved: float
    months: int
    curve: list[WorthView]
    best: WorthView
    client_by_client: WorthView


class ThresholdsView(BaseModel):
    """What each choice of a threshold or a capacity would mean."""

    in_service: str
    """Version of the model in service, or `scorecard`."""
    calibrated: bool
    note: str | None = None
    horizon_days: int
    threshold: float
    """The one in force."""
    per_csm: int
    """The capacity in force."""
    clients: int
    """With a calibrated probability now."""
    by_scorecard: int
    """Clients that the scorecard looks after."""
    thresholds: list[ThresholdView] = Field(default_factory=list)
    capacities: list[CapacityView] = Field(default_factory=list)
    costs: CostsView | None = None
    points: list[PointsView] | None = None


def thresholds_view(
    serving: Serving | None, portfolio: Portfolio, policy: Policy, price: Price | None
) -> ThresholdsView:
    """Measured figures come from the test of the model in service, all others from the clients there are now."""
    standing = portfolio.standing if serving else []
    told = ThresholdsView(
        in_service=serving.record.version if serving else "scorecard",
        calibrated=serving is not None,
        horizon_days=serving.record.horizon_days if serving else policy.horizon_days,
        threshold=policy.threshold,
        per_csm=policy.capacity.per_csm,
        clients=len(standing),
        by_scorecard=len(portfolio.points) + len(portfolio.standing) - len(standing),
    )
    if serving is None:
        told.note = BY_POINTS
        told.points = [PointsView(points=n, clients=sum(p >= n for p in portfolio.points)) for n in POINTS]
        return told
    curves = serving.record.metrics.get("curves") or {}
    told.note = None if curves else NOT_MEASURED
    told.thresholds = _thresholds(portfolio, curves)
    told.capacities = _capacities(portfolio, policy, curves)
    if price:
        told.costs = _costs(portfolio, price)
        told.note = _in_that_currency(portfolio, price) or told.note
    return told


def _in_that_currency(portfolio: Portfolio, price: Price) -> str | None:
    """What is wrong with the price's currency, if nobody pays in it."""
    known = sorted({one.currency for one in portfolio.standing if one.mrr and one.currency})
    if not known or price.currency in known:
        return None
    return NOT_PAID.format(currency=price.currency, known=" and ".join(known))


def _thresholds(portfolio: Portfolio, curves: Mapping[str, Any]) -> list[ThresholdView]:
    measured = {point["from"]: point for point in curves.get("thresholds", ())}
    scale = len(portfolio.standing) / curves["clients_a_moment"] if "clients_a_moment" in curves else None
    found = []
    choices = thresholds.by_threshold(portfolio.standing)
    for threshold, choice in zip(thresholds.THRESHOLDS, choices, strict=True):
        point = measured.get(threshold, {})
        new = point.get("new_a_week")
        found.append(
            ThresholdView(
                threshold=threshold,
                alerts_per_week=None if new is None or scale is None else round(new * scale, 2),
                now=_now(choice),
                precision=point.get("precision"),
                recall=point.get("recall"),
            )
        )
    return found


def _capacities(portfolio: Portfolio, policy: Policy, curves: Mapping[str, Any]) -> list[CapacityView]:
    number = len(portfolio.standing)
    found = []
    for nth, choice in enumerate(thresholds.by_capacity(portfolio.standing, policy.capacity), start=1):
        measured = thresholds.between(curves.get("capacity", ()), choice.clients / number) if number else None
        found.append(
            CapacityView(
                per_csm=nth,
                alerts_per_week=choice.clients,
                now=_now(choice),
                precision=(measured or {}).get("precision"),
                recall=(measured or {}).get("recall"),
            )
        )
    return found


def _costs(portfolio: Portfolio, price: Price) -> CostsView:
    curve, one_by_one = thresholds.costs(portfolio.standing, price)
    views = [_worth(worth, price) for worth in curve]
    return CostsView(
        cost_of_contact=AmountView(amount=price.cost_of_contact, currency=price.currency),
        share_saved=price.share_saved,
        months=price.months,
        curve=views,
        best=max(views, key=lambda view: view.net.amount),
        client_by_client=_worth(one_by_one, price),
    )


def _now(choice: Choice) -> NowView:
    precision = choice.expected_precision
    return NowView(
        clients=choice.clients,
        expected_precision=None if precision is None else round(precision, 4),
        flagged_revenue=_money(choice.flagged_revenue),
        missed_revenue=_money(choice.missed_revenue),
    )


def _worth(worth: Worth, price: Price) -> WorthView:
    cost, saved, net = (
        AmountView(amount=amount, currency=price.currency) for amount in (worth.cost, worth.saved, worth.net)
    )
    return WorthView(threshold=worth.threshold, contacts=worth.contacts, cost=cost, saved=saved, net=net)


def _money(amounts: Mapping[str, int]) -> list[AmountView]:
    return [AmountView(amount=amount, currency=currency) for currency, amount in amounts.items()]
