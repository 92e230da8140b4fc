"""One process of a service: HTTP, relay, consumer, timers and jobs, started and stopped together.

`python -m <service>.main [all|api|worker]`. In production `api` and `worker` scale alone; locally one does both.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI
from sqlalchemy import text
from starlette.types import ASGIApp

from common import failpoints, logging, metrics, outbox, tracing
from common.clock import Clock, SystemClock
from common.consumer import Consumer, ConsumerSpec
from common.db import Database
from common.faults import is_passing
from common.listener import Listener
from common.relay import Relay
from common.settings import ServiceSettings
from common.timers import TimerHandler, TimerWorker

log = logging.get(__name__)

MODES = ("all", "api", "worker")
RESTART_AFTER = 1.0
MAINTAIN_EVERY = 600.0
GRACE = 10.0
"""Wall seconds that stopping may take before what is left is cancelled."""

GC_YOUNG = 20_000
"""Objects made before the youngest are looked through: a batch of events makes thousands that soon go by themselves."""

Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Periodic:
    """A timed use case, run by one replica at a time every so many wall seconds (first run at start)."""

    name: str
    every: float
    run: Callable[[Database, Clock], Awaitable[None]]


@dataclass
class Service:
    """All that a service's main.py wires."""

    name: str
    settings: ServiceSettings
    database: Database
    clock: Clock
    app: FastAPI
    front: ASGIApp | None = None
    """What is served in place of the application, where a route is too hot for the framework; it passes the rest on."""
    consumers: Sequence[ConsumerSpec] = ()
    timers: Mapping[str, TimerHandler] = field(default_factory=dict)
    jobs: Sequence[Periodic] = ()
    api_work: Sequence[Work] = ()
    """Background work of the `api` process (for ever; restarted when it fails)."""
    worker_work: Sequence[Work] = ()
    """Background work of the `worker` process."""
    on_start: Sequence[Work] = ()
    """Done once before anything is served or consumed (load shipped configuration)."""
    on_stop: Sequence[Work] = ()


def make_clock(settings: ServiceSettings) -> Clock:
    """The clock of a process: wall time, or the local stack's business clock."""
    return SystemClock(settings.clock_file)


def make_database(settings: ServiceSettings, schema: str) -> Database:
    return Database(settings.database_url, schema=schema, pool_size=settings.database_pool)


T = TypeVar("T", bound=ServiceSettings)


def run(build: Callable[[T], Service], settings_class: type[T]) -> None:
    """Entry point of every service."""
    mode = sys.argv[1] if len(sys.argv) > 1 else "all"
    if mode not in MODES:
        sys.exit(f"usage: python -m <service>.main [{'|'.join(MODES)}]")
    settings = settings_class()
    service = build(settings)
    logging.setup(service.name, level=settings.log_level, fmt=settings.log_format)
    tracing.setup(service.name, settings.otel_endpoint)
    failpoints.arm(settings.kill_at)
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    asyncio.run(serve(service, mode))


async def serve(service: Service, mode: str = "all", *, stop: asyncio.Event | None = None) -> None:
    """Run until SIGTERM, SIGINT or `stop`; then finish what is under way and close."""
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await _patiently(service, "start", service.on_start)
    _spare_what_stays()
    tasks = [asyncio.create_task(coroutine, name=name) for name, coroutine in _work(service, mode)]
    server = _Server(_uvicorn_config(service))
    serving = asyncio.create_task(server.serve(), name="http")
    log.info("started", mode=mode, port=service.settings.port)
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    server.should_exit = True
    await asyncio.wait({serving}, timeout=GRACE)
    # Wait for all of them, one by one: cancelling a gather would cancel consumer.stop() too (plumbing.md trap 5).
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE)
    for work in service.on_stop:
        await work()
    await service.database.close()
    stopping.cancel()
    if serving.done() and not serving.cancelled() and serving.exception() is not None:
        raise RuntimeError("HTTP could not be served") from serving.exception()
    log.info("stopped")


