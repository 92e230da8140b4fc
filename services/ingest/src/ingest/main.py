"""Wires ingest: `python -m ingest.main [all|api|worker]`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from common.clock import Clock
from common.db import Database
from common.http import create_app
from common.process import Service, make_clock, make_database, run
from fastapi import FastAPI

from ingest import carrying, jobs
from ingest.adapters.apis import make_apis
from ingest.adapters.shared_domains import load_shared_domains
from ingest.api import ROUTERS
from ingest.api.door import edged
from ingest.config import Source
from ingest.domain.reading import Reader
from ingest.domain.shared import SharedDomains
from ingest.enricher import Enricher
from ingest.feedbook import FeedBook
from ingest.imports import Importer
from ingest.intake import Intake
from ingest.readers import Readers
from ingest.reading import make_reader
from ingest.replayer import Replayer
from ingest.runtime import Runtime
from ingest.secretbook import SecretBook
from ingest.settings import Settings
from ingest.sources import load_sources


def build(settings: Settings, clock: Clock | None = None) -> Service:
    """All objects of the process, and nothing running yet. Tests bring a clock of their own."""
    clock = clock or make_clock(settings)
    database = make_database(settings, "ingest")
    sources = _sources(settings)
    reader = make_reader(settings.config_dir)
    readers = Readers(settings.config_dir, reader, settings.import_processes)
    shared = load_shared_domains(settings.config_dir)
    intake = Intake(database, clock, posts=settings.queue_posts, size=settings.queue_bytes, shared=shared)
    secrets = SecretBook(database, clock, settings.sealer(), settings.secrets())
    book = FeedBook(database, clock, sources)
    webhook_limit = max((s.limit_bytes for s in sources.values()), default=1)
    app = _app(settings, database, clock, webhook_limit)
    app.state.ingest = Runtime(
        sources=sources,
        secrets=secrets,
        tokens=frozenset(settings.tokens()),
        public_url=settings.public_url.rstrip("/"),
        clock=clock,
        reader=reader,
        intake=intake,
        book=book,
        importer=Importer(database, clock, reader, readers, settings.import_chunk_lines, shared),
        shared=shared,
        default_owner=settings.default_owner_email,
    )
    enricher = _enricher(settings, database, clock, sources, reader, shared)
    return Service(
        name="ingest", settings=settings, database=database, clock=clock, app=app,
        front=edged(app, clock, webhook_limit),
        timers={**jobs.feed_deadlines(sources), **carrying.timer_handlers()},
        jobs=jobs.periodic(timedelta(days=settings.raw_retention_days)),
        api_work=[intake.run, book.run, secrets.run],
        worker_work=[enricher.run, Replayer(database, clock, sources, reader, shared).run],
        on_start=[secrets.load],
        on_stop=[book.write, enricher.close],
    )  # fmt: skip


def _sources(settings: Settings) -> Mapping[str, Source]:
    """Raises ValueError where an allow-list would compare an address that the sender chose."""
    sources = load_sources(settings.config_dir)
    listed = [name for name, source in sources.items() if source.allow_addresses]
    if listed and settings.believes_anybody:
        raise ValueError(
            "forwarded_allow_ips believes anybody's X-Forwarded-For, so that the allow_addresses of"
            f" {', '.join(listed)} keep nobody out: name your proxies"
        )
    return sources


def _enricher(
    settings: Settings,
    database: Database,
    clock: Clock,
    sources: Mapping[str, Source],
    reader: Reader,
    shared: SharedDomains,
) -> Enricher:
    apis = make_apis(sources, settings.tokens(), settings.enrichment_urls, clock)
    return Enricher(database, clock, sources, apis, reader, shared)


def _app(settings: Settings, database: Database, clock: Clock, webhook_limit: int) -> FastAPI:
    return create_app(
        "ingest",
        settings,
        database=database,
        clock=clock,
        routers=ROUTERS,
        title="Client Success Loop: ingest",
        description="Vendors' signed webhooks, history and internal tools' events become canonical client events.",
        body_limits={"/v1/imports": None, "/v1/webhooks/": webhook_limit},
    )


if __name__ == "__main__":
    run(build, Settings)
