"""What the vendors' documentation and experience warn of, one test a trap; in our own values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from common.contracts import client
from common.settings import REPOSITORY_CONFIG
from ingest.domain.refs import Ref
from ingest.domain.statement import Ignored, SourceEvent, Statement, Unreadable
from ingest.sources import VENDORS, hubspot, load_sources
from ingest.sources.hubspot import HubspotSource

SOURCES = load_sources(REPOSITORY_CONFIG)


def said(source: str, body: Any, headers: dict[str, str] | None = None, config: Any = None) -> list[Any]:
    config = config or SOURCES[source]
    found: list[Any] = []
    for event in VENDORS[config.vendor].split(json.dumps(body).encode(), headers or {}, config):
        told = VENDORS[config.vendor].interpret(event, config)
        found += [told] if isinstance(told, Ignored) else told
    return found


def one(source: str, body: Any, **options: Any) -> Statement:
    [statement] = said(source, body, **options)
    assert isinstance(statement, Statement), statement
    return statement


# Stripe


def stripe(kind: str, thing: dict[str, Any], before: dict[str, Any] | None = None) -> list[Any]:
    data = {"object": thing} | ({"previous_attributes": before} if before is not None else {})
    return said("stripe", {"id": "evt_1", "type": kind, "created": 1772442000, "data": data})


def subscription(**changes: Any) -> dict[str, Any]:
    price = {"unit_amount": 5000, "currency": "usd", "recurring": {"interval": "month", "interval_count": 1}}
    return {"id": "sub_1", "customer": "cus_1", "status": "active", "currency": "usd",
            "items": {"data": [{"price": price, "quantity": 3}]}, **changes}  # fmt: skip


def mrr(thing: dict[str, Any]) -> Any:
    [statement] = stripe("customer.subscription.updated", thing)
    if isinstance(statement, Ignored):
        return statement
    assert isinstance(statement.data, client.SubscriptionChanged)
    return statement.data.mrr_after.model_dump()


def price(amount: Any, unit: str, count: int = 1, **more: Any) -> dict[str, Any]:
    item = {
        "price": {"unit_amount": amount, "recurring": {"interval": unit, "interval_count": count}, **more},
        "quantity": 1,
    }
    return {"items": {"data": [item]}}


def test_money_is_monthly_minor_units_whatever_the_rhythm_and_the_currency() -> None:
    assert mrr(subscription())["amount"] == 15000
    assert mrr(subscription(**price(120000, "year")))["amount"] == 10000
    assert mrr(subscription(**price(30000, "month", 3)))["amount"] == 10000
    assert mrr(subscription(**price(1200, "week")))["amount"] == 5214
    yen = mrr(subscription(currency="jpy", **price(9800, "month")))
    assert yen == {"amount": 9800, "currency": "JPY"}, "zero-decimal: the amount is yen already"
    dinar = mrr(subscription(currency="kwd", **price(9870, "month")))
    assert dinar == {"amount": 9870, "currency": "KWD"}, "three decimals: the amount is fils already"
    krona = mrr(subscription(currency="isk", **price(500000, "month")))
    assert krona == {"amount": 5000, "currency": "ISK"}, "no minor unit, and yet written with two decimals"
    assert mrr(subscription(**price(None, "month", unit_amount_decimal="0.5")) | {"quantity": 1})["amount"] == 0
    off = {"coupon": {"percent_off": 25, "duration": "forever"}}
    assert mrr(subscription(discount=off))["amount"] == 11250
    assert isinstance(mrr(subscription(**price(None, "month"))), Ignored), "tiered: not stated, so not guessed"


@pytest.mark.parametrize("on", ["subscription", "items"])
def test_the_period_ends_on_the_subscription_or_on_its_items(on: str) -> None:
    thing = subscription(cancel_at_period_end=True)
    ends = {"current_period_end": 1774000000}
    thing |= ends if on == "subscription" else {"items": {"data": [{**thing["items"]["data"][0], **ends}]}}
    changed, notice = stripe("customer.subscription.updated", thing, {"cancel_at_period_end": False})
    assert isinstance(changed.data, client.SubscriptionChanged)
    assert notice.data.effective_on.isoformat() == "2026-03-20"
    back = stripe(
        "customer.subscription.updated", subscription(cancel_at_period_end=False), {"cancel_at_period_end": True}
    )
    assert isinstance(back[1].data, client.CancellationWithdrawn)


@pytest.mark.parametrize(
    "where",
    [
        {"subscription": "sub_1"},
        {"subscription": {"id": "sub_1", "object": "subscription"}},
        {"parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}}},
    ],
)
def test_an_invoice_names_its_subscription_at_one_of_two_places(where: dict[str, Any]) -> None:
    [paid] = stripe("invoice.paid", {"id": "in_1", "customer": "cus_1", "amount_paid": 5, "currency": "usd", **where})
    assert paid.refs == (Ref("stripe", "customer", "cus_1"), Ref("stripe", "subscription", "sub_1"))
    [changed] = stripe("customer.subscription.updated", subscription())
    assert changed.links == paid.refs, "whoever has the one has the other"


def test_a_dispute_finds_its_client_and_invoice_by_its_charge() -> None:
    dispute = {"id": "dp_1", "charge": "ch_1", "payment_intent": "pi_1", "amount": 100, "currency": "eur"}
    [statement] = stripe("charge.dispute.created", dispute)
    assert statement.refs == (Ref("stripe", "charge", "ch_1"), Ref("stripe", "payment_intent", "pi_1"))
    assert statement.fill == ("invoice_id", Ref("stripe", "charge", "ch_1"))


def test_the_newer_payments_list_is_read_too() -> None:
    payments = {"data": [{"payment": {"type": "payment_intent", "payment_intent": "pi_2"}}]}
    invoice = {"id": "in_1", "customer": {"id": "cus_1"}, "amount_paid": 5, "currency": "usd", "payments": payments}
    [statement] = stripe("invoice.paid", invoice)
    assert statement.links == (Ref("stripe", "payment_intent", "pi_2"),)


def test_one_payment_is_told_once() -> None:
    [again] = stripe("invoice.payment_succeeded", {"id": "in_1", "customer": "cus_1"})
    assert again == Ignored("invoice.payment_succeeded is not read")


# HubSpot


def hub(kind: str, **more: Any) -> dict[str, Any]:
    return {"eventId": 1, "portalId": 2, "subscriptionId": 3, "objectId": 9007199254740993, "occurredAt": 1772442000000,
            "subscriptionType": kind, "changeSource": "CRM_UI", "appId": 7, **more}  # fmt: skip


def changed(name: str, value: Any, **more: Any) -> dict[str, Any]:
    return hub("company.propertyChange", propertyName=name, propertyValue=value, **more)


def test_event_ids_alone_are_not_unique_and_attempts_do_not_matter() -> None:
    def key(**more: Any) -> str:
        return hubspot.split(json.dumps([hub("company.creation", **more)]).encode(), {}, SOURCES["hubspot"])[0].key

    assert key() == key(attemptNumber=5)
    assert len({key(), key(objectId=8), key(occurredAt=1), key(subscriptionId=4), key(portalId=5)}) == 5


def test_ids_beyond_2_to_the_53_stay_exact() -> None:
    assert one("hubspot", [hub("company.creation")]).refs[0].id == "9007199254740993"
    assert one("hubspot", [hub("company.creation", objectId=2**70 + 1)]).refs[0].id == str(2**70 + 1)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("name", "Northwind", {"name": "Northwind"}),
        ("domain", "HTTPS://www.Northwind.example/about", {"domain": "northwind.example"}),
        ("tier", "Enterprise", {"tier": "strategic"}),
        ("client_tier", "core", {"tier": "core"}),
        ("csm_email", "Maya@Ours.example", {"csm_email": "maya@ours.example"}),
        ("renewal_date", "1798761600000", {"renewal_on": "2027-01-01"}),
        ("contract_start_date", "2026-01-31", {"contract_started_on": "2026-01-31"}),
        ("mrr", "1250.50", {"mrr": {"amount": 125050, "currency": "USD"}}),
        ("seats", "40", {"seats": 40}),
        ("key_features", "reports;automation", {"key_features": ["reports", "automation"]}),
        ("is_test_client", "true", {"test": True}),
    ],
)
def test_company_properties_become_fields_of_ours(name: str, value: str, expected: dict[str, Any]) -> None:
    statement = one("hubspot", [changed(name, value)])
    assert statement.data is not None
    assert statement.data.model_dump(mode="json", exclude_none=True) == expected


@pytest.mark.parametrize(
    ("name", "value"), [("tier", "Platinum"), ("mrr", "a lot"), ("seats", "4.5"), ("renewal_date", "soon")]
)
def test_a_value_that_cannot_be_read_is_broken_not_guessed(name: str, value: str) -> None:
    with pytest.raises(Unreadable):
        said("hubspot", [changed(name, value)])


def test_our_own_write_back_is_dropped_by_name_and_by_app() -> None:
    config = SOURCES["hubspot"]
    assert isinstance(config, HubspotSource)
    mine = config.model_copy(update={"own_app_id": "4711"})
    by_app = changed("name", "X", changeSource="INTEGRATION", sourceId="4711")
    assert said("hubspot", [changed("csl_health_band", "red")]) == [Ignored("our own write-back")]
    assert said("hubspot", [by_app], config=mine) == [Ignored("our own write-back")]
    other = changed("name", "X", changeSource="INTEGRATION", sourceId="12", appId="4711")
    assert isinstance(said("hubspot", [other], config=mine)[0], Statement), "appId is who is told, not who wrote"


def test_the_generic_subscriptions_mean_the_same() -> None:
    assert one("hubspot", [hub("object.creation", objectTypeId="0-2")]).refs[0].kind == "company"
    moved = hub("contact.associationChange", associationType="COMPANY_TO_CONTACT", fromObjectId=1, toObjectId=2)
    statement = one("hubspot", [moved])
    assert (statement.refs[0].id, statement.links[0].id) == ("1", "2")
    sides = {"fromObjectId": 2, "fromObjectTypeId": "0-1", "toObjectId": 1, "toObjectTypeId": "0-2"}
    generic = one("hubspot", [hub("object.associationChange", **sides)])
    assert (generic.refs[0].id, generic.links) == ("1", (Ref("hubspot", "contact", "2"),))
    between = hub("object.associationChange", **{**sides, "toObjectTypeId": "0-1"})
    assert said("hubspot", [between]) == [Ignored("an association that names no company")]


@pytest.mark.parametrize("flag", ["NEW", "CREATED", "UPDATED", None])
def test_what_the_change_flag_says_decides_nothing(flag: str | None) -> None:
    """Documented as NEW, sent as CREATED: the subscription's type alone says what happened."""
    created = one("hubspot", [hub("company.creation", changeFlag=flag)])
    assert created.creates
    assert isinstance(created.data, client.ClientRegistered)


