"""Words for blockers, feeds, and changes that are held."""

from __future__ import annotations

from datetime import timedelta

from common.contracts import client, feeds, health

from notify.domain.message import Fact, Message, moment, number, span, spoken
from notify.domain.wording.context import Context, name_of, sentence, worded


def blocker(data: client.BlockerLogged, context: Context) -> Message:
    impact = f"; about {number(data.impact_days)} days at stake" if data.impact_days else ""
    return worded(
        context,
        f"{name_of(context)}: {data.severity} blocker: {spoken(data.kind)}",
        changed=(f"{sentence(spoken(data.kind))}, severity {data.severity}{impact}.",),
        facts=(Fact("Owner", data.owner_email or "nobody yet"), Fact("Blocker", data.blocker_id)),
    )


def feed_silent(data: feeds.FeedSilent, context: Context) -> Message:
    silent = span(context.now - data.last_received_at)
    expected = span(timedelta(seconds=data.expected_every_seconds))
    return worded(
        context,
        f"The feed {data.source} has been silent for {silent}",
        changed=(
            f"Last received {moment(data.last_received_at, context.tz)}; expected at least every {expected}.",
            "Clients that it feeds turn to “unknown” where they would have been green.",
        ),
        facts=(Fact("Source", data.source),),
    )


def feed_recovered(data: feeds.FeedRecovered, context: Context) -> Message:
    return worded(context, f"The feed {data.source} talks again", facts=(Fact("Source", data.source),))


def changes_held(data: health.ChangesHeld, context: Context) -> Message:
    mover = f"The feed {data.source}" if data.source else f"Publishing {data.model} {data.model_version}"
    return worded(
        context,
        f"{mover} would move {data.moved} of {data.clients} clients to a worse band",
        changed=(
            f"That is more than {number(data.limit_percent)} % within an hour.",
            "These changes are held: nobody else is told.",
            "Single clients go on; moves to “unknown” are never held.",
        ),
        facts=(Fact("Hold", str(data.hold_id)),),
    )
