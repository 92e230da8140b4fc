"""Before and around the play: what it begins with, and the process that `loop up` keeps running."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict

from common.clock import SystemClock

from loopctl import playing
from loopctl.api import Api
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
    wall = SystemClock().wall()
    began = (wall - PLAY).replace(minute=0, second=0, microsecond=0)
    fresh = progress.Progress(
        generation=generation, clients=clients, began=began.isoformat(), wall_began=wall.isoformat()
    )
    stand_at(stack, began)
    playing.record(stack, state=playing.PLAYING, **asdict(fresh))
    (stack.folder / training.FILE).unlink(missing_ok=True)
    training.begin(stack)
    return fresh


def play(stack: Stack) -> None:
    """Play from wherever it is; what the background process does. Raises Problem."""
    known = progress.load(stack)
    if not known.began:
        known = prepare(stack)
    if not known.offsets:
        known.offsets = asyncio.run(listening.ends(stack.bootstrap_servers))
        known.wall_began = SystemClock().wall().isoformat()
        progress.save(stack, known)
    with ThreadPoolExecutor(1) as pool:
        trained = pool.submit(_train, stack, known)
        _import(stack, known)
        trained.add_done_callback(lambda done: _say_failure(stack, known, done))
        asyncio.run(Play(stack, known, trained.done).perform())
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
    told = f"{lines:,} events of the past of {known.clients} clients: history never acts, so no message is sent"
    progress.tell(stack, known, f"import   {told}")


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
    progress.tell(stack, known, f"churn    {_summary(done.stdout)} [trained on simulated data]")


def _summary(output: str) -> str:
    """What `loop churn train --json` printed, in a line."""
    told = json.loads(output)
    leavers, high = told["leavers"]["all"], told["above"]["0.6"]
    return (
        f"model {told['version']} is in service: {told['clients']:,} past clients, {leavers} of whom left; AUC "
        f"{told['auc']['value']:.2f}; of moments at 60 % and more {high['precision'] or 0:.0%} were followed by leaving"
    )


def _say_failure(stack: Stack, known: progress.Progress, trained: Future[None]) -> None:
    """Without a model the play goes on with the scorecard, and says so."""
    error = trained.exception()
    if error is not None:
        progress.tell(stack, known, f"churn    {error}")