def test_an_array_of_a_hundred_is_a_hundred_events() -> None:
    hundred = [hub("company.creation", objectId=n, eventId=n) for n in range(1, 101)]
    assert {statement.refs[0].id for statement in said("hubspot", hundred)} == {str(n) for n in range(1, 101)}


def test_roles_are_ours_and_the_weightiest_counts() -> None:
    role = hub("contact.propertyChange", propertyName="hs_buying_role", propertyValue="END_USER;EXECUTIVE_SPONSOR")
    contact = one("hubspot", [role]).contact
    assert contact is not None
    assert contact.role == "sponsor"


def test_a_won_deal_is_a_contract() -> None:
    won = hub("deal.propertyChange", propertyName="dealstage", propertyValue="closedwon", objectId=88)
    data = one("hubspot", [won]).data
    assert isinstance(data, client.ContractSigned)
    assert (data.contract_id, data.starts_on.isoformat()) == ("88", "2026-03-02")


# Zendesk


def zen(kind: str, event: dict[str, Any], **detail: Any) -> dict[str, Any]:
    ticket = {"id": "35", "organization_id": "900719925474099301", "requester_id": "11", "assignee_id": "99",
              "submitter_id": "11", "priority": None, "status": "OPEN", "tags": None, **detail}  # fmt: skip
    return {"id": "e1", "type": f"zen:event-type:{kind}", "time": "2026-03-02T09:00:00.123456789Z", "detail": ticket,
            "event": event}  # fmt: skip


