"""Wires notify: `python -m notify.main [all|api|worker]`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from common.clock import Clock
from common.consumer import ConsumerSpec
from common.db import Database
from common.http import create_app
from common.listener import Listener
from common.process import Service, make_clock, make_database, run

from notify import api, handlers, jobs
from notify.adapters import rules_file
from notify.adapters.hubspot import HubSpot
from notify.adapters.mail import MailSender
from notify.adapters.slack import SlackSender
from notify.domain.routing import Address, Directory
from notify.domain.rules import Channel
from notify.handlers import Desk
from notify.repository import policy as policies
from notify.sending import MailTarget, Sender
from notify.settings import Settings
from notify.write_back import Writer

Work = Callable[[], Awaitable[None]]


def build(settings: Settings) -> Service:
    """The service with everything that its settings configure."""
    clock, database = make_clock(settings), make_database(settings, "notify")
    desk, load_rules = make_desk(settings, database, clock)
    work, stop = _workers(settings, database, clock, desk)
    app = create_app(
        "notify",
        settings,
        database=database,
        clock=clock,
        title="Client Success Loop: notify",
        description="What happened reaches the right human once: deliveries, rules, preferences.",
        routers=api.ROUTERS,
    )
    app.state.desk = desk
    return Service(
        name="notify",
        settings=settings,
        database=database,
        clock=clock,
        app=app,
        consumers=[
            ConsumerSpec(
                subscriptions=handlers.subscriptions(desk), keep=handlers.KEPT, erase=handlers.erase, pause=0.1
            )
        ],
        timers=handlers.timer_handlers(desk),
        jobs=jobs.periodic(settings),
        worker_work=work,
        on_start=[load_rules],
        on_stop=stop,
    )


def make_desk(settings: Settings, database: Database, clock: Clock) -> tuple[Desk, Work]:
    """The desk, and the work that gives its rules their version in the database."""
    policy, body = rules_file.load(settings.policy_file)
    configured = {
        Channel.SLACK: bool(settings.slack_token.get_secret_value()),
        Channel.EMAIL: bool(settings.smtp_host),
    }
    desk = Desk(
        clock=clock,
        policy=policy,
        directory=Directory(team=settings.slack_channel, on_call=settings.on_call),
        configured=frozenset(channel for channel, is_set in configured.items() if is_set),
        links_base=settings.links_base.rstrip("/"),
        crm_source=settings.hubspot_source,
        crm_interval=(
            timedelta(seconds=settings.crm_interval_seconds) if settings.hubspot_token.get_secret_value() else None
        ),
    )

    async def load_rules() -> None:
        async with database.transaction() as session:
            version = await policies.version(session, policy.sha256, body, at=clock.wall())
        desk.policy = replace(policy, version=version)

    return desk, load_rules


def _workers(settings: Settings, database: Database, clock: Clock, desk: Desk) -> tuple[list[Work], list[Work]]:
    """One worker for each target that is configured, and how each is closed."""
    listener = Listener(database, clock)
    work: list[Work] = []
    stop: list[Work] = []
    timeout = settings.send_timeout_seconds
    if Channel.SLACK in desk.configured:
        slack = SlackSender(
            base_url=settings.slack_base_url, token=settings.slack_token.get_secret_value(), timeout=timeout
        )
        work.append(_sender(settings, database, desk, listener, Channel.SLACK, slack).run)
        stop.append(slack.close)
    if Channel.EMAIL in desk.configured:
        mail = MailTarget(MailSender(settings), clock)
        work.append(_sender(settings, database, desk, listener, Channel.EMAIL, mail).run)
    if desk.crm_interval is not None:
        hubspot = HubSpot(
            base_url=settings.hubspot_base_url, token=settings.hubspot_token.get_secret_value(), timeout=timeout
        )
        writer = Writer(
            database, clock, hubspot, interval=desk.crm_interval, lease=settings.lease, woken=listener.on("crm")
        )
        work.append(writer.run)
        stop.append(hubspot.close)
    return ([*work, listener.run] if work else []), stop


def _sender(
    settings: Settings,
    database: Database,
    desk: Desk,
    listener: Listener,
    channel: Channel,
    target: SlackSender | MailTarget,
) -> Sender:
    return Sender(
        database,
        desk.clock,
        channel,
        target,
        team=Address(Channel.SLACK, desk.directory.team),
        give_up_after=settings.give_up_after,
        lease=settings.lease,
        woken=listener.on(channel.value),
    )


if __name__ == "__main__":
    run(build, Settings)
