"""Wires escalation. Start it with `python -m escalation.main [all|api|worker]`."""

from __future__ import annotations

from common.http import create_app
from common.process import Service, make_clock, make_database, run

from escalation import api, service
from escalation.handlers import CONSUMER
from escalation.jobs import JOBS, TIMERS
from escalation.settings import Settings


def build(settings: Settings) -> Service:
    """The service as one process runs it."""
    clock = make_clock(settings)
    database = make_database(settings, "escalation")
    app = create_app(
        "escalation",
        settings,
        database=database,
        clock=clock,
        routers=[api.router],
        title="Escalation",
        description="A churn flag becomes a case with deadlines, people and an outcome.",
    )

    async def take_over_files() -> None:
        await service.take_over_files(database, settings.config_dir, clock)

    return Service(
        name="escalation",
        settings=settings,
        database=database,
        clock=clock,
        app=app,
        consumers=[CONSUMER],
        timers=TIMERS,
        jobs=JOBS,
        on_start=[take_over_files],
    )


if __name__ == "__main__":
    run(build, Settings)
