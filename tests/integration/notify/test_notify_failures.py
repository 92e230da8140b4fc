"""When targets fail: nothing is lost, nothing is said twice, and what failed is seen."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from common.contracts import notify as said
from notify.domain.rules import Channel

from tests.support import notify_world as world
from tests.support.notify_stack import NotifyStack
from tests.support.notify_world import MAYA, NOW


class Killed(BaseException):
    """Stands for kill −9: nothing of ours may catch it."""


async def flagged(notify: NotifyStack, client_id: UUID, **profile: object) -> None:
    await notify.has(client_id, **profile)
    await notify.say(world.flag_raised(client_id), client_id)


async def only_on(notify: NotifyStack, channel: str) -> None:
    """One channel is configured, so that a test looks at one message."""
    notify.desk.configured = frozenset({Channel(channel)})


async def test_retry_after_is_honoured_to_the_second(notify: NotifyStack, client_id: UUID) -> None:
    await only_on(notify, "slack")
    await flagged(notify, client_id)
    notify.catcher.fail("slack", "rate_limited", retry_after=17, method="chat.postMessage")
    await notify.send()
    [row] = await notify.deliveries(channel="slack")
    assert row["state"] == "queued"
    assert row["next_try_at"] == NOW + timedelta(seconds=17)
    assert "patience" in row["last_error"]
    notify.clock.advance(seconds=16)
    assert await notify.send() == 0
    notify.clock.advance(seconds=1)
    await notify.send()
    assert len(notify.catcher.caught("slack")) == 1


async def test_a_worker_leaves_a_target_alone_that_asked_for_patience(notify: NotifyStack, client_id: UUID) -> None:
    await only_on(notify, "slack")
    await flagged(notify, client_id)
    worker = notify.sender(Channel.SLACK)
    notify.catcher.fail("slack", "rate_limited", retry_after=17)
    await worker.send_due()
    assert worker.pause.seconds() == 17
    assert worker.pause.limit == 1
    notify.clock.advance(seconds=17)
    assert worker.pause.seconds() == 0
    await worker.send_due()
    assert worker.pause.streak == 0


@pytest.mark.parametrize("channel", ["slack", "email"])
async def test_an_outage_loses_nothing(notify: NotifyStack, client_id: UUID, channel: str) -> None:
    await only_on(notify, channel)
    await flagged(notify, client_id)
    notify.catcher.fail(channel, "server_error", times=5)
    for _ in range(8):
        await notify.send()
        notify.clock.advance(minutes=6)
    [message] = notify.catcher.caught(channel)
    assert message.inbox == MAYA
    [row] = await notify.deliveries(channel=channel)
    assert (row["state"], row["attempts"]) == ("delivered", 6)
    assert [event.attempts for event in await notify.published(said.Delivered)] == [6]


async def test_nobody_there_at_all_is_an_outage_too(notify: NotifyStack, client_id: UUID) -> None:
    await flagged(notify, client_id)
    notify._slack._base_url = "http://127.0.0.1:9/"
    notify.settings = notify.settings.model_copy(update={"smtp_port": 9})
    await notify.send()
    assert {row["state"] for row in await notify.deliveries()} == {"queued"}
    assert all("cannot be reached" in row["last_error"] for row in await notify.deliveries())


@pytest.mark.parametrize("kind", ["hang_after", "hang_before"])
async def test_an_uncertain_post_is_looked_for_before_it_is_sent_again(
    notify: NotifyStack, client_id: UUID, kind: str
) -> None:
    await only_on(notify, "slack")
    await flagged(notify, client_id)
    notify.catcher.fail("slack", kind, hang_seconds=4, method="chat.postMessage")
    await notify.send()
    [row] = await notify.deliveries(channel="slack")
    assert "did not answer" in row["last_error"]
    notify.clock.advance(minutes=1)
    await notify.send()
    [row] = await notify.deliveries(channel="slack")
    assert row["state"] == "delivered"
    assert len(notify.catcher.caught("slack")) == 1


async def test_a_post_whose_bookkeeping_was_killed_is_found_and_not_repeated(
    notify: NotifyStack, client_id: UUID
) -> None:
    """Kill −9 between the post and its booking: the lease ends, the next worker looks first."""
    await only_on(notify, "slack")
    await flagged(notify, client_id)
    worker = notify.sender(Channel.SLACK)

    async def killed(*_: object) -> None:
        raise Killed

    worker._book_success = killed  # type: ignore[assignment, method-assign]  # a kill in place of it
    with pytest.raises(Killed):
        await worker.send_due()
    assert await notify.send() == 0, "the lease still holds"
    notify.clock.advance(seconds=61)
    await notify.send()
    assert len(notify.catcher.caught("slack")) == 1
    [row] = await notify.deliveries(channel="slack")
    assert row["state"] == "delivered"


async def test_a_post_to_a_channel_by_name_is_found_after_a_restart(notify: NotifyStack, client_id: UUID) -> None:
    await only_on(notify, "slack")
    await flagged(notify, client_id, csm_email=None)
    notify.catcher.fail("slack", "hang_after", hang_seconds=4, method="chat.postMessage")
    await notify.send()
    notify._slack._channels.clear()
    notify.clock.advance(minutes=1)
    await notify.send()
    assert len(notify.catcher.caught("slack", "#client-success")) == 1


async def test_a_mail_that_is_sent_twice_keeps_its_message_id(notify: NotifyStack, client_id: UUID) -> None:
    await only_on(notify, "email")
    await flagged(notify, client_id)
    notify.catcher.fail("email", "hang_after", hang_seconds=4)
    await notify.send()
    notify.clock.advance(minutes=1)
    await notify.send()
    mails = notify.catcher.caught("email")
    assert len(mails) == 2
    assert len({mail.body["headers"]["Message-ID"] for mail in mails}) == 1


async def test_a_refusal_that_stays_is_seen_at_once_and_the_team_is_told(notify: NotifyStack, client_id: UUID) -> None:
    await flagged(notify, client_id, csm_email="bounce@ours.example")
    notify.catcher.fail("slack", "rejected", method="users.lookupByEmail", error="users_not_found")
    await notify.send()
    failed = await notify.published(said.Failed)
    assert {(event.channel, event.reason.split(": ")[1].split(" ")[0]) for event in failed} == {
        ("slack", "users_not_found"),
        ("email", "550"),
    }
    await notify.send()
    [team] = notify.catcher.caught("slack", "#client-success")
    assert "Meant for bounce@ours.example, who cannot be reached" in str(team.body["blocks"])


async def test_a_person_reached_by_mail_needs_no_fallback(notify: NotifyStack, client_id: UUID) -> None:
    await flagged(notify, client_id, csm_email="nobody@ours.example")
    await notify.send()
    assert [event.channel for event in await notify.published(said.Failed)] == ["slack"]
    assert notify.catcher.caught("slack") == []
    assert len(notify.catcher.caught("email")) == 1


async def test_a_broken_token_is_seen_at_once_and_retried_on_request(notify: NotifyStack, client_id: UUID) -> None:
    await only_on(notify, "slack")
    await flagged(notify, client_id)
    notify.catcher.fail("slack", "unauthorized", times=2)
    await notify.send()
    failed = await notify.deliveries(state="failed")
    assert all("invalid_auth" in row["reason"] for row in failed)
    async with notify.http("notify:write") as http:
        answer = await http.post("/v1/retries", json={"channel": "slack"})
    assert answer.json()["queued"] == len(failed) > 0
    await notify.send()
    assert {row["state"] for row in await notify.deliveries(channel="slack")} == {"delivered"}
    assert len(notify.catcher.caught("slack")) == len(failed)


async def test_after_three_days_it_gives_up_and_says_so(notify: NotifyStack, client_id: UUID) -> None:
    await only_on(notify, "slack")
    await flagged(notify, client_id)
    notify.catcher.fail("slack", "server_error", times=1000)
    await notify.send()
    notify.clock.advance(hours=73)
    await notify.send()
    failed = await notify.published(said.Failed)
    assert failed[0].reason.startswith("gave up: Slack failed")


async def test_two_workers_send_each_message_once(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    for step in ("assign", "root_cause_call", "mitigation_plan"):
        await notify.say(world.step_breached(client_id, step), client_id)
    workers = [notify.sender(Channel.SLACK) for _ in range(4)]
    await asyncio.gather(*(worker.send_due() for worker in workers))
    sent = notify.catcher.caught("slack")
    assert len(sent) == len({message.delivery_id for message in sent}) == 9


async def test_ones_messages_come_in_the_order_of_events(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.band_changed(client_id, band="amber", score=72.0, last_known_band="green"), client_id)
    notify.clock.advance(minutes=1)
    await notify.say(world.band_changed(client_id), client_id)
    notify.clock.advance(minutes=1)
    await notify.say(world.flag_raised(client_id), client_id)
    await notify.send()
    rules = [message.body["metadata"]["event_payload"]["rule"] for message in notify.catcher.caught("slack")]
    assert rules == ["band_worse", "score_below_60", "likely_churn"]