def comment(body: str, *, staff: bool, public: bool = True) -> dict[str, Any]:
    return {"comment": {"author": {"id": "1", "is_staff": staff}, "body": body, "is_public": public}}


def test_an_agents_words_are_not_the_clients_mood() -> None:
    theirs = one("zendesk", zen("ticket.comment_added", comment("this is awful", staff=False)))
    ours = one("zendesk", zen("ticket.comment_added", comment("sorry, awful", staff=True)))
    inside = one("zendesk", zen("ticket.comment_added", comment("they are awful", staff=False, public=False)))
    assert (theirs.text, ours.text, inside.text) == ("this is awful", None, None)
    assert [s.data.author for s in (theirs, ours, inside) if isinstance(s.data, client.TicketChange)] == [
        "client",
        "us",
        "us",
    ]


def test_null_tags_and_priority_and_big_ids_are_fine() -> None:
    opened = one("zendesk", zen("ticket.created", {}, subject="Help", description="It is broken"))
    assert isinstance(opened.data, client.TicketOpened)
    assert (opened.data.priority, opened.refs[0].id) == ("normal", "900719925474099301")
    assert opened.text == "Help\nIt is broken"
    assert opened.links == (Ref("zendesk", "user", "11"),)


@pytest.mark.parametrize(("status", "body"), [("SOLVED", client.TicketResolved), ("PENDING", client.TicketUpdated)])
def test_a_status_is_an_update_or_the_end(status: str, body: type) -> None:
    data = one("zendesk", zen("ticket.status_changed", {"current": status, "previous": "OPEN"})).data
    assert type(data) is body
    assert getattr(data, "status", None) == status.lower()


