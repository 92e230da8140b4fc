"""From an event to a message at its target: whom it reaches, how often, and what is held back."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from common.contracts import client
from common.contracts import notify as said
from common.contracts.base import Origin

from tests.support import notify_world as world
from tests.support.notify_stack import NotifyStack
from tests.support.notify_world import MAYA, SAM


async def test_a_client_in_the_red_reaches_its_csm_on_slack_and_by_mail(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.band_changed(client_id), client_id)
    await notify.send()
    [slack] = notify.catcher.caught("slack")
    [mail] = notify.catcher.caught("email")
    assert (slack.inbox, mail.inbox) == (MAYA, MAYA)
    assert mail.subject == "Northwind Labs is red: health 52.1 (was 71.4)"
    assert "Logins fell from 34 to 9 a week (−11.5)" in mail.body["text"]
    assert "Call your champion today" in mail.body["html"]
    assert slack.client_id == mail.client_id == str(client_id)
    delivered = await notify.published(said.Delivered)
    assert {(each.channel, each.recipient, each.rule) for each in delivered} == {
        ("slack", MAYA, "score_below_60"),
        ("email", MAYA, "score_below_60"),
    }
    assert {str(each.delivery_id) for each in delivered} == {slack.delivery_id, mail.delivery_id}


async def test_a_long_subject_arrives_as_it_was_said(notify: NotifyStack, client_id: UUID) -> None:
    name = "Gesellschaft für angewandte Verfahrenstechnik und Logistik mbH & Co. KG"
    await notify.has(client_id, name=name)
    await notify.say(world.case_opened(client_id), client_id)
    await notify.send()
    subjects = {mail.subject for mail in notify.catcher.caught("email")}
    assert subjects == {f"Case opened for {name}: first step due Mon 2 Mar, 13:00 UTC"}


async def test_the_same_event_twice_is_one_message(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    event = world.event(world.flag_raised(client_id), client_id, at=notify.clock.now())
    await notify.deliver(event)
    await notify.deliver(event, event)
    await notify.send()
    assert len(notify.catcher.caught("slack")) == len(notify.catcher.caught("email")) == 1


async def test_without_a_csm_the_team_is_told(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id, csm_email=None, executive_sponsor_email=None)
    await notify.say(world.flag_raised(client_id), client_id)
    await notify.send()
    [message] = notify.catcher.caught()
    assert (message.channel, message.inbox) == ("slack", "#client-success")
    assert "nobody is named as CSM" in str(message.body["blocks"])


async def test_the_cases_people_win_over_the_clients(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.case_opened(client_id), client_id)
    await notify.say(world.case_assigned(client_id, "noor@ours.example", "eve@ours.example"), client_id)
    notify.clock.advance(hours=4)
    await notify.say(world.step_breached(client_id), client_id)
    breached = await notify.deliveries(rule="step_breached")
    assert {(row["channel"], row["recipient"]) for row in breached} == {
        ("slack", "noor@ours.example"),
        ("email", "noor@ours.example"),
        ("slack", "eve@ours.example"),
        ("email", "eve@ours.example"),
        ("slack", "#client-success"),
    }


async def test_flapping_is_told_once_a_day(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.band_changed(client_id), client_id)
    notify.clock.advance(hours=3)
    await notify.say(world.band_changed(client_id), client_id)
    states = [row["state"] for row in await notify.deliveries(channel="slack")]
    assert states == ["queued", "suppressed"]
    notify.clock.advance(hours=22)
    await notify.say(world.band_changed(client_id), client_id)
    assert len(await notify.deliveries(channel="slack", state="queued")) == 2
    [held, _] = await notify.published(said.Suppressed)
    assert held.reason.startswith("throttled")


async def test_a_test_client_tells_nobody(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id, test=True)
    await notify.say(world.scored(client_id), client_id)
    await notify.say(world.band_changed(client_id), client_id)
    assert await notify.send() == 0
    assert await notify.write_back() == 0
    assert {event.reason for event in await notify.published(said.Suppressed)} == {"test client"}


async def test_history_never_acts(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.band_changed(client_id, mode="historic"), client_id)
    await notify.say(world.band_changed(client_id, mode="restated"), client_id)
    await notify.say(world.blocker(), client_id, origin=Origin.IMPORT)
    await notify.say(world.milestone_late(client_id, mode="historic"), client_id)
    assert await notify.deliveries() == []
    assert await notify.published(said.Suppressed) == []


async def test_model_changes_and_missing_data_are_not_alerted(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.band_changed(client_id, cause="model"), client_id)
    await notify.say(
        world.band_changed(
            client_id, band="unknown", band_before="green", last_known_band="green", cause="missing_data"
        ),
        client_id,
    )
    assert await notify.deliveries() == []


async def test_a_late_milestone_reminds_its_owner_then_alerts(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.milestone_late(client_id, 0), client_id)
    [reminder] = await notify.deliveries()
    assert (reminder["rule"], reminder["recipient"], reminder["channel"]) == (
        "milestone_due",
        "olga@ours.example",
        "slack",
    )
    notify.clock.advance(days=3)
    await notify.say(world.milestone_late(client_id, 3), client_id)
    alerted = await notify.deliveries(rule="milestone_late_3_days")
    assert {row["recipient"] for row in alerted} == {"olga@ours.example", MAYA}


async def test_a_milestone_is_told_to_its_owner_before_it_is_due_and_when_it_is_reached_to_the_owner_of_the_next(
    notify: NotifyStack, client_id: UUID
) -> None:
    await notify.has(client_id)
    await notify.say(world.milestone_due(client_id), client_id)
    await notify.say(world.milestone_reached(client_id), client_id)
    told = {row["rule"]: (row["recipient"], row["channel"]) for row in await notify.deliveries()}
    assert told == {
        "milestone_due_soon": ("olga@ours.example", "slack"),
        "next_milestone": ("olga@ours.example", "slack"),
    }


async def test_a_client_that_goes_back_to_a_phase_is_told_to_its_csm(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.phase_changed(client_id, "kickoff"), client_id)
    assert await notify.deliveries() == []
    await notify.say(world.phase_changed(client_id), client_id)
    [row] = await notify.deliveries()
    assert (row["rule"], row["recipient"]) == ("phase_moved_back", MAYA)


async def test_only_critical_blockers_are_alerted(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.blocker("high"), client_id)
    assert await notify.deliveries() == []
    await notify.say(world.blocker("critical"), client_id)
    assert {row["recipient"] for row in await notify.deliveries()} == {MAYA}


async def test_a_silent_feed_is_told_to_whoever_is_on_call_once(notify: NotifyStack) -> None:
    event = world.event(world.feed_silent(), "zendesk", at=notify.clock.now())
    await notify.deliver(event)
    await notify.deliver(event)
    await notify.send()
    [message] = notify.catcher.caught()
    assert message.inbox == "#on-call"
    assert "The feed zendesk has been silent for 26 h" in message.subject
    [delivered] = await notify.published(said.Delivered)
    assert delivered.client_id is None


async def test_a_feed_that_comes_and_goes_is_told_once_in_a_while(notify: NotifyStack) -> None:
    for _ in range(3):
        await notify.say(world.feed_silent(), "zendesk")
        notify.clock.advance(hours=1)
    await notify.say(world.feed_silent("stripe"), "stripe")
    states = [row["state"] for row in await notify.deliveries()]
    assert states == ["queued", "suppressed", "suppressed", "queued"]
    assert {event.client_id for event in await notify.published(said.Suppressed)} == {None}


async def test_nobody_is_flooded(notify: NotifyStack) -> None:
    clients = [uuid4() for _ in range(25)]
    for client_id in clients:
        await notify.has(client_id)
        await notify.say(world.band_changed(client_id), client_id)
    queued = await notify.deliveries(channel="slack", state="queued")
    held = await notify.deliveries(channel="slack", state="suppressed")
    assert (len(queued), len(held)) == (20, 5)
    assert held[0]["reason"].startswith("limit: 20 messages")
    assert "held back" in queued[-1]["message"]["notes"][0]
    await notify.say(world.step_breached(clients[0]), clients[0])
    assert len(await notify.deliveries(rule="step_breached", state="queued", recipient=MAYA)) == 2


async def test_what_is_long_past_is_told_to_nobody(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.band_changed(client_id), client_id, at=notify.clock.now() - timedelta(hours=73))
    assert {row["state"] for row in await notify.deliveries()} == {"suppressed"}


async def test_an_alert_that_overtakes_its_client_waits_for_it(notify: NotifyStack, client_id: UUID) -> None:
    await notify.say(world.band_changed(client_id), client_id)
    assert await notify.deliveries() == []
    await notify.has(client_id)
    notify.clock.advance(seconds=30)
    assert await notify.fire() == 1
    assert {row["recipient"] for row in await notify.deliveries()} == {MAYA}


async def test_an_alert_whose_client_never_comes_goes_to_the_team(notify: NotifyStack, client_id: UUID) -> None:
    await notify.say(world.band_changed(client_id), client_id)
    notify.clock.advance(seconds=30)
    await notify.fire()
    [row] = await notify.deliveries()
    assert row["recipient"] == "#client-success"
    assert str(client_id)[:8] in row["message"]["title"]


async def test_erasing_a_client_takes_its_messages_along(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.scored(client_id), client_id)
    await notify.say(world.band_changed(client_id), client_id)
    other = uuid4()
    await notify.say(world.band_changed(other), other)
    await notify.say(client.ClientErased(), client_id)
    await notify.say(client.ClientErased(), other)
    await notify.say(world.flag_raised(client_id), client_id)
    notify.clock.advance(minutes=1)
    assert await notify.fire() == 0
    assert await notify.send() == 0
    for table in ("deliveries", "delivery_queue", "told", "crm_status", "feedback", "facts", "states", "timers"):
        assert await notify.rows(f"SELECT 1 FROM {table}") == [], table


async def test_a_merged_clients_alerts_go_where_it_went(notify: NotifyStack) -> None:
    gone, kept = uuid4(), uuid4()
    await notify.has(gone, csm_email=SAM)
    await notify.has(kept, name="Kept Ltd")
    for side in (gone, kept):
        await notify.say(client.ClientsMerged(from_client_id=gone, into_client_id=kept), side)
    await notify.say(world.flag_raised(gone), gone)
    rows = await notify.deliveries()
    assert {row["client_id"] for row in rows} == {kept}


@pytest.mark.parametrize("kind", ["slack", "email"])
async def test_an_unconfigured_channel_is_said_plainly(notify: NotifyStack, client_id: UUID, kind: str) -> None:
    from notify.domain.rules import Channel

    notify.desk.configured = frozenset(Channel) - {Channel(kind)}
    await notify.has(client_id)
    await notify.say(world.flag_raised(client_id), client_id)
    [held] = await notify.deliveries(state="suppressed")
    assert (held["channel"], held["reason"]) == (kind, f"{kind} is not configured")
