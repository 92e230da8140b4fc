"""Before and around the play: what it begins with, and the process that `loop up` keeps running."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime

from loopctl import playing
from loopctl.api import Api
from loopctl.console import say
from loopctl.demo import history, listening, progress, training
from loopctl.demo.play import Play
from loopctl.demo.population import PLAY, present
from loopctl.demo.tempo import stand_at
from loopctl.errors import Problem
from loopctl.stack import Stack

IMPORT_SECONDS = 120.0
HISTORY_FILE = "simulated-history.ndjson"


def prepare(stack: Stack, *, clients: int = progress.CLIENTS) -> progress.Progress:
    """Begin a new play: business time stands at its beginning, in the past, before the services look at it."""
    before = playing.state(stack)
    generation = int(before.get("generation", 0)) + 1
    wall = datetime.now(UTC)
    began = (wall - PLAY).replace(minute=0, second=0, microsecond=0)
    fresh = progress.Progress(
        generation=generation, clients=clients, began=began.isoformat(), wall_began=wall.isoformat()
    )
    stand_at(stack, began)
    playing.record(stack, state=playing.PLAYING, **asdict(fresh))
    return fresh


def play(stack: Stack) -> None:
    """Play from wherever it is; what the background process does. Raises Problem."""
    known = progress.load(stack)
    if not known.began:
        known = prepare(stack)
    if not known.offsets:
        known.offsets = asyncio.run(listening.ends(stack.bootstrap_servers))
        known.wall_began = datetime.now(UTC).isoformat()
        progress.save(stack, known)
    with ThreadPoolExecutor(1) as pool:
        trained = pool.submit(_train, stack, known)
        _import(stack, known)
        asyncio.run(Play(stack, known, trained.done).perform())
        _say_failure(trained)
    playing.record(stack, state=playing.DONE)


def _import(stack: Stack, known: progress.Progress) -> None:
    """The history of our own clients; importing it again would change nothing."""
    if known.imported:
        return
    world = present(known.world, known.began_at, known.clients)
    file = stack.folder / HISTORY_FILE
    lines = history.write(file, history.history_lines(world))
    ingest = Api(stack, "ingest", ["ingest:import"])
    answer = ingest.good(ingest.call("POST", "/v1/imports", content=file.read_bytes(), timeout=IMPORT_SECONDS)).json()
    if answer["refused"]:
        raise Problem(f"Lines of the demo's history were refused: {answer['not_taken'][:3]}", remedy="tell its authors")
    known.imported = True
    progress.save(stack, known)
    say(f"import   {lines:,} events of the past of {known.clients} clients; history never acts: no message was sent")


def _train(stack: Stack, known: progress.Progress) -> None:
    """The churn model, once; without it churn works with its points of risk signs."""
    if known.trained:
        return
    file = training.write_past(stack.folder, known.world, known.began_at)
    done = training.train(stack.folder, file)
    if done.returncode != 0:
        raise Problem(f"Training the demo's model failed: {done.stderr.strip() or done.stdout.strip()}",
                      remedy="look at `loop churn train --help`")  # fmt: skip
    known.trained = True
    progress.save(stack, known)
    say(f"churn    a model was trained on {training.FILE} [simulated data]")


def _say_failure(trained: Future[None]) -> None:
    error = trained.exception()
    if error is not None:
        say(f"churn    {error}")
