"""What knows the future is caught, with its name; what is honest passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import orjson
import pytest
from churn import dataset
from churn.adapters import event_file
from churn.dataset import Table, Wish
from churn.domain.columns import Column
from churn.domain.features import NAMES, extract
from churn.domain.history import MICRO, Happened, in_order, walk_of
from churn.domain.moments import DAY
from churn.learning import guards
from churn.learning.guards import LeakError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.churn_population import events_of, lines


def told(number: int) -> list[Happened]:
    content = [orjson.dumps(event) for event in events_of(number)]
    found = event_file.read(content, event_file.identities(content))
    return in_order(next(iter(found.clients.values())))


def honest(key: str, events: Sequence[Happened], moment: int) -> list[float]:
    state, track = walk_of(events, []).to(moment)
    return extract(state, track, moment)


def looks_ahead(key: str, events: Sequence[Happened], moment: int) -> list[float]:
    """One feature counts logins of the coming month."""
    values = honest(key, events, moment)
    month = range(moment * MICRO, (moment + 30 * DAY) * MICRO)
    values[NAMES.index("logins_level")] += sum(
        e.data["count"] for e in events if e.name == "logged_in" and e.time in month
    )
    return values


def knows_corrections(key: str, events: Sequence[Happened], moment: int) -> list[float]:
    """What happened before the moment counts although it was known only later."""
    return honest(key, [e._replace(known=min(e.known, e.time)) for e in events], moment)


def guard(events: list[Happened], moments: list[int], features: guards.Features) -> None:
    rows = {moment: row for moment in moments if (row := features("planted", events, moment)) is not None}
    assert rows
    guards.no_look_ahead("planted", events, rows, features, NAMES)


@settings(max_examples=20, deadline=None)
@given(number=st.integers(0, 300), share=st.floats(0.2, 0.95))
def test_honest_features_do_not_change_with_the_future(number: int, share: float):
    events = told(number)
    first, last = events[0].time // MICRO, events[-1].time // MICRO
    guard(events, [int(first + share * (last - first))], honest)


@pytest.mark.parametrize("leaky", [looks_ahead, knows_corrections])
def test_a_feature_that_looks_ahead_is_caught_with_its_name_and_client(leaky: guards.Features):
    events = told(4)
    moments = [events[0].time // MICRO + n * 28 * DAY for n in range(3, 12)]
    with pytest.raises(LeakError, match=r"logins_\w+ changes from .* \(client planted, 20"):
        guard(events, moments, leaky)


def test_a_row_that_only_the_future_makes_is_caught():
    events = told(4)

    def only_those_who_go_on(key: str, events: Sequence[Happened], moment: int) -> list[float] | None:
        return honest(key, events, moment) if events[-1].time > (moment + 30 * DAY) * MICRO else None

    with pytest.raises(LeakError, match="whether there is a row"):
        guard(events, [events[0].time // MICRO + 90 * DAY], only_those_who_go_on)


def test_building_a_table_looks_whether_its_scores_know_the_future():
    """Health scores that are worked out on the way are features, too."""
    content = b"\n".join(lines(6))

    def said(second: int, score: float) -> dict:
        at = np.datetime_as_string(np.datetime64(second, "s")) + "+00:00"
        return {"mode": "historic", "score": score, "band": "red", "model": "loop", "as_of": at}

    def fair(key: str, events: Sequence[Happened], until: int) -> list[dataset.Scored]:
        first = events[0].time // MICRO
        return [dataset.Scored(s * MICRO, said(s, 50)) for s in range(first, until, 7 * DAY)]

    def unfair(key: str, events: Sequence[Happened], until: int) -> list[dataset.Scored]:
        return [s._replace(data={**s.data, "score": float(len(events) % 100)}) for s in fair(key, events, until)]

    wish = Wish(workers=1, grid_days=28)
    assert dataset.build(content, None, wish, fair).guarded >= 6
    with pytest.raises(LeakError, match="health_score changes"):
        dataset.build(content, None, wish, unfair)


@pytest.fixture(scope="module")
def table() -> Table:
    return dataset.build(b"\n".join(lines(200)), None, Wish(workers=1, grid_days=28))


def with_column(table: Table, name: str, values: np.ndarray) -> Table:
    columns = (*table.columns, Column(name, "profile"))
    return replace(table, columns=columns, features=np.hstack([table.features, values[:, None]]))


def halves(table: Table) -> tuple[Table, Table]:
    early = table.moments < np.median(table.moments)
    return table.only(early), table.only(~early)


def test_an_honest_table_passes_all_guards(table: Table):
    guards.check(*halves(table))


def test_a_planted_column_that_knows_the_outcome_is_named(table: Table):
    rng = np.random.default_rng(3)
    leaked = table.left + rng.normal(0, 0.2, len(table))
    for planted in (leaked, -leaked):
        with pytest.raises(LeakError, match=r"^days_until_export alone tells who leaves"):
            guards.no_telltale(with_column(table, "days_until_export", planted))
    only_of_leavers = np.where(table.left > 0, rng.random(len(table)), np.nan)
    with pytest.raises(LeakError, match=r"^exit_survey alone tells"):
        guards.no_telltale(with_column(table, "exit_survey", only_of_leavers))
    guards.no_telltale(with_column(table, "noise", rng.random(len(table))))


def test_a_pipeline_that_sees_the_outcomes_it_is_tested_on_is_caught(table: Table):
    learned, test = halves(table)
    guards.nothing_from_shuffled(learned, test)

    def peeks(one: Table, other: Table) -> np.ndarray:
        return np.random.default_rng(1).normal(0, 1, len(other)) + other.left

    with pytest.raises(LeakError, match="shuffled outcomes are told apart"):
        guards.nothing_from_shuffled(learned, test, peeks)


def test_a_row_that_is_learned_from_and_tested_on_is_caught(table: Table):
    learned, test = halves(table)
    both = np.ones(len(table), dtype=np.bool_)
    guards.no_row_twice(learned, test)
    with pytest.raises(LeakError, match="rows are learned from and tested on"):
        guards.check(table.only(both), test)
