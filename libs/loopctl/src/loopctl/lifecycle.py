"""`loop up` and `loop down`: start what does not run, leave alone what does, stop all of it in order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from common.clock import SystemClock

from loopctl import business_time, given, playing, programs, provision
from loopctl.console import say, step
from loopctl.errors import Problem
from loopctl.local.locking import exclusive
from loopctl.local.processes import need_free_space, wait_until
from loopctl.stack import DATABASE, Stack

NEED_MB = 1024


@dataclass
class Started:
    """What `loop up` found not running."""

    names: list[str] = field(default_factory=list)


def up(stack: Stack, *, clock: business_time.Wish | None = None, demo: bool | None = None) -> Started:
    """Make everything run; returns when all of it is ready. Raises Problem."""
    stack.folder.mkdir(parents=True, exist_ok=True)
    with exclusive(stack.folder / "up.lock"):
        need_free_space(stack.folder, megabytes=NEED_MB)
        stack.remember()
        if demo is not None or "demo" not in stack.known():
            stack.update(demo=_is_new(stack) if demo is None else demo)
        started = Started()
        _begin_demo(stack, clock)
        _servers(stack, started)
        _business_time(stack, clock)
        _programs(stack, started)
        _demo(stack, started)
    return started


def _is_new(stack: Stack) -> bool:
    """Whether nobody has data here or would get messages: the demo plays in the past, with invented clients."""
    empty = stack.embedded_postgres and not (stack.postgres.data / "PG_VERSION").exists()
    return empty and not given.speaks_to_people()


def _servers(stack: Stack, started: Started) -> None:
    """PostgreSQL with its tables, and Kafka with its topics, side by side."""
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(_database, stack, started), pool.submit(_broker, stack, started)]
        _first_problem(both)


def _first_problem(work: list[Future[None]]) -> None:
    for future in work:
        error = future.exception()
        if error is not None:
            raise error


def _database(stack: Stack, started: Started) -> None:
    if stack.embedded_postgres:
        with step("PostgreSQL") as current:
            current.waits_for = "waiting for it to accept connections"
            if stack.postgres.start():
                started.names.append("postgres")
            else:
                current.note = "runs already"
            provision.run(provision.create_database(stack.owner_url, DATABASE))
    with step("Tables") as current:
        migrate_database(stack, lambda service: setattr(current, "waits_for", f"migrating {service}"))
        current.note = "up to date"


def migrate_database(stack: Stack, told: Callable[[str], None] = lambda _service: None) -> None:
    """Roles, schemas, and every service's tables at the newest revision."""
    provision.run(provision.create_roles(stack.owner_url, stack.secrets.roles))
    provision.migrate_all(stack.service_database_url, told)


def _broker(stack: Stack, started: Started) -> None:
    if stack.embedded_kafka:
        with step("Kafka") as current:
            current.waits_for = "waiting for the broker"

            def progress(done: int, of: int) -> None:
                current.waits_for = f"fetching its jars, {done} of {of}" if done < of else "waiting for the broker"

            if stack.kafka.start(progress):
                started.names.append("kafka")
            else:
                current.note = "runs already"
    with step("Topics") as current:
        made = provision.run(provision.create_topics(stack.bootstrap_servers, partitions=stack.partitions))
        current.note = f"{len(made)} made" if made else "all there"


def _begin_demo(stack: Stack, wish: business_time.Wish | None) -> None:
    """A new stack's business time begins in the past, where the demo does, before any service looks at it."""
    if wish is not None:
        stack.update(demo=False)  # the demo drives business time itself
    elif playing.should_play(stack) and not playing.state(stack):
        from loopctl.demo import start

        start.prepare(stack)


def _business_time(stack: Stack, wish: business_time.Wish | None) -> None:
    if wish is not None:
        business_time.set_course(stack, wish.scale, wish.start)
    else:
        business_time.resume(stack)


def _programs(stack: Stack, started: Started) -> None:
    """Start all, then wait for all: they take their time together, not one after the other."""
    everything = programs.all_programs(stack)
    with step("Services") as current:
        for program in everything:
            if _start(program):
                started.names.append(program.name)
        for program in everything:
            programs.wait_ready(program, current)
        fresh = [p.name for p in everything if p.name in started.names]
        current.note = f"{', '.join(fresh)} ready" if fresh else "all run already"


def _start(program: programs.Program) -> bool:
    """Start a dead one; start anew one that runs but answers nobody."""
    if program.start():
        return True
    if wait_until(program.answers, seconds=programs.ANSWER_SECONDS, poll=0.2):
        return False
    say(f"  {program.name} runs but does not answer: starting it anew")
    program.stop()
    return program.start()


def _demo(stack: Stack, started: Started) -> None:
    if playing.should_play(stack) and programs.demo(stack).start():
        started.names.append("demo")


def down(stack: Stack) -> list[str]:
    """Stop all of it, by pid, in the order that loses least; data stays. Returns what ran."""
    stopped: list[str] = []
    with exclusive(stack.folder / "up.lock"):
        stopped += _stop([programs.demo(stack)])  # first: it drives business time
        business_time.freeze(stack)
        stopped += _stop(programs.all_programs(stack))
        for name, server in (("kafka", stack.kafka), ("postgres", stack.postgres)):
            if server.process() is not None:
                stopped.append(name)
            server.stop()
    return stopped


def _stop(everything: list[programs.Program]) -> list[str]:
    """Stop these together; returns which ran."""
    running = [program for program in everything if program.process() is not None]
    with ThreadPoolExecutor(max(1, len(running))) as pool:
        list(pool.map(lambda program: program.stop(), running))
    return [program.name for program in running]


def check_ports(stack: Stack, base: int) -> None:
    """A running stack keeps its ports: other programs have them in their settings. Raises Problem."""
    known = stack.known().get("base")
    if known is None or int(known) == base:
        return
    now_at = Stack.at(stack.folder)
    alive = [p.name for p in programs.all_programs(now_at) if p.process() is not None]
    if alive or now_at.postgres.process() is not None:
        raise Problem(
            f"The stack in {stack.folder} runs on ports {known}…",
            remedy="stop it with `loop down` first, or leave out --ports",
        )


def wall() -> datetime:
    """Now, for times that an operator types."""
    return SystemClock().wall()
