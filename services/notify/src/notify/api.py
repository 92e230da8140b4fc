"""HTTP of notify: parse → service → response."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import parse_qs
from uuid import UUID

from common.auth import Caller, public, requires
from common.clock import Clock
from common.contracts.base import UtcDatetime
from common.db import SessionDep
from common.errors import NotFound, Refused
from common.http import PROBLEMS, Once, Page, check_if_match, decode_cursor, encode_cursor, etag_of
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response

from notify import forms, service
from notify.adapters.mail import text_of
from notify.adapters.slack import signed_by_slack
from notify.domain.message import Message
from notify.domain.rules import Channel, Condition, Policy, Rule
from notify.handlers import Desk
from notify.repository import crm, deliveries, people
from notify.settings import Settings

READ, WRITE = "notify:read", "notify:write"
BIGINT = 2**63
NO_NUL = r"^[^\x00]*$"
"""PostgreSQL cannot store NUL."""


def clock_of(request: Request) -> Clock:
    clock: Clock = request.app.state.clock
    return clock


def settings_of(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def desk_of(request: Request) -> Desk:
    """The desk of this process: the rules in force."""
    desk: Desk = request.app.state.desk
    return desk


DeskDep = Annotated[Desk, Depends(desk_of)]


messages = APIRouter(tags=["deliveries"])


@messages.get("/v1/deliveries", dependencies=[requires(READ)], summary="Messages, newest first")
async def list_deliveries(
    session: SessionDep,
    client_id: UUID | None = None,
    case_id: UUID | None = None,
    state: forms.State | None = None,
    channel: Channel | None = None,
    recipient: Annotated[str | None, Query(max_length=320, pattern=NO_NUL)] = None,
    rule: Annotated[str | None, Query(max_length=60, pattern=NO_NUL)] = None,
    since: UtcDatetime | None = None,
    until: UtcDatetime | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[forms.DeliveryView]:
    filters = {
        "client_id": client_id,
        "case_id": case_id,
        "state": state,
        "channel": channel.value if channel else None,
        "recipient": recipient.lower() if recipient else None,
        "rule": rule,
        "since": since,
        "until": until,
        "before": _position(cursor),
    }
    rows = await deliveries.page(session, filters, limit)
    following = encode_cursor({"before": rows[-1]["seq"]}) if len(rows) == limit else None
    return Page(items=[forms.view(row) for row in rows], next=following)


@messages.get(
    "/v1/deliveries/{delivery_id}",
    dependencies=[requires(READ)],
    responses={404: PROBLEMS[404]},
    summary="One message as it was worded",
)
async def get_delivery(delivery_id: UUID, session: SessionDep) -> forms.DeliveryDetail:
    row = await service.delivery(session, delivery_id)
    text = text_of(Message.from_mapping(row["message"]))
    brief = forms.view(row).model_dump()
    return forms.DeliveryDetail(**brief, message=row["message"], text=text, actions=row["actions"])


@messages.post(
    "/v1/deliveries/{delivery_id}/feedback",
    dependencies=[requires(WRITE)],
    responses={404: PROBLEMS[404], 200: {"model": forms.FeedbackView}},
    summary="Say whether a message helped",
)
async def give_feedback(
    delivery_id: UUID, form: forms.FeedbackForm, session: SessionDep, caller: Caller, request: Request, once: Once
) -> Response:
    answer = service.Answer(delivery_id, form.action, caller.subject, form.note)
    fresh = await service.record(session, answer, clock=clock_of(request))
    return await once.keep(
        forms.FeedbackView(delivery_id=delivery_id, action=form.action, by=caller.subject, recorded=fresh)
    )


@messages.post(
    "/v1/deliveries/{delivery_id}/retry",
    dependencies=[requires(WRITE)],
    responses={404: PROBLEMS[404], 409: PROBLEMS[409], 200: {"model": forms.Retried}},
    summary="Send a failed message again",
)
async def retry_delivery(delivery_id: UUID, session: SessionDep, request: Request, once: Once) -> Response:
    await service.retry(session, delivery_id, clock=clock_of(request))
    return await once.keep(forms.Retried(queued=1))


@messages.post(
    "/v1/retries",
    dependencies=[requires(WRITE)],
    responses={200: {"model": forms.Retried}},
    summary="Send all failed messages again",
)
async def retry_deliveries(form: forms.RetryForm, session: SessionDep, request: Request, once: Once) -> Response:
    queued = await service.retry_all(session, channel=form.channel, since=form.since, clock=clock_of(request))
    return await once.keep(forms.Retried(queued=queued))


def _position(cursor: str | None) -> int | None:
    """Where a page of deliveries ends. Raises Refused."""
    if cursor is None:
        return None
    before = decode_cursor(cursor, "before")["before"]
    if not isinstance(before, int) or not 0 <= before < BIGINT:
        raise Refused("not a cursor of this list", field="cursor")
    return before


def _client(cursor: str | None) -> UUID | None:
    """Where a page of clients ends. Raises Refused."""
    if cursor is None:
        return None
    try:
        return UUID(str(decode_cursor(cursor, "after")["after"]))
    except ValueError as error:
        raise Refused("not a cursor of this list", field="cursor") from error


@messages.get("/v1/crm", dependencies=[requires(READ)], summary="Write-backs: what the CRM says and should say")
async def list_crm(
    session: SessionDep, failing: bool = False, limit: Limit = 50, cursor: Cursor = None
) -> Page[forms.CrmView]:
    rows = await crm.page(session, failing=failing, after=_client(cursor), limit=limit)
    following = encode_cursor({"after": rows[-1]["client_id"]}) if len(rows) == limit else None
    return Page(items=[forms.CrmView(**row) for row in rows], next=following)


rules = APIRouter(tags=["rules"])


@rules.get("/v1/rules", dependencies=[requires(READ)], summary="The rules in force, in order")
async def list_rules(desk: DeskDep) -> forms.RulesView:
    return rules_view(desk.policy)


def rules_view(policy: Policy) -> forms.RulesView:
    return forms.RulesView(
        version=policy.version,
        sha256=policy.sha256,
        limit_messages=policy.limit.most,
        limit_seconds=policy.limit.within.total_seconds(),
        items=[_rule_view(rule) for rule in policy.rules],
    )


def _rule_view(rule: Rule) -> forms.RuleView:
    return forms.RuleView(
        name=rule.name,
        on=rule.on,
        when={name: _condition_view(condition) for name, condition in rule.when.items()},
        to=[to.value for to in rule.to],
        channels=list(rule.channels),
        tone=rule.tone.value,
        throttle_seconds=rule.throttle.window.total_seconds() if rule.throttle else None,
        throttle_per=list(rule.throttle.per) if rule.throttle else [],
        stale_after_seconds=rule.stale_after.total_seconds(),
        bounded=rule.bounded,
        next=list(rule.next),
    )


def _condition_view(condition: Condition) -> dict[str, Any]:
    return {name: value for name, value in asdict(condition).items() if value is not None}


wishes = APIRouter(tags=["preferences"])


@wishes.get("/v1/preferences", dependencies=[requires(READ)], summary="What each of us asked for")
async def list_preferences(session: SessionDep, limit: Limit = 50, cursor: Cursor = None) -> Page[forms.PreferenceView]:
    after = str(decode_cursor(cursor, "after")["after"]).replace("\x00", "") if cursor else ""
    rows = await people.preference_page(session, after, limit)
    following = encode_cursor({"after": rows[-1]["person"]}) if len(rows) == limit else None
    return Page(items=[forms.PreferenceView(**row) for row in rows], next=following)


@wishes.put(
    "/v1/preferences/{person}",
    dependencies=[requires(WRITE)],
    responses={412: PROBLEMS[412]},
    summary="Choose channels, mute rules, be quiet for a while",
)
async def put_preference(
    person: Annotated[str, Path(max_length=320, pattern=NO_NUL)],
    form: forms.PreferenceForm,
    session: SessionDep,
    caller: Caller,
    request: Request,
    response: Response,
    desk: DeskDep,
) -> forms.PreferenceView:
    wanted = service.wished(
        person,
        channels=None if form.channels is None else tuple(form.channels),
        muted=tuple(form.muted),
        quiet_until=form.quiet_until,
        timezone=form.timezone,
        policy=desk.policy,
    )
    known = await people.lock_preference(session, wanted.person)
    check_if_match(request, etag_of(wanted.person, known["version"] if known else 0))
    saved = await people.save_preference(session, wanted, by=caller.subject, at=clock_of(request).now())
    response.headers["ETag"] = etag_of(wanted.person, saved["version"])
    return forms.PreferenceView(**saved)


@wishes.get("/v1/quiet", dependencies=[requires(READ)], summary="Clients whose messages are held back now")
async def list_quiet(session: SessionDep, request: Request, limit: Limit = 50) -> Page[forms.QuietView]:
    rows = await people.quiet_page(session, clock_of(request).now(), limit)
    return Page(items=[forms.QuietView(**row) for row in rows])


@wishes.put(
    "/v1/clients/{client_id}/quiet",
    dependencies=[requires(WRITE)],
    summary="Hold a client's messages back for a while",
)
async def put_quiet(
    client_id: UUID, form: forms.QuietForm, session: SessionDep, caller: Caller, request: Request
) -> forms.QuietView:
    clock = clock_of(request)
    saved = await service.quiet(
        session, client_id, form.quiet_until, reason=form.reason, by=caller.subject, clock=clock
    )
    return forms.QuietView(**saved)


callbacks = APIRouter(tags=["slack"])


@callbacks.post(
    "/v1/slack/interactions",
    dependencies=[public()],
    status_code=200,
    summary="Slack's callback when somebody presses a button (signed by Slack)",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {"type": "object", "properties": {"payload": {"type": "string"}}}
                }
            },
        }
    },
)
async def slack_interaction(request: Request, session: SessionDep) -> Response:
    """Answered within Slack's three seconds: the press is kept and published as `acted`."""
    raw = await request.body()
    clock, settings = clock_of(request), settings_of(request)
    good = signed_by_slack(
        settings.slack_signing_secret.get_secret_value(),
        body=raw,
        timestamp=request.headers.get("x-slack-request-timestamp"),
        signature=request.headers.get("x-slack-signature"),
        now=clock.wall(),
    )
    if not good:
        raise HTTPException(401, "the signature is missing, wrong or stale")
    answer = service.answer_of(_payload(raw))
    if answer is not None:
        try:
            await service.record(session, answer, clock=clock)
        except NotFound:
            # A button of a message that retention or erasure has removed: nothing to say to the presser.
            return Response(status_code=200)
    return Response(status_code=200)


def _payload(raw: bytes) -> dict[str, Any]:
    """The JSON in the form's `payload`; an empty object for what is not one."""
    fields = parse_qs(raw.decode(errors="replace"))
    try:
        value = json.loads(fields.get("payload", ["{}"])[0])
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


ROUTERS = (messages, rules, wishes, callbacks)
