"""The converters on the real folders in ../shared/data: the clients, leavers and moments that its README counts."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
from ingest import forms

from tests.support.dataset_folders import MODULES, REAL, lines

EVERY = sorted(MODULES)
CHECKED = 97
"""Of uses, and of what else there are very many, each so manieth is put before ingest."""
HORIZON = timedelta(days=90)

pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason="the third-party data lies beside the checkout: ../shared/data"
)


@dataclass
class Printed:
    """What a data set's converter prints."""

    kinds: Counter[str] = field(default_factory=Counter)
    since: dict[str, datetime] = field(default_factory=dict)
    left: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)
    last: str = ""


@cache
def printed(data: str) -> Printed:
    found = Printed()
    for number, line in enumerate(lines(data, REAL / data)):
        kind = line[20 : line.index(".v1")]
        found.kinds[kind] += 1
        if kind in ("client_registered", "contract_cancelled"):
            event = json.loads(line)
            client, at = event["subject"].rpartition(":")[2], datetime.fromisoformat(event["time"])
            if kind == "client_registered":
                found.since[client] = at
            else:
                found.left.setdefault(client, []).append((at, event["data"]["reason"]))
        if kind not in ("usage_recorded", "milestone_planned", "milestone_completed") or number % CHECKED == 0:
            assert forms.read(json.loads(line), imported=True).source == data
            found.last = max(found.last, json.loads(line)["time"])
    return found


@pytest.mark.parametrize(("data", "clients"), [("fightchurn", 954), ("oulad", 19_127), ("ravenstack", 500)])
def test_every_account_is_a_client(data: str, clients: int) -> None:
    assert len(printed(data).since) == printed(data).kinds["client_registered"] == clients
    assert printed(data).left.keys() <= printed(data).since.keys()


def labels() -> Iterator[dict[str, str]]:
    with gzip.open(REAL / "fightchurn" / "churn_labels.csv.gz", "rt") as text:
        yield from csv.DictReader(text)


def test_who_leaves_fightchurn_is_who_its_labels_say() -> None:
    expected = {row["account_id"]: row["churn_date"] for row in labels() if row["churned"] == "1"}
    assert {client: at.date().isoformat() for client, [(at, _)] in printed("fightchurn").left.items()} == expected
    assert printed("fightchurn").last == "2024-01-01T00:00:00Z"


def rows(data: str, first: date, step: int, until: date, tenure: int) -> tuple[int, int]:
    """(moments of clients, of them with a departure in the horizon), as the README of the data counts them."""
    found, moments, left = printed(data), 0, 0
    moment = datetime.combine(first, datetime.min.time(), UTC)
    while moment.date() <= until:
        for client, since in found.since.items():
            end, why = found.left.get(client, [(datetime.max.replace(tzinfo=UTC), "")])[0]
            if since + timedelta(days=tenure) <= moment < end:
                moments += 1
                left += why != "completed" and end <= moment + HORIZON
        moment += timedelta(days=step)
    return moments, left


def test_fightchurn_has_the_moments_of_the_published_baselines() -> None:
    """3,377 moments, 2.4 % of which leave (every 28 days from 2022-01-01)."""
    moments, left = rows("fightchurn", date(2023, 4, 22), 28, date(2023, 10, 3), 30)
    assert (moments, round(100 * left / moments, 1)) == (3377, 2.4)


def test_oulad_has_the_moments_of_the_published_baselines() -> None:
    """125,357 moments, 5.95 %; some fewer, since who signs up after the start is none of ours before."""
    moments, left = rows("oulad", date(2014, 2, 15), 14, date(2014, 7, 1), 14)
    assert 125_357 - 100 < moments <= 125_357
    assert round(100 * left / moments, 2) == 5.95


def test_ravenstack_is_told_row_by_row() -> None:
    kinds = printed("ravenstack").kinds
    assert kinds["usage_recorded"] == 25_000
    assert (kinds["ticket_opened"], kinds["ticket_resolved"]) == (2_000, 2_000)
    assert kinds["subscription_changed"] == 5_000 + 486
    assert kinds["contract_cancelled"] == 600


def test_oulad_is_told_row_by_row() -> None:
    reasons = Counter(why for departures in printed("oulad").left.values() for _, why in departures)
    assert reasons == {"withdrawn": 4_133, "completed": 19_127 - 4_133}
    assert printed("oulad").kinds["milestone_completed"] == 117_714
