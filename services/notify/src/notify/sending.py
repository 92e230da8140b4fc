"""The queue's workers: claim, send outside any transaction, book. One for each channel.

At least once cannot be avoided after a kill between sending and booking; so an attempt whose outcome nobody knows
is looked for at the target by its delivery id before the message is sent again.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol

from common import failpoints, logging, outbox
from common.clock import Clock
from common.contracts import notify
from common.contracts.base import Data, Event
from common.contracts.ids import derived_id
from common.db import Database
from common.faults import is_passing
from common.listener import wait
from common.metrics import SIGNAL_TO_MESSAGE
from sqlalchemy.ext.asyncio import AsyncSession

from notify import metrics
from notify.adapters.mail import MailSender
from notify.domain.attempt import NotSent, Sent, next_try
from notify.domain.message import Message
from notify.domain.routing import Address, delivery_id
from notify.domain.rules import Channel
from notify.repository import deliveries, queue
from notify.repository.deliveries import DELIVERED, FAILED, Row
from notify.repository.queue import Claimed

log = logging.get(__name__)

BATCH = 16
POLL = 0.5
"""Wall seconds between looks at the queue when nothing wakes us."""
AFTER_FAULT = 1.0
LONGEST_PAUSE = 30.0


class Target(Protocol):
    """What a worker sends through."""

    async def send(self, claimed: Claimed, message: Message) -> Sent:
        """Raises NotSent."""

    async def find(self, claimed: Claimed) -> Sent | None:
        """What an earlier attempt left at the target. Raises NotSent when it cannot be looked at."""


@dataclass
class MailTarget:
    """Mail cannot be looked for; its Message-ID stays the same instead."""

    sender: MailSender
    clock: Clock

    async def send(self, claimed: Claimed, message: Message) -> Sent:
        return await self.sender.send(claimed, message, at=self.clock.wall())

    async def find(self, claimed: Claimed) -> Sent | None:
        return None


@dataclass
class Pause:
    """Leaves a target alone while it is down or asked for patience; then tries one message before the rest."""

    clock: Clock
    channel: str
    streak: int = 0
    until: float = field(default=float("-inf"))

    def seconds(self) -> float:
        return max(0.0, self.until - self.clock.monotonic())

    @property
    def limit(self) -> int:
        return 1 if self.streak else BATCH

    def failed(self, error: NotSent) -> None:
        if not error.target_down:
            return
        self.streak += 1
        pause = error.retry_after if error.retry_after is not None else min(LONGEST_PAUSE, 0.5 * 2**self.streak)
        self.until = self.clock.monotonic() + pause
        metrics.TARGET_PAUSED.labels(self.channel).set(1)

    def worked(self) -> None:
        self.streak, self.until = 0, float("-inf")
        metrics.TARGET_PAUSED.labels(self.channel).set(0)


class Sender:
    """Works one channel of the queue; several replicas share it."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        channel: Channel,
        target: Target,
        *,
        team: Address,
        give_up_after: timedelta,
        lease: timedelta,
        woken: asyncio.Event | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self.channel = channel.value
        self._target = target
        self._team = team
        self._give_up_after = give_up_after
        self._lease = lease
        self._woken = woken or asyncio.Event()
        self.pause = Pause(clock, self.channel)

    async def run(self) -> None:
        """Send for ever; a database that is away only delays."""
        while True:
            try:
                paused = self.pause.seconds()
                if paused > 0:
                    await self._clock.sleep(paused)
                elif await self.send_due() == 0:
                    await wait(self._woken, self._clock, POLL)
            except Exception as error:  # noqa: BLE001  (the edge: logged with what it holds up, and tried again)
                log.warning("sending_interrupted", channel=self.channel, error=repr(error), passing=is_passing(error))
                await self._clock.sleep(AFTER_FAULT)

    async def send_due(self) -> int:
        """Send one batch; returns how many were claimed. One person's messages go one after the other."""
        now = self._clock.wall()
        async with self._database.transaction() as session:
            claimed = await queue.claim(session, self.channel, now=now, until=now + self._lease, limit=self.pause.limit)
        ordered = sorted(enumerate(claimed), key=lambda item: (item[1].recipient, item[0]))
        groups = [
            [each for _, each in group] for _, group in itertools.groupby(ordered, key=lambda item: item[1].recipient)
        ]
        # A message is begun in the first half of its lease and has the other half to be sent.
        begin_until = self._clock.monotonic() + self._lease.total_seconds() / 2
        await to_the_end(*(self._in_turn(group, begin_until) for group in groups))
        return len(claimed)

    async def _in_turn(self, group: Sequence[Claimed], begin_until: float) -> None:
        for claimed in group:
            if self._clock.monotonic() > begin_until:
                await self._put_back(claimed)
            else:
                await self._deliver(claimed)

    async def _put_back(self, claimed: Claimed) -> None:
        """Not begun: whoever is next may have it at once."""
        async with self._database.transaction() as session:
            await queue.release(session, claimed)

    async def _deliver(self, claimed: Claimed) -> None:
        try:
            async with asyncio.timeout(self._lease.total_seconds() / 2):
                sent = await self._attempt(claimed)
        except TimeoutError:
            await self._book_failure(claimed, NotSent("the lease ended first", uncertain=True, target_down=True))
        except NotSent as error:
            self.pause.failed(error)
            await self._book_failure(claimed, error)
        else:
            failpoints.reach("after_send")
            self.pause.worked()
            await self._book_success(claimed, sent)

    async def _attempt(self, claimed: Claimed) -> Sent:
        if claimed.look_first:
            try:
                found = await self._target.find(claimed)
            except NotSent as error:
                # Not looked, so still uncertain, whatever the reason.
                raise NotSent(
                    f"cannot look for an earlier attempt: {error.reason}",
                    permanent=error.permanent,
                    uncertain=True,
                    target_down=error.target_down,
                    retry_after=error.retry_after,
                ) from error
            if found is not None:
                return found
        try:
            return await self._target.send(claimed, Message.from_mapping(claimed.message))
        except NotSent:
            raise
        except Exception as error:
            # A fault of ours (a template, a message that cannot be built): it must not hold up the others.
            log.error("message_cannot_be_sent", delivery_id=str(claimed.delivery_id), exc_info=error)
            raise NotSent(f"a fault of ours: {error!r}", permanent=True) from error

    async def _book_success(self, claimed: Claimed, sent: Sent) -> None:
        wall = self._clock.wall()
        now = self._clock.now()
        data = notify.Delivered(**_about(claimed), attempts=claimed.attempts, as_of=now)
        async with self._database.transaction() as session:
            booked = await queue.finish(session, claimed, state=DELIVERED, wall=wall, place=sent.where)
            if booked:
                await outbox.add(session, [event_of(claimed, data, derived_id("delivered", claimed.delivery_id), now)])
        if booked:
            metrics.DELIVERIES.labels(self.channel, "found" if sent.found else "delivered").inc()
            waited = (wall - claimed.signal_wall).total_seconds()
            SIGNAL_TO_MESSAGE.labels(self.channel).observe(max(0.0, waited))

    async def _book_failure(self, claimed: Claimed, error: NotSent) -> None:
        wall, now = self._clock.wall(), self._clock.now()
        due_at = next_try(
            error,
            attempts=claimed.attempts,
            queued_at=claimed.queued_at,
            now=wall,
            give_up_after=self._give_up_after,
            jitter=random.random(),
        )
        log.warning(
            "delivery_failed",
            delivery_id=str(claimed.delivery_id),
            channel=self.channel,
            attempts=claimed.attempts,
            again_at=due_at.isoformat() if due_at else None,
            reason=error.reason,
        )
        async with self._database.transaction() as session:
            if due_at is not None:
                await queue.postpone(session, claimed, due_at=due_at, error=error.reason, uncertain=error.uncertain)
            else:
                reason = error.reason if error.permanent else f"gave up: {error.reason}"
                if await queue.finish(session, claimed, state=FAILED, wall=wall, reason=reason):
                    data = notify.Failed(**_about(claimed), reason=reason, attempts=claimed.attempts, as_of=now)
                    failed = derived_id("failed", claimed.delivery_id, claimed.attempts)
                    await outbox.add(session, [event_of(claimed, data, failed, now)])
                    await self._fall_back(session, claimed, reason)
        metrics.DELIVERIES.labels(self.channel, "retried" if due_at else "failed").inc()

    async def _fall_back(self, session: AsyncSession, claimed: Claimed, reason: str) -> None:
        """News that reaches its person on no channel goes to the team, so that somebody acts."""
        if "@" not in claimed.recipient or await deliveries.reached_otherwise(
            session,
            happened_at=claimed.happened_at,
            event_id=claimed.event_id,
            recipient=claimed.recipient,
            except_id=claimed.delivery_id,
        ):
            return
        message = Message.from_mapping(claimed.message)
        note = f"Meant for {claimed.recipient}, who cannot be reached: {reason}"
        kept = {name: getattr(claimed, name) for name in Row.__slots__ if hasattr(claimed, name)}
        row = Row(
            **{
                **kept,
                "delivery_id": delivery_id(claimed.event_id, claimed.rule, self._team),
                "channel": self._team.channel.value,
                "recipient": self._team.recipient,
                "reason": None,
                "message": replace(message, notes=(note, *message.notes)).to_json(),
            }
        )
        now, wall = self._clock.now(), self._clock.wall()
        await deliveries.add(session, [row], rules_version=claimed.rules_version, now=now, wall=wall)


async def to_the_end(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of it, even when the process is told to stop meanwhile: what was begun is booked."""
    under_way = asyncio.gather(*works, return_exceptions=True)
    try:
        results = await asyncio.shield(under_way)
    except asyncio.CancelledError:
        await under_way
        raise
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _about(claimed: Claimed) -> dict[str, Any]:
    return {
        "delivery_id": claimed.delivery_id,
        "client_id": claimed.client_id,
        "channel": claimed.channel,
        "recipient": claimed.recipient,
        "rule": claimed.rule,
        "case_id": claimed.case_id,
    }


def event_of(claimed: Claimed, data: Data, id_: Any, now: Any) -> Event[Any]:
    """An event about a delivery, in the trace of what caused the message."""
    event: Event[Any] = Event.of(data, id=id_, source="csl/notify", subject=claimed.subject, time=now)
    return event.model_copy(
        update={
            "traceparent": claimed.traceparent,
            "correlationid": claimed.correlation,
            "causationid": str(claimed.event_id),
        }
    )
