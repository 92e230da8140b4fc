"""Has every client of the third-party data a score or an honest `unknown`? `python -m tests.bench.dataset_scores`.

Without a stack the events of the converters go through `health.replay`, the code that scores history: every four weeks
of every client is looked at. With `--data DIR` a running stack is asked, into which they were imported (`loop import`):
every client's evaluation as it is read, and that nothing was parked or died on the way.

Of each evaluation is held: no score only where nothing at all is known; the band that its score has; `unknown` only in
place of the best band, and only for want of confidence or of a fresh essential part; no score for a part of which the
data has no facts. Results: `tests/bench/results/dataset_scores.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from churn.adapters import event_file
from churn.domain.history import MICRO, Happened, in_order
from common.settings import REPOSITORY_CONFIG
from health.book import Book
from health.domain.model import POINT, Model
from health.replay import replay, shipped_book
from loopctl.api import Api
from loopctl.stack import Stack

from tests.bench.datasets import fightchurn, oulad, ravenstack
from tests.bench.datasets.lines import Left

DATA = Path(__file__).parents[3] / "shared" / "data"
RESULTS = Path(__file__).parent / "results" / "dataset_scores.json"
EVERY_DAYS = 28
SHOWN_FAULTS = 10
MODULES: Mapping[str, Any] = {"fightchurn": fightchurn, "oulad": oulad, "ravenstack": ravenstack}
WITHOUT_FACTS: Mapping[str, frozenset[str]] = {
    "fightchurn": frozenset({"outcome", "relationship"}),
    "oulad": frozenset({"usage", "relationship"}),
    "ravenstack": frozenset({"outcome"}),
}
"""Parts of the model `loop` of which a data set says nothing: to be seen as absent, never as 0 or as good."""
NOTHING, CONFIDENCE, ESSENTIAL = "nothing is known", "too little confidence", "no fresh essential part"


def reason_of_unknown(evaluation: Mapping[str, Any], model: Model) -> str | None:
    """Why `unknown` is honest here; None if it is not."""
    if evaluation["score"] is None:
        return NOTHING
    if model.band(round(evaluation["score"] * POINT)) != model.best_band:
        return None
    if round(evaluation["confidence"] * 1000) < model.least_confidence:
        return CONFIDENCE
    essential = {part.name for part in model.components if part.essential}
    if any(part["name"] in essential and not _some_fresh(part) for part in evaluation["components"]):
        return ESSENTIAL
    return None


def _some_fresh(part: Mapping[str, Any]) -> bool:
    """A historic event says only whether all of it is fresh; a reading says it signal by signal."""
    signals = part.get("signals")
    return part["fresh"] if signals is None else any(signal["fresh"] for signal in signals)


def faults(evaluation: Mapping[str, Any], model: Model, without_facts: frozenset[str]) -> list[str]:
    """What is dishonest about an evaluation; nothing, one hopes."""
    score, band = evaluation["score"], evaluation["band"]
    parts = {part["name"]: part["score"] for part in evaluation["components"]}
    found = []
    if score is None and (band != "unknown" or any(own is not None for own in parts.values())):
        found.append(f"no score, but band {band} and parts {parts}")
    if score is not None and not min(known := [own for own in parts.values() if own is not None]) <= score <= max(
        known
    ):
        found.append(f"score {score} lies outside its parts {parts}")
    if band == "unknown" and reason_of_unknown(evaluation, model) is None:
        found.append(f"unknown without a reason: score {score}, confidence {evaluation['confidence']}")
    if band != "unknown" and score is not None and band != model.band(round(score * POINT)):
        found.append(f"score {score} is shown as {band}")
    if band == model.best_band and round(evaluation["confidence"] * 1000) < model.least_confidence:
        found.append(f"{band} with confidence {evaluation['confidence']}")
    if model.name == "loop":
        found += [f"a score of {parts[name]} for {name}, of which there are no facts"
                  for name in sorted(without_facts) if parts.get(name) is not None]  # fmt: skip
    return found


@dataclass
class Seen:
    """What was found of one data set."""

    clients: int = 0
    evaluations: int = 0
    bands: Counter[str] = field(default_factory=Counter)
    """Of all evaluations."""
    latest: Counter[str] = field(default_factory=Counter)
    """Of each client's latest one."""
    unknown: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    confidence: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    parts: Counter[str] = field(default_factory=Counter)
    """How often a part had a score."""
    unscored: list[str] = field(default_factory=list)
    """Clients without any evaluation."""
    faults: list[str] = field(default_factory=list)

    def add(self, client: str, evaluations: Iterable[Mapping[str, Any]], models: Models, data: str) -> None:
        last = None
        for last in evaluations:
            model = models[last["model"], last["model_version"]]
            self.evaluations += 1
            self.bands[last["band"]] += 1
            self.models[last["model"]] += 1
            self.confidence.append(last["confidence"])
            if last["score"] is not None:
                self.scores.append(last["score"])
            if last["band"] == "unknown":
                self.unknown[reason_of_unknown(last, model) or "?"] += 1
            self.parts.update(part["name"] for part in last["components"] if part["score"] is not None)
            self.faults += [f"{client} at {last['as_of']}: {f}" for f in faults(last, model, WITHOUT_FACTS[data])]
        self.clients += 1
        if last is None:
            self.unscored.append(client)
        else:
            self.latest[last["band"]] += 1

    def as_json(self) -> dict[str, Any]:
        total = max(1, self.evaluations)
        return {
            "clients": self.clients,
            "evaluations": self.evaluations,
            "latest_bands": dict(sorted(self.latest.items())),
            "bands": dict(sorted(self.bands.items())),
            "unknown_because": dict(sorted(self.unknown.items())),
            "models": dict(sorted(self.models.items())),
            "score": _quartiles(self.scores),
            "confidence": _quartiles(self.confidence),
            "share_with_a_score_for": {name: round(n / total, 3) for name, n in sorted(self.parts.items())},
            "clients_without_evaluation": len(self.unscored),
            "faults": len(self.faults),
        }