def test_a_ticket_without_organisation_goes_by_its_requester() -> None:
    statement = one("zendesk", zen("ticket.created", {}, organization_id="0"))
    assert statement.refs == (Ref("zendesk", "user", "11"),)


def test_an_organisation_may_name_its_client() -> None:
    organisation = {"id": 77, "name": "Initech", "external_id": "hubspot:company:5"}
    body = {
        "id": "e",
        "type": "zen:event-type:organization.created",
        "time": "2026-03-02T09:00:00Z",
        "detail": organisation,
    }
    statement = one("zendesk", body)
    assert statement.refs == (Ref("zendesk", "organization", "77"), Ref("hubspot", "company", "5"))
    assert statement.links == (Ref("zendesk", "organization", "77"),)


def trigger(event: str, **ticket: Any) -> dict[str, Any]:
    base = {
        "id": "35",
        "organization_id": "9",
        "requester_id": "11",
        "assignee_id": "",
        "status": "Open",
        "priority": "-",
    }
    return {"event": event, "time": "2026-03-02T09:00:00Z", "ticket": {**base, **ticket}}


def test_triggers_say_the_same_in_our_template() -> None:
    created = one("zendesk", trigger("created", current_user_id="11", subject="Help", description="please"))
    assert isinstance(created.data, client.TicketOpened)
    assert created.text == "Help\nplease"
    ours = one("zendesk", trigger("comment", current_user_id="99", comment="done"))
    theirs = one("zendesk", trigger("comment", current_user_id="11", comment="thanks"))
    assert (ours.text, theirs.text) == (None, "thanks")
    assert isinstance(one("zendesk", trigger("status", status="Solved")).data, client.TicketResolved)


@pytest.mark.parametrize(
    ("given", "csat"), [("Good, I'm satisfied", (1, 0, 1)), ("Bad, I'm unsatisfied", (0, 0, 1)), ("4", (4, 1, 5))]
)
def test_ratings_keep_their_scale(given: str, csat: tuple[int, int, int]) -> None:
    data = one("zendesk", trigger("satisfaction", satisfaction=given)).data
    assert isinstance(data, client.TicketUpdated)
    assert data.csat is not None
    assert (data.csat.score, data.csat.scale_min, data.csat.scale_max) == csat


