"""Words for tests about churn: bodies of client events, and the lives of a client that stays and one that leaves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from churn.domain import fold
from churn.domain.features import NAMES, View, extract
from churn.domain.health_track import HealthTrack
from churn.domain.moments import seconds
from churn.domain.state import State
from common.contracts import registry
from common.contracts.base import Data

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
USD = "USD"


def body_of(name: str, /, **data: Any) -> Data:
    """`body_of("logged_in", count=3)`"""
    return registry.body(f"csl.client.{name}.v1").model_validate(data)


def money(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": USD}


Told = tuple[str, dict[str, Any], datetime]


class Teller:
    """Tells events into a state, the way facts are folded."""

    def __init__(self) -> None:
        self.state = State()
        self.track = HealthTrack()
        self._nth = 0

    def tell(self, name: str, at: datetime = MONDAY, /, **data: Any) -> Teller:
        self._nth += 1
        fact = body_of(name, **data).fact()
        self.state = fold.apply(self.state, name, fact, seconds(at), f"event-{self._nth}")
        return self

    def tell_all(self, events: Iterator[Told] | list[Told]) -> Teller:
        for name, data, at in events:
            self.tell(name, at, **data)
        return self

    def features(self, at: datetime = MONDAY) -> dict[str, float]:
        return dict(zip(NAMES, extract(self.state, self.track, seconds(at)), strict=True))

    def view(self, at: datetime = MONDAY) -> View:
        return View(self.state, self.track, seconds(at))


def beginning(at: datetime) -> list[Told]:
    """A client comes, with a contract of a year, a subscription, a sponsor and a champion."""
    return [
        (
            "client_registered",
            {"name": "Northwind", "tier": "core", "refs": [], "seats": 20, "key_features": ["reports", "alerts"]},
            at,
        ),
        (
            "contract_signed",
            {"contract_id": "c-1", "starts_on": at.date().isoformat(), "mrr": money(500_000), "seats": 20},
            at,
        ),
        ("subscription_changed", {"subscription_id": "s-1", "mrr_after": money(500_000), "status": "active"}, at),
        ("contact_added", {"contact_id": "ada", "role": "sponsor"}, at),
        ("contact_added", {"contact_id": "ben", "role": "champion"}, at),
    ]


def weekly_life(start: datetime, weeks: int, *, logins: int = 34, mood: float = 0.4, first_week: int = 0) -> list[Told]:
    """Weeks of ordinary days: logins, usage of both features, a message that is friendly or not."""
    told: list[Told] = []
    for week in range(first_week, first_week + weeks):
        monday = start + timedelta(weeks=week)
        if logins:
            told.append(("logged_in", {"count": logins}, monday + timedelta(days=1)))
        for day, feature in ((2, "reports"), (3, "alerts")):
            if logins:
                told.append(
                    (
                        "usage_recorded",
                        {"feature": feature, "quantity": logins * 4, "active_users": min(20, logins // 2)},
                        monday + timedelta(days=day),
                    )
                )
        told.append(
            (
                "message_exchanged",
                {
                    "message_id": f"m-{week}",
                    "channel": "email",
                    "direction": "inbound",
                    "contact_id": "ada",
                    "reading": {"sentiment": mood, "words": 40},
                },
                monday + timedelta(days=4),
            )
        )
    return told


def turning_away(start: datetime, *, well: int = 24, badly: int = 4) -> list[Told]:
    """A client that is well for weeks and then loses its sponsor, its usage and its mood."""
    turn = start + timedelta(weeks=well)
    return [
        *beginning(start),
        *weekly_life(start, well),
        ("contact_left", {"contact_id": "ada", "role_before": "sponsor"}, turn),
        *weekly_life(start, badly, logins=6, mood=-0.6, first_week=well),
    ]