def _spare_what_stays() -> None:
    """What was loaded at start (models, schemas, code) stays: walking it at every full collection stops everything."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_YOUNG, *gc.get_threshold()[1:])


def _work(service: Service, mode: str) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    """Every endless task of this mode. The relay runs in both: an accepted event must not wait for a worker."""
    listener = Listener(service.database, service.clock)
    relay = Relay(
        service.database,
        service.settings.kafka_bootstrap_servers,
        service.clock,
        listener.on("outbox"),
        imports_per_second=service.settings.imports_per_second,
    )
    yield "relay", _supervised(service, "relay", relay.run)
    if mode in ("all", "api"):
        for work in service.api_work:
            yield getattr(work, "__name__", "work"), _supervised(service, "api_work", work)
    if mode in ("all", "worker"):
        yield from _worker(service, listener)
    yield "listener", _supervised(service, "listener", listener.run)


def _worker(service: Service, listener: Listener) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    settings = service.settings
    for nth, spec in enumerate(service.consumers):
        consumer = Consumer(
            service.database,
            settings.kafka_bootstrap_servers,
            service.clock,
            spec,
            instance=settings.consumer_instance and f"{settings.consumer_instance}-{nth}",
            session_timeout_ms=settings.session_timeout_ms,
        )
        service.app.state.readiness.checks[f"consumer {nth}"] = _assignment(consumer)
        yield f"consumer-{nth}", _supervised(service, "consumer", consumer.run)
    if service.timers:
        worker = TimerWorker(service.database, service.clock, service.timers, listener.on("timers"))
        yield "timers", _supervised(service, "timers", worker.run)
    for job in (Periodic("maintain_outbox", MAINTAIN_EVERY, _maintain), *service.jobs):
        yield job.name, _periodic(service, job)
    for work in service.worker_work:
        yield getattr(work, "__name__", "work"), _supervised(service, "worker_work", work)


def _assignment(consumer: Consumer) -> Callable[[], str]:
    def check() -> str:
        if consumer.health.stopped:
            return consumer.health.stopped
        return "ok" if consumer.health.assigned else "waits for its Kafka partitions"

    return check


async def _supervised(service: Service, name: str, work: Work) -> None:
    """Restart endless work that failed; each failure is logged and counted."""
    while True:
        try:
            await work()
            return
        except Exception as error:
            metrics.JOB_FAILURES.labels(service.name, name).inc()
            log.error("work_failed", work=name, exc_info=error)
        await service.clock.sleep(RESTART_AFTER)


async def _periodic(service: Service, job: Periodic) -> None:
    while True:
        try:
            await _run_alone(service, job)
        except Exception as error:
            metrics.JOB_FAILURES.labels(service.name, job.name).inc()
            log.error("job_failed", job=job.name, passing=is_passing(error), exc_info=error)
        await service.clock.sleep(job.every)


async def _run_alone(service: Service, job: Periodic) -> None:
    """Run a job unless another replica does so at this moment."""
    async with service.database.transaction() as session:
        await session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        if await session.scalar(
            text("SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || :name))"), {"name": job.name}
        ):
            await job.run(service.database, service.clock)


async def _maintain(database: Database, clock: Clock) -> None:
    async with database.transaction() as session:
        await outbox.maintain(session)
        await session.execute(
            text("DELETE FROM idempotency_keys WHERE created_at < CAST(:now AS timestamptz) - interval '24 hours'"),
            {"now": clock.wall()},
        )


async def _patiently(service: Service, name: str, works: Sequence[Work]) -> None:
    """Do what must be done first; while the database is away, wait for it."""
    for work in works:
        while True:
            try:
                await work()
                break
            except Exception as error:
                if not is_passing(error):
                    raise
                log.warning("waiting", at=name, error=repr(error))
                await service.clock.sleep(RESTART_AFTER)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one way to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _uvicorn_config(service: Service) -> uvicorn.Config:
    return uvicorn.Config(
        service.front or service.app,
        host=service.settings.host,
        port=service.settings.port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        backlog=2048,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=service.settings.forwarded_allow_ips,
    )