def test_a_trigger_is_deduplicated_by_its_invocation() -> None:
    raw = json.dumps(trigger("status")).encode()
    [first] = VENDORS["zendesk"].split(raw, {"x-zendesk-webhook-invocation-id": "inv-1"}, SOURCES["zendesk"])
    [bare] = VENDORS["zendesk"].split(raw, {}, SOURCES["zendesk"])
    assert (first.key, bare.key[:7]) == ("inv-1", "sha256:")


# Segment


def track(event: str, **more: Any) -> dict[str, Any]:
    call = {"type": "track", "event": event, "messageId": "m", "userId": "u1"}
    return {**call, "timestamp": "2026-03-02T09:00:00Z", **more}


def test_logins_trainings_and_features_are_told_apart() -> None:
    assert isinstance(one("segment", track("Signed In")).data, client.LoggedIn)
    course = one("segment", track("Course Completed", properties={"course": "core"})).data
    assert isinstance(course, client.TrainingCompleted)
    assert course.course == "core"
    used = one("segment", track("Report Exported", properties={"quantity": 7})).data
    assert isinstance(used, client.UsageRecorded)
    assert (used.feature, used.quantity) == ("report_exported", 7)


@pytest.mark.parametrize("where", [{"groupId": "g"}, {"context": {"groupId": "g"}}, {"properties": {"groupId": "g"}}])
def test_the_group_names_the_client_wherever_it_stands(where: dict[str, Any]) -> None:
    statement = one("segment", track("X", **where))
    assert statement.refs == (Ref("segment", "group", "g"), Ref("segment", "user", "u1"))
    assert statement.links == (Ref("segment", "user", "u1"),)


def test_the_corrected_time_counts_not_the_devices() -> None:
    wrong_clock = track("X", originalTimestamp="2031-01-01T00:00:00Z", sentAt="2031-01-01T00:00:05Z")
    at = one("segment", wrong_clock).time
    assert at is not None
    assert at.isoformat() == "2026-03-02T09:00:00+00:00"


def test_a_clock_that_runs_ahead_is_taken_out_before_it_reaches_us() -> None:
    """Of `sentAt` and `timestamp` the device's clock made the first; Segment corrected the second."""
    body = track(
        "X", timestamp="2026-03-02T08:59:58Z", sentAt="2026-03-09T09:00:05Z", receivedAt="2026-03-02T09:00:00Z"
    )
    at = one("segment", body).time
    assert at is not None
    assert at.isoformat() == "2026-03-02T08:59:58+00:00"


def test_an_identify_and_a_group_call_may_share_a_message_id() -> None:
    calls = [
        {"type": kind, "messageId": "m", "userId": "u1", "groupId": "g"} for kind in ("identify", "group", "track")
    ]
    raw = json.dumps(calls).encode()
    keys = [event.key for event in VENDORS["segment"].split(raw, {}, SOURCES["segment"])]
    assert keys == ["identify:m", "group:m", "m"]


def test_batches_come_as_arrays_and_as_objects() -> None:
    both = [track("X"), {**track("Y"), "messageId": "n"}]
    assert len(said("segment", both)) == len(said("segment", {"batch": both})) == 2


@pytest.mark.parametrize("kind", ["page", "screen", "alias"])
def test_calls_without_meaning_are_known_and_others_are_unknown(kind: str) -> None:
    assert said("segment", {"type": kind, "messageId": "m"}) == [Ignored(f"{kind} calls are not read")]
    for odd in ("teleport", ["group"]):
        assert said("segment", {"type": odd, "messageId": "m"})[0].unknown


def test_joining_what_is_left_gives_a_body_that_splits_again() -> None:
    for name, bodies in {"hubspot": [hub("company.creation")], "segment": [track("X"), track("Y")]}.items():
        vendor = VENDORS[name]
        events: list[SourceEvent] = vendor.split(vendor.join(bodies), {}, SOURCES[name])
        assert [event.body for event in events] == bodies
