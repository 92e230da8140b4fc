"""`make bench`: how fast churn is: in bulk, for one client, from Kafka to what it says, and at training.

Parts (`--only bulk,one,kafka,train`), each for two kinds of clients, since what is known of a client decides what it
costs: `whole` are those of the demo's simulated past, with two years of use several days a week, tickets, messages,
surveys, meetings, invoices, milestones and a health score for each of the last days; `thin` ones have one sum of logins
and of use a week, a sponsor and a contract, and no health.

Bulk and one begin at loaded states and end with reasons in sentences; the baseline is XGBoost alone, `predict` and
`pred_contribs` on a matrix that is there already. `kafka` is real processes on a real database: one event a client on
the topic, until every client's assessment is on its topic. Results go to `tests/bench/results/churn_speed.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import numpy as np
from churn import dataset, service, training
from churn.adapters import event_file, risk_model, scorers
from churn.adapters.policy_files import load_policy
from churn.adapters.risk_model import RiskModel
from churn.dataset import Replay, Table, Wish
from churn.domain import features
from churn.domain.columns import Column
from churn.domain.features import View
from churn.domain.health_track import HealthTrack
from churn.domain.history import MICRO, Happened, eligible, in_order, walk_of
from churn.domain.labels import Rules
from churn.domain.moments import DAY
from churn.domain.policy import Policy
from churn.domain.reasons import CODES, explain
from churn.domain.state import State
from churn.learning import fitting, windows
from churn.repository.risks import HealthDay
from common.clock import SystemClock
from common.contracts import client, registry
from common.contracts.base import Event
from common.contracts.ids import derived_id
from common.db import Database
from common.process import GC_YOUNG
from common.settings import REPOSITORY_CONFIG
from loopctl.demo import history
from loopctl.demo.population import past
from loopctl.demo.training import reader
from loopctl.health_commands import training_replay

from tests.bench import health_events, machine
from tests.bench.health_speed import ask, running, serves
from tests.support import churn_population
from tests.support.stack import TestStack, private_stack

RESULTS = Path(__file__).parent / "results" / "churn_speed.json"
PARTS = ("bulk", "one", "train", "kafka")
CLIENTS = 500
UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
BULK = 20_000
WORKERS = 2
AT_ONCE = 500
ONE_BY_ONE = 3_000
TRAIN_ROWS, TRAIN_COLUMNS, TRAIN_CLIENTS = 100_000, 50, 8_000
KAFKA_CLIENTS = 10_000
REPLICAS = 2
TEMPLATES = 100
"""Clients whose history is told in whole; the others are their copies."""
PATIENCE = 120.0


class Client(NamedTuple):
    """One client with what is known of it."""

    state: State
    track: HealthTrack
    events: list[Happened]


@dataclass(frozen=True)
class World:
    """Clients with loaded states, the model in service, and the moment."""

    clients: Sequence[Client]
    model: RiskModel
    policy: Policy
    moment: int
    trained: training.Trained


def whole() -> World:
    """Clients of the demo's past, and a model trained on them as the demo's is."""
    lines = list(history.training_lines(past("bench", UNTIL), reader()))
    return _world(lines, Wish(grid_days=28, workers=WORKERS), int(UNTIL.timestamp()), health=True)


def thin() -> World:
    """Clients of whom little is known: the planted population of the tests."""
    lines = [line + b"\n" for line in churn_population.lines(1_000)]
    end = churn_population.FIRST + timedelta(weeks=churn_population.WEEKS)
    return _world(lines, Wish(workers=WORKERS), int(end.timestamp()), health=False)


KINDS = {"whole": whole, "thin": thin}


def _world(lines: Sequence[bytes], wish: Wish, moment: int, *, health: bool) -> World:
    table = dataset.build(b"".join(lines), None, wish, training_replay(7) if health else None)
    trained = training.train(table, wish, training.SIMULATED)
    found = event_file.read(lines, event_file.identities(lines))
    clients = islice(_present(found.clients, moment, wish.rules, training_replay(1) if health else None), CLIENTS)
    model = risk_model.unpack(trained.stored)
    return World(list(clients), model, load_policy(REPOSITORY_CONFIG), moment, trained)


def _present(known: Mapping[str, list[Happened]], moment: int, rules: Rules, daily: Replay | None) -> Iterator[Client]:
    """Those of whom a model speaks, with the health of each of their days."""
    for key, events in known.items():
        ordered = in_order(events)
        state, track = walk_of(ordered, ()).to(moment)
        if eligible(state, moment, rules):
            if daily is not None:
                state, track = walk_of(ordered, list(daily(key, ordered, moment))).to(moment)
            yield Client(state, track, ordered)


def assess(made: World, clients: Sequence[Client]) -> int:
    """Features, calibrated probabilities, contributions by reason and their sentences; how many sentences."""
    views = [View(client.state, client.track, made.moment) for client in clients]
    rows = [features.values(view) for view in views]
    said = made.model.predict(rows)
    return sum(
        len(explain(dict(zip(CODES, groups, strict=True)), row, view, made.policy))
        for view, row, groups in zip(views, rows, said.groups.tolist(), strict=True)
    )


_SHARED: list[Any] = []


def _half(part: int) -> int:
    (made,) = _SHARED
    mine = made.clients[part::WORKERS]
    done = 0
    while done < BULK // WORKERS:
        assess(made, (list(mine) * (1 + AT_ONCE // len(mine)))[:AT_ONCE])
        done += AT_ONCE
    return done


def bulk(made: World) -> dict[str, Any]:
    """Clients a second on two cores, and how much of one core's time is XGBoost's."""
    _SHARED[:] = [made]
    gc.freeze()  # what every process of ours does once it has started
    gc.set_threshold(GC_YOUNG, *gc.get_threshold()[1:])
    with multiprocessing.get_context("fork").Pool(WORKERS) as pool:
        pool.map(_ready, range(WORKERS))
        began = time.perf_counter()
        done = sum(pool.map(_half, range(WORKERS), chunksize=1))
        seconds = time.perf_counter() - began
    rows = np.asarray(_features(made))
    ours = _microseconds(lambda: assess(made, made.clients), len(made.clients))
    plain = _microseconds(lambda: _plain(made.model, rows), len(rows))
    counted = _microseconds(lambda: _features(made), len(rows))
    scored = _microseconds(lambda: made.model.predict(rows), len(rows))
    return {
        "clients": done,
        "processes": WORKERS,
        "clients_per_second": round(done / seconds),
        "microseconds_a_client_one_core": ours,
        "of_that": {"features": counted, "score_and_codes": scored, "sentences": round(ours - counted - scored, 1)},
        "plain_xgboost_microseconds_a_client": plain,
        "ratio_to_plain": round(ours / plain, 2),
        "model": made.trained.metrics["model"],
    }


def _features(made: World) -> list[list[float]]:
    return [features.values(View(client.state, client.track, made.moment)) for client in made.clients]


def _ready(_: int) -> None:
    time.sleep(0.1)  # so that each process gets one: workers are started before the clock


def _plain(model: RiskModel, rows: scorers.Floats) -> None:
    """`predict` and `pred_contribs`, nothing else."""
    for part in getattr(model.scorer, "parts", (model.scorer,)):
        part.margins(rows)
        part.contributions(rows)


def _microseconds(work: Callable[[], object], things: int, rounds: int = 5) -> float:
    work()
    began = time.process_time()
    for _ in range(rounds):
        work()
    return round((time.process_time() - began) / rounds / things * 1e6, 1)


def one(made: World) -> dict[str, Any]:
    """One client at a time, as for a request."""
    took = []
    for nth in range(ONE_BY_ONE):
        began = time.perf_counter()
        assess(made, [made.clients[nth % len(made.clients)]])
        took.append(time.perf_counter() - began)
    ordered = sorted(took)
    return {f"p{q}_ms": round(ordered[int(q / 100 * len(ordered))] * 1e3, 3) for q in (50, 95, 99)}


def train() -> dict[str, Any]:
    """The whole of a training on a table of noise and five columns that tell: search, calibration, test, gate."""
    rng = np.random.default_rng(scorers.SEED)
    values = rng.normal(size=(TRAIN_ROWS, TRAIN_COLUMNS))
    values[rng.random(values.shape) < 0.1] = np.nan
    risk = -3.3 + np.nan_to_num(values[:, :5]) @ np.array([0.8, 0.6, 0.5, 0.4, 0.3])
    left = (rng.random(TRAIN_ROWS) < 1 / (1 + np.exp(-risk))).astype(np.float64)
    clients = np.sort(rng.integers(0, TRAIN_CLIENTS, TRAIN_ROWS)).astype(str)
    moments = rng.integers(0, 52, TRAIN_ROWS) * 7 * DAY + 19_000 * DAY
    columns = tuple(Column(f"c{nth}", f"c{nth}") for nth in range(TRAIN_COLUMNS))
    table = Table(clients, moments, left, values, columns, left_at=(moments + 30 * DAY) * left.astype(np.int64))
    began = time.perf_counter()
    fitted = fitting.fit(table)
    seconds = time.perf_counter() - began
    times = windows.chosen(table)
    return {
        "rows": TRAIN_ROWS,
        "columns": TRAIN_COLUMNS,
        "leavers_rows": int(left.sum()),
        "seconds": round(seconds, 1),
        "model": fitted.name,
        "test_rows": int(times.test(table).sum()),
    }


def kafka(made: World) -> dict[str, Any]:
    """One event a client on Kafka: fold, load, features, score, write, publish."""
    with private_stack() as stack:
        stack.service_database("churn")
        about = asyncio.run(machine.facts(stack.stack))
        return {**asyncio.run(_kafka(stack, made)), "machine": about}


async def _kafka(stack: TestStack, made: World) -> dict[str, Any]:
    database = Database(stack.url("churn"), schema="churn")
    await _clients(made, database, SystemClock())
    await _in_service(database, made)
    ids = await _multiplied(stack)
    await database.close()
    with ExitStack() as running_ones:
        for _ in range(REPLICAS):
            process = running_ones.enter_context(running(stack, "churn.main", "all", service="churn"))
            await serves(process.port)
        await _until(stack, "SELECT EXISTS (SELECT 1 FROM churn.model_checks)")  # the look of the day is over
        before = int(await ask(stack, "SELECT coalesce(sum(assessments), 0) FROM churn.risks"))
        await _publish(stack, ids)
        began = time.monotonic()
        await _until(
            stack,
            f"SELECT sum(assessments) >= {before + len(ids)} AND NOT EXISTS (SELECT 1 FROM churn.outbox_unsent)"
            " FROM churn.risks",
        )
        seconds = time.monotonic() - began
    return {
        "clients": len(ids),
        "processes": REPLICAS,
        "seconds": round(seconds, 1),
        "clients_per_second": round(len(ids) / seconds),
    }


async def _clients(made: World, database: Any, clock: Any) -> None:
    """A hundred clients with a history up to an hour ago, as the consumer would have left them."""
    from churn.handlers import Handlers, consumer
    from churn.outcomes import Outcomes
    from churn.repository import risks
    from common import inbox
    from common.dispatch import Batch

    outcomes = Outcomes(load_policy(REPOSITORY_CONFIG).rules)
    keep, handlers = consumer(clock, outcomes).keep, Handlers(clock, outcomes)
    shift = datetime.now(UTC) - timedelta(hours=1) - datetime.fromtimestamp(made.moment, UTC)
    for nth, one_client in enumerate(made.clients[:TEMPLATES]):
        client_id = derived_id("bench", nth)
        events = [_event(happened, client_id, shift) for happened in one_client.events]
        async with database.transaction() as session:
            fresh = await inbox.take(session, events, keep=keep)
            await handlers.client_events(Batch(fresh, clock.now()), session)
            await risks.add_health(session, [_later(client_id, row, shift) for row in one_client.track.days.values()])


def _event(told: Happened, client_id: UUID, shift: timedelta) -> Event[Any]:
    name = f"csl.client.{told.name}.v1"
    at = datetime.fromtimestamp(told.time / MICRO, UTC) + shift
    return Event.of(registry.body(name).model_validate(told.data), id=derived_id("bench", client_id, told.id),
                    source="csl/ingest/bench", subject=client_id, time=at)  # fmt: skip


def _later(client_id: UUID, row: Sequence[Any], shift: timedelta) -> HealthDay:
    at = row[0] + int(shift.total_seconds())
    return HealthDay(client_id, at // DAY, [at, *row[1:]])


async def _in_service(database: Any, made: World) -> None:
    offer = training.offer(made.trained)
    now = datetime.now(UTC)
    async with database.transaction() as session:
        record, _ = await service.register(session, service.Offered(**{**offer, "features": tuple(offer["features"])}),
                                           by="bench", now=now)  # fmt: skip
        await service.promote(session, record.model_id, by="bench", reason="measured", now=now)


async def _multiplied(stack: TestStack) -> list[UUID]:
    """Copies of them under new ids: states and rows, without their facts; nothing is due."""
    connection = await asyncpg.connect(stack.owner_url)
    await connection.execute("SET search_path = churn")
    times = KAFKA_CLIENTS // TEMPLATES
    await connection.execute(
        "CREATE TEMP TABLE twins AS SELECT gen_random_uuid() AS twin, client_id"
        f" FROM risks, generate_series(1, {times - 1})"
    )
    for table in ("risks", "states", "health_days"):
        columns = await connection.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'churn' AND table_name = $1"
            " AND column_name <> 'client_id' ORDER BY ordinal_position",
            table,
        )
        names = ", ".join(f'"{row["column_name"]}"' for row in columns)
        await connection.execute(
            f"INSERT INTO {table} (client_id, {names})"
            f" SELECT t.twin, {names} FROM twins t JOIN {table} USING (client_id)"
        )
    await connection.execute("UPDATE risks SET due_on = current_date + 1")
    for table in ("risks", "states", "health_days", "facts"):
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    ids = [row["client_id"] for row in await connection.fetch("SELECT client_id FROM risks ORDER BY client_id")]
    await connection.close()
    return ids


async def _publish(stack: TestStack, ids: Sequence[UUID]) -> None:
    now = datetime.now(UTC)
    events = (
        Event.of(client.LoggedIn(contact_id="ada", count=3), id=derived_id("bench", "now", client_id),
                 source="csl/ingest/bench", subject=client_id, time=now)
        for client_id in ids
    )  # fmt: skip
    await health_events.publish(stack.kafka_servers, events)


async def _until(stack: TestStack, true: str) -> None:
    """Until a statement says true."""
    deadline = time.monotonic() + PATIENCE
    while not await ask(stack, true):
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {PATIENCE:.0f} s: {true}")
        await asyncio.sleep(0.1)


def _tell(results: dict[str, Any], part: str, found: dict[str, Any]) -> None:
    results[part] = found
    sys.stdout.write(f"{part}: {json.dumps(found)}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS))
    wanted = parser.parse_args().only.split(",")
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if "train" in wanted:
        _tell(results, "train", train())
    parts = {name: part for name, part in {"bulk": bulk, "one": one, "kafka": kafka}.items() if name in wanted}
    for kind, world in KINDS.items() if parts else ():
        made = world()
        for name, part in parts.items():
            _tell(results, name, {**results.get(name, {}), kind: part(made)})
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
