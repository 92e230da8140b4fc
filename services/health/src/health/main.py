"""Wires health. Start it with `python -m health.main [all|api|worker]`."""

from __future__ import annotations

from common.http import create_app
from common.process import Service, make_clock, make_database, run

from health import api, handlers, jobs, service, signs_api
from health.settings import Settings


def build(settings: Settings) -> Service:
    """The service as one process runs it."""
    clock = make_clock(settings)
    database = make_database(settings, "health")
    app = create_app(
        "health",
        settings,
        database=database,
        clock=clock,
        routers=[api.router, signs_api.router],
        title="Health",
        description="Client events become explained 0-100 scores, and a journey with milestones.",
    )

    async def take_over_files() -> None:
        await service.take_over_files(database, settings.config_dir, clock, settings.limits)

    return Service(
        name="health",
        settings=settings,
        database=database,
        clock=clock,
        app=app,
        consumers=[handlers.consumer(clock, settings.limits)],
        timers=jobs.timer_handlers(settings.limits),
        jobs=jobs.jobs(settings),
        on_start=[take_over_files],
    )


if __name__ == "__main__":
    run(build, Settings)