Models = Mapping[tuple[str, int], Model]


def _quartiles(values: list[float]) -> list[float]:
    """Least, lower quartile, median, upper quartile, most."""
    ordered = sorted(values)
    return (
        [round(ordered[round(share * (len(ordered) - 1))], 3) for share in (0, 0.25, 0.5, 0.75, 1)] if ordered else []
    )


def offline(data: str, folder: Path, book: Book, clients: int | None) -> Seen:
    """Every four weeks of every client, without a stack."""
    given = argparse.Namespace(clients=clients, until=None, raw=False, presentation=None)
    lines = [line.encode() for line in MODULES[data].convert(folder, given, Left())]
    found = event_file.read(lines, event_file.identities(lines))
    if found.refused:
        raise ValueError(f"{found.refused} lines of {data} were refused: {found.refusals}")
    models = {(model.name, model.version): model for model in book.models}
    seen, until = Seen(), found.newest // MICRO
    for client, events in sorted(found.clients.items()):
        seen.add(client, _history(in_order(events), book, client, until), models, data)
    return seen


def _history(events: Sequence[Happened], book: Book, client: str, until: int) -> Iterator[Mapping[str, Any]]:
    """Every four weeks; every day of a client that was here for less."""
    for days in (EVERY_DAYS, 1):
        told = False
        for _, data in replay(events, book, client, until=until, every_days=days):
            told = True
            yield data
        if told:
            return


async def online(stack: Stack, chosen: Sequence[str]) -> dict[str, Seen]:
    """What a running stack says of every client of these data sets, as it is read now."""
    connection = await asyncpg.connect(stack.owner_url)
    try:
        rows = await connection.fetch("SELECT DISTINCT client_id, source FROM ingest.refs WHERE kind = 'account'")
        waiting = await connection.fetchval("SELECT count(*) FROM health.clients WHERE baseline_due")
        parked = await connection.fetchval("SELECT count(*) FROM ingest.parked")
    finally:
        await connection.close()
    api = Api(stack, "health", ("health:read",))
    seen = {data: Seen() for data in chosen}
    models = _Published(api)
    for client, data in sorted((str(row["client_id"]), row["source"]) for row in rows):
        if data in seen:
            answer = api.call("GET", f"/v1/clients/{client}/health")
            seen[data].add(client, [api.good(answer).json()] if answer.status_code != 404 else [], models, data)
    if waiting or parked:
        next(iter(seen.values())).faults.append(
            f"{waiting} clients wait for their baseline, {parked} events are parked"
        )
    return seen


class _Published(dict[tuple[str, int], Model]):
    """Models of the stack, which are those of the shipped files while nobody published others."""

    def __init__(self, api: Api) -> None:
        shipped = {model.name: model for model in shipped_book(REPOSITORY_CONFIG).models}
        known = ((item["model"], item["version"]) for item in api.items("/v1/models") if item["active"])
        super().__init__({(name, version): shipped[name] for name, version in known})


def told(data: str, seen: Seen) -> str:
    """A few lines for people."""
    shown = seen.as_json()
    bands = ", ".join(f"{band} {count:,}" for band, count in shown["latest_bands"].items())
    lines = [
        f"{data:<11} {seen.clients:,} clients: {bands}" + (f", none {len(seen.unscored):,}" if seen.unscored else ""),
        f"            {seen.evaluations:,} evaluations: {shown['bands']}",
        f"            unknown for {shown['unknown_because'] or 'nothing'}",
        f"            score {shown['score']}, confidence {shown['confidence']}",
        f"            share of them with a score for {shown['share_with_a_score_for']}",
        *(f"            FAULT {fault}" for fault in seen.faults[:SHOWN_FAULTS]),
    ]
    return "\n".join(lines)


def main() -> int:
    """1 if a client has neither a score nor an honest `unknown`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("datasets", nargs="*", metavar="DATASET", help=", ".join(MODULES))
    parser.add_argument("--folder", type=Path, default=DATA, help="where the data sets' folders are")
    parser.add_argument("--clients", type=int, help="only so many of each")
    parser.add_argument("--data", type=Path, help="ask the stack that runs here")
    given = parser.parse_args()
    chosen = given.datasets or sorted(MODULES)
    if unknown := set(chosen) - set(MODULES):
        parser.error(f"no data set {', '.join(sorted(unknown))}")
    began = time.monotonic()
    if given.data:
        found = asyncio.run(online(Stack.at(given.data), chosen))
    else:
        book = shipped_book(REPOSITORY_CONFIG)
        found = {data: offline(data, given.folder / data, book, given.clients) for data in chosen}
    for data, seen in found.items():
        print(told(data, seen))
    print(f"took {time.monotonic() - began:.0f} s")
    if given.clients is None:
        keep("stack" if given.data else "replay", found)
    return int(any(seen.faults or not seen.clients for seen in found.values()))


def keep(mode: str, found: Mapping[str, Seen], results: Path = RESULTS) -> None:
    """Add to the results, data set by data set."""
    content = json.loads(results.read_text()) if results.exists() else {}
    at = datetime.now(UTC).isoformat(timespec="seconds")
    for data, seen in found.items():
        content.setdefault(mode, {})[data] = {"measured_at": at, **seen.as_json()}
    results.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
