"""Changes that health holds are told to whoever is on call, once a hold."""

from __future__ import annotations

from uuid import UUID

from common.contracts import health

from tests.support import notify_world as world
from tests.support.notify_stack import NotifyStack

HOLD = UUID("0198c0de-7b1e-7c44-9f0e-3f1f2a6d9b10")


async def test_on_call_hears_once_of_what_is_held(notify: NotifyStack) -> None:
    held = health.ChangesHeld(
        hold_id=HOLD, source="zendesk", moved=12, clients=50, limit_percent=10.0, as_of=notify.clock.now()
    )
    event = world.event(held, f"hold:{HOLD}", at=notify.clock.now())
    await notify.deliver(event)
    await notify.deliver(event)
    [row] = await notify.deliveries()
    assert (row["rule"], row["client_id"]) == ("changes_held", None)
    await notify.send()
    [message] = notify.catcher.caught()
    assert "The feed zendesk would move 12 of 50 clients to a worse band" in str(message.body)
    assert str(HOLD) in str(message.body)
    assert "loop health release" in str(message.body)
