"""Clients to score: a steady one in a few words, and any one that hypothesis can think of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from common.contracts import client
from common.contracts.base import Data, Event, Origin
from health import definitions
from health.domain.evaluate import Evaluation, Feeds, Heard, evaluate
from health.domain.fold import fold
from health.domain.journey import Template
from health.domain.model import Model
from health.domain.moments import seconds_of
from hypothesis import strategies as st

CONFIG = Path(__file__).parents[2] / "deploy" / "config" / "health"
DAY_0 = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
"""A Monday."""
ADA = UUID("00000000-0000-4000-8000-00000000ada0")
SOURCES = ("segment", "hubspot", "zendesk", "stripe", "delighted", "csm")
EVERY_DAY = {name: Heard(10**12, 86400) for name in SOURCES}
"""All sources are heard for ever."""


def loop_model(version: int = 1) -> Model:
    """The model as shipped."""
    return definitions.model_from((CONFIG / "loop.yaml").read_text()).compiled(version)


def shipped_journey() -> Template:
    return definitions.journey_from((CONFIG / "journey.yaml").read_text()).compiled(1)


LOOP = loop_model()
JOURNEY = shipped_journey()


def day(number: float, hours: float = 0) -> datetime:
    """A moment so many days and hours after DAY_0."""
    return DAY_0 + timedelta(days=number, hours=hours)


def event(
    body: Data,
    at: datetime,
    source: str = "segment",
    *,
    client_id: UUID = ADA,
    nth: object = 0,
    origin: Origin = Origin.LIVE,
    **more: Any,
) -> Event[Any]:
    """An event of ingest's; the same words give the same event."""
    name = f"{client_id} {body.TYPE} {body.model_dump_json()} {at.isoformat()} {source} {nth}"
    return Event.of(
        body,
        id=more.pop("id", None) or uuid5(NAMESPACE_OID, name),
        source=f"csl/ingest/{source}",
        subject=client_id,
        time=at,
        origin=origin,
        **more,
    )


def registered(at: datetime = DAY_0, *, client_id: UUID = ADA, **more: Any) -> Event[Any]:
    profile = {
        "name": "Northwind Labs",
        "tier": "core",
        "seats": 10,
        "key_features": ["reports", "automation", "export", "alerts"],
        "contract_started_on": "2026-01-05",
        "renewal_on": "2027-01-05",
        "mrr": {"amount": 250_000, "currency": "USD"},
        "csm_email": "maya@ours.example",
        "refs": [],
        **more,
    }
    return event(client.ClientRegistered.model_validate(profile), at, "hubspot", client_id=client_id)


def reading(sentiment: float, words: int = 30) -> dict[str, Any]:
    return {"sentiment": sentiment, "words": words}


def steady(
    days: int, *, client_id: UUID = ADA, start: datetime = DAY_0, origin: Origin = Origin.LIVE
) -> list[Event[Any]]:
    """A client that is well: daily use, answered mail, paid invoices, reached targets."""
    life: list[tuple[Data, float, str]] = [
        (client.ContactAdded(contact_id="ada", role="sponsor"), 0.01, "hubspot"),
        (client.ContactAdded(contact_id="ben", role="champion"), 0.01, "hubspot"),
        (_target(), 0.02, "csm"),
        (client.MilestoneCompleted(milestone="data_import_complete"), 4, "csm"),
        (client.MilestoneCompleted(milestone="first_automation_live"), 9, "csm"),
        (client.MeetingHeld(meeting_id="kick", kind="kickoff", attended=("ada",)), 2, "hubspot"),
        (client.TrainingCompleted(course="core"), 15, "csm"),
        (client.ClientHandedOff(), 25, "csm"),
    ]
    for number in range(days):
        if number % 7 < 5:
            life += [(client.LoggedIn(contact_id=f"user-{who}"), number + who / 100, "segment") for who in range(8)]
            life += [
                (client.UsageRecorded(feature=feature, quantity=10.0), number + 0.2, "segment")
                for feature in ("reports", "automation", "export", "alerts")
            ]
        if number % 10 == 3:
            life += _mail(number)
        if number % 30 == 1:
            life += _month(number)
    events = [event(body, start + timedelta(days=at), source, client_id=client_id, origin=origin)
              for body, at, source in life if at < days]  # fmt: skip
    return sorted([registered(start, client_id=client_id).model_copy(update={"origin": origin}), *events], key=order)


def _target() -> Data:
    return client.KpiTargetSet(kpi="hours_saved", unit="hours", direction="up", baseline=0.0, target=10.0)


def _mail(number: int) -> list[tuple[Data, float, str]]:
    asked = client.MessageExchanged(
        message_id=f"q{number}", channel="email", direction="outbound", thread_id=f"t{number}"
    )
    answer = client.MessageExchanged.model_validate(
        {"message_id": f"a{number}", "channel": "email", "direction": "inbound", "thread_id": f"t{number}",
         "reading": reading(0.4)}
    )  # fmt: skip
    return [(asked, number + 0.3, "hubspot"), (answer, number + 0.45, "hubspot")]


