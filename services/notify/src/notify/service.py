"""HTTP use cases: what people ask about deliveries, what they wish, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common import outbox
from common.clock import Clock
from common.contracts import notify
from common.contracts.base import Event
from common.contracts.errors import Conflict, NotFound, Refused
from common.contracts.ids import derived_id
from sqlalchemy.ext.asyncio import AsyncSession

from notify.domain.message import zone
from notify.domain.routing import Preference
from notify.domain.rules import Channel, Policy
from notify.domain.wording import BUTTONS
from notify.repository import deliveries, people, queue

FEEDBACK = frozenset({"useful", "not_useful", "acknowledged"})
ANSWERS = frozenset(button.action for button in BUTTONS)


async def delivery(session: AsyncSession, delivery_id: UUID) -> dict[str, Any]:
    """One delivery with its message and what people answered. Raises NotFound."""
    row = await deliveries.get(session, delivery_id)
    if row is None:
        raise NotFound(f"no delivery {delivery_id}")
    row["message"] = deliveries.message_of(row["message"])
    row["actions"] = await deliveries.actions(session, delivery_id)
    return row


async def retry(session: AsyncSession, delivery_id: UUID, *, clock: Clock) -> None:
    """A failed delivery goes back into the queue. Raises NotFound, Conflict."""
    row = await delivery(session, delivery_id)
    if not await queue.queue_again(session, [delivery_id], wall=clock.wall()):
        raise Conflict(f"only a failed delivery can be retried; this one is {row['state']}")


async def retry_all(session: AsyncSession, *, channel: Channel | None, since: datetime | None, clock: Clock) -> int:
    """All failed ones (of a channel, since a moment): after a token was mended."""
    failed = await queue.failed_ids(session, channel.value if channel else None, since)
    return len(await queue.queue_again(session, failed, wall=clock.wall()))


@dataclass(frozen=True)
class Answer:
    """What a person did with a message."""

    delivery_id: UUID
    action: str
    by: str
    note: str | None = None
    nonce: str = ""
    """Tells two presses of the same button apart; the vendor's repeat of one press carries the same."""


async def record(session: AsyncSession, answer: Answer, *, clock: Clock) -> bool:
    """Keep it and publish `acted`; False when it was known already. Raises NotFound."""
    row = await deliveries.get(session, answer.delivery_id)
    if row is None:
        raise NotFound(f"no delivery {answer.delivery_id}")
    now = clock.now()
    identity = derived_id("acted", answer.delivery_id, answer.action, answer.by, answer.nonce)
    fresh = await deliveries.remember_action(
        session,
        feedback_id=identity,
        delivery_id=answer.delivery_id,
        client_id=row["client_id"],
        action=answer.action,
        by=answer.by,
        note=answer.note,
        at=now,
    )
    if fresh:
        await outbox.add(session, [_acted(row, answer, identity, now)])
    return fresh


def _acted(row: Mapping[str, Any], answer: Answer, identity: UUID, now: datetime) -> Event[notify.Acted]:
    data = notify.Acted(
        delivery_id=answer.delivery_id,
        client_id=row["client_id"],
        channel=row["channel"],
        recipient=row["recipient"],
        rule=row["rule"],
        reason=answer.note,
        case_id=row["case_id"],
        as_of=now,
        action=answer.action,
        by=answer.by,
    )
    event: Event[notify.Acted] = Event.of(data, id=identity, source="csl/notify", subject=row["subject"], time=now)
    return event.model_copy(update={"correlationid": row["correlation"], "causationid": str(answer.delivery_id)})


def answer_of(payload: Mapping[str, Any]) -> Answer | None:
    """What a Slack interaction says to us; None for what needs no record (links, foreign buttons)."""
    actions = payload.get("actions")
    if payload.get("type") != "block_actions" or not isinstance(actions, list) or not actions:
        return None
    action = actions[0] if isinstance(actions[0], dict) else {}
    if action.get("action_id") not in ANSWERS:
        return None
    try:
        identity = UUID(str(action.get("value")))
    except ValueError:
        return None
    user = payload.get("user")
    person = user if isinstance(user, dict) else {}
    by = "slack:" + str(person.get("id") or "unknown")[:80]
    return Answer(identity, str(action["action_id"]), by, nonce=str(action.get("action_ts", ""))[:40])


def wished(
    person: str,
    *,
    channels: tuple[Channel, ...] | None,
    muted: tuple[str, ...],
    quiet_until: datetime | None,
    timezone: str | None,
    policy: Policy,
) -> Preference:
    """A preference that makes sense. Raises Refused."""
    email = person.strip().lower()
    if "@" not in email or any(c.isspace() for c in email):
        raise Refused("a person is named by an e-mail address", field="person")
    known = {rule.name for rule in policy.rules}
    unknown = sorted(set(muted) - known)
    if unknown:
        raise Refused(f"no such rule: {', '.join(unknown)}", field="muted")
    if timezone is not None and zone(timezone) is None:
        raise Refused(f"no such time zone: {timezone}", field="timezone")
    if channels is not None and not channels:
        raise Refused("name at least one channel; to hear nothing for a while, set quiet_until", field="channels")
    return Preference(email, channels, frozenset(muted), quiet_until, timezone)


async def quiet(
    session: AsyncSession, client_id: UUID, until: datetime | None, *, reason: str | None, by: str, clock: Clock
) -> dict[str, Any]:
    """Hold a client's messages back until then; None lets them go again."""
    if until is not None and until <= clock.now():
        raise Refused("quiet_until lies in the past; null ends the quiet", field="quiet_until")
    return await people.set_quiet(session, client_id, until, reason=reason, by=by, at=clock.now())
