"""`loop republish`: what a service said in the last 72 h, said again (after Kafka lost what it had acknowledged)."""

from __future__ import annotations

from datetime import datetime

from loopctl import provision
from loopctl.errors import WrongUsage
from loopctl.paths import SERVICES
from loopctl.stack import Stack


def republish(stack: Stack, service: str, since: datetime, wall: datetime) -> int:
    """Mark the outbox rows since then as unsent; the service's relay sends them. Returns how many.

    Raises WrongUsage for an unknown service or a time before what is kept.
    """
    from common import outbox

    if service not in SERVICES:
        raise WrongUsage(f"{service!r} is no service; there are {', '.join(SERVICES)}")
    if not wall - outbox.KEPT <= since <= wall:
        hours = outbox.KEPT.total_seconds() / 3600
        raise WrongUsage(f"--since lies within the last {hours:.0f} h: outbox rows are kept for so long")
    return provision.run(_republish(stack, service, since))


async def _republish(stack: Stack, service: str, since: datetime) -> int:
    from common import outbox
    from common.db import Database

    database = Database(stack.service_database_url(service), schema=service, pool_size=1)
    try:
        async with database.transaction() as session:
            return await outbox.republish(session, since)
    finally:
        await database.close()