def _month(number: int) -> list[tuple[Data, float, str]]:
    due = (DAY_0 + timedelta(days=number + 14)).date()
    bill = {"invoice_id": f"in{number}", "amount": {"amount": 1, "currency": "USD"}, "due_on": due}
    nps = client.SurveyAnswered(survey="nps", contact_id="ada", score=9.0, scale_min=0.0, scale_max=10.0)
    return [
        (client.KpiReported(kpi="hours_saved", value=10.0), number + 0.5, "csm"),
        (client.InvoiceIssued.model_validate(bill), number, "stripe"),
        (client.InvoicePaid(invoice_id=f"in{number}"), number + 5, "stripe"),
        (nps, number + 0.6, "delighted"),
    ]


def order(known: Event[Any]) -> Any:
    """Not `Event.order`, which a copied event takes over from its original."""
    return (known.time, known.knowntime, known.sequence, known.id)


def score(
    events: Iterable[Event[Any]], at: datetime, feeds: Feeds | None = EVERY_DAY, model: Model = LOOP
) -> Evaluation:
    """The client at a moment, of facts in any order."""
    known = sorted((e for e in events if e.time <= at), key=order)
    return evaluate(model, fold(known), seconds_of(at), feeds, JOURNEY)


# Any client

_ids = st.sampled_from(["a", "b", "c"])
_money = st.integers(0, 500_000).map(lambda amount: {"amount": amount, "currency": "USD"})
_readings = st.none() | st.floats(-1, 1).map(lambda s: reading(round(s, 3)))
_bodies: list[st.SearchStrategy[Data]] = [
    st.builds(client.LoggedIn, contact_id=st.none() | _ids),
    st.builds(client.UsageRecorded, feature=st.sampled_from(["reports", "export", "alerts"]),
              quantity=st.floats(0, 1000).map(lambda q: round(q, 2)), active_users=st.none() | st.integers(0, 40)),
    st.builds(lambda t, p, r: client.TicketOpened.model_validate({"ticket_id": t, "priority": p, "reading": r}),
              _ids, st.sampled_from(["low", "normal", "high", "urgent"]), _readings),
    st.builds(lambda t, s: client.TicketResolved.model_validate(
        {"ticket_id": t, "csat": {"score": s, "scale_max": 5.0}}), _ids, st.integers(1, 5).map(float)),
    st.builds(lambda m, d, r: client.MessageExchanged.model_validate(
        {"message_id": m, "channel": "email", "direction": d, "thread_id": m, "reading": r}),
        _ids, st.sampled_from(["inbound", "outbound"]), _readings),
    st.builds(client.SurveyAnswered, survey=st.just("nps"), contact_id=st.none() | _ids,
              score=st.integers(0, 10).map(float), scale_min=st.just(0.0), scale_max=st.just(10.0)),
    st.builds(client.ContactAdded, contact_id=_ids, role=st.sampled_from(["sponsor", "champion", "user"])),
    st.builds(client.ContactLeft, contact_id=_ids),
    st.builds(client.SponsorChanged, contact_before=st.none() | _ids, contact_after=st.none() | _ids),
    st.builds(client.KpiTargetSet, kpi=_ids, unit=st.just("h"), direction=st.sampled_from(["up", "down"]),
              baseline=st.integers(0, 5).map(float), target=st.integers(0, 9).map(float)),
    st.builds(client.KpiReported, kpi=_ids | st.just("roi"), value=st.integers(0, 12).map(float)),
    st.builds(lambda i, m: client.InvoiceIssued.model_validate({"invoice_id": i, "amount": m, "due_on": "2026-02-01"}),
              _ids, _money),
    st.builds(client.InvoicePaid, invoice_id=_ids),
    st.builds(client.PaymentFailed, invoice_id=_ids),
    st.builds(client.InvoiceDisputed, invoice_id=_ids),
    st.builds(lambda i, m: client.SubscriptionChanged.model_validate({"subscription_id": i, "mrr_after": m}),
              _ids, _money),
    st.builds(client.MilestoneCompleted, milestone=st.sampled_from(["hand_off", "data_import_complete", "own"])),
    st.builds(client.ClientHandedOff),
    st.builds(lambda d: client.ContractCancelled.model_validate({"effective_on": d}), st.sampled_from(["2026-06-01"])),
    st.builds(client.CancellationWithdrawn),
    st.builds(client.MeetingHeld, meeting_id=_ids, kind=st.sampled_from(["review", "renewal", "kickoff"]),
              attended=st.just(())),
    st.builds(lambda n: client.ClientUpdated(seats=n, key_features=("reports", "export")), st.integers(1, 30)),
]  # fmt: skip


@st.composite
def lives(draw: st.DrawFn, most: int = 40) -> list[Event[Any]]:
    """Facts of one client over 200 days, in order, registered on the first."""
    drawn = draw(
        st.lists(
            st.tuples(st.one_of(_bodies), st.integers(0, 200 * 24 * 4), st.sampled_from(SOURCES[:4])), max_size=most
        )
    )
    events = [
        event(body, DAY_0 + timedelta(minutes=15 * at), source, nth=nth) for nth, (body, at, source) in enumerate(drawn)
    ]
    return sorted([registered(), *events], key=order)
