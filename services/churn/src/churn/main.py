"""Wires churn. Start it with `python -m churn.main [all|api|worker]`."""

from __future__ import annotations

from functools import partial

from common.clock import Clock
from common.db import Database
from common.http import create_app
from common.process import Periodic, Service, make_clock, make_database, run

from churn import api, api_decisions, api_thresholds
from churn.adapters.policy_files import load_policy
from churn.assessing import Assessor
from churn.handlers import consumer
from churn.jobs import MAINTAIN_EVERY, Assessing, Upkeep
from churn.outcomes import FLAG_OUTCOME, Outcomes, Scoreboard
from churn.registry import Registry
from churn.settings import Settings
from churn.watching import Watching
from churn.weekly import NAMING, Naming

COUNT_EVERY = 10.0
SCORE_EVERY = 60.0
PLAN_EVERY = 600.0
WATCH_EVERY = 60.0
MODEL_LIMIT = 32 << 20
"""Bytes of a model sent to the registry (base64)."""


def build(settings: Settings) -> Service:
    """The service as one process runs it."""
    return wire(settings, make_database(settings, "churn"), make_clock(settings))


def wire(settings: Settings, database: Database, clock: Clock) -> Service:
    """The service on a given database and clock."""
    policy = load_policy(settings.config_dir)
    registry = Registry()
    assessor = Assessor(policy, registry)
    assessing = Assessing(database, clock, assessor, settings)
    outcomes = Outcomes(assessor.rules)
    naming = Naming(assessor, clock)
    upkeep = Upkeep(settings)
    app = create_app(
        "churn",
        settings,
        database=database,
        clock=clock,
        routers=[api.router, api_decisions.router, api_thresholds.router],
        title="Churn",
        description="Calibrated 90-day risk with reasons, flags, and the people who decide about them.",
        body_limits={"/v1/models": MODEL_LIMIT},
    )
    app.state.policy = policy
    shown = app.state.registry = Registry()  # the API may run without a worker in its process
    return Service(
        name="churn",
        settings=settings,
        database=database,
        clock=clock,
        app=app,
        consumers=[consumer(clock, outcomes)],
        timers={**assessing.timers(), FLAG_OUTCOME: outcomes.due, NAMING: naming.name},
        jobs=[
            Periodic("upkeep", MAINTAIN_EVERY, upkeep.run),
            Periodic("count", COUNT_EVERY, upkeep.count),
            Periodic("scoreboard", SCORE_EVERY, Scoreboard(policy.horizon_days).run),
            Periodic("plan_naming", PLAN_EVERY, naming.plan),
            Periodic("watch_model", WATCH_EVERY, Watching(registry, assessor.rules).run),
        ],
        api_work=[partial(shown.prepare, database)],
        worker_work=[assessing.run],
    )


if __name__ == "__main__":
    run(build, Settings)
