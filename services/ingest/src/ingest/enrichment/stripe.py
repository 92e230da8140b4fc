"""Stripe's events name customers, coupons and price tiers by id: what they amount to is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from ingest.domain.arrival import Lookup
from ingest.domain.refs import Ref
from ingest.domain.statement import Ignored, SourceEvent, Statement, Unreadable
from ingest.sources import bodies, stripe
from ingest.sources.stripe import StripeSource

SUBSCRIPTIONS = frozenset(f"customer.subscription.{what}" for what in ("created", "updated", "paused", "resumed"))


def lookups(event: SourceEvent, config: StripeSource) -> tuple[Lookup, ...]:
    """A subscription whose amount is not there; whose a customer or a disputed charge is, while nobody knows."""
    thing = bodies.mapping(bodies.mapping(event.body.get("data")).get("object"))
    found: list[Lookup] = []
    if event.kind in SUBSCRIPTIONS and _lacks_amount(thing):
        found += _lookup("subscription", thing.get("id"))
    if event.kind.startswith(("customer.subscription.", "invoice.")):
        found += _lookup("customer", thing.get("customer"), if_parked=True)
    if event.kind.startswith("charge.dispute."):
        found += _lookup("charge", thing.get("charge"), if_parked=True)
    return tuple(found)


def _lookup(kind: str, value: Any, *, if_parked: bool = False) -> list[Lookup]:
    """An expanded object is there already."""
    found = bodies.identifier(value)
    return [Lookup(kind, found, if_parked)] if found else []


def _lacks_amount(thing: Mapping[str, Any]) -> bool:
    listed = thing.get("discounts")
    by_id = isinstance(listed, list) and any(isinstance(one, str) for one in listed)
    return by_id or any(_is_tiered(item) for item in _items(thing))


def _items(thing: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = bodies.mapping(thing.get("items")).get("data")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _is_tiered(item: Mapping[str, Any]) -> bool:
    """Metered ones are tiered by a use that nobody knows yet."""
    price = bodies.mapping(item.get("price"))
    metered = bodies.mapping(price.get("recurring")).get("usage_type") == "metered"
    return price.get("billing_scheme") == "tiered" and not metered


def learnt(kind: str, found: Mapping[str, Any], config: StripeSource, now: datetime) -> list[Statement]:
    """By the mapping of its webhooks, as if Stripe had just said it."""
    if kind == "charge":
        return _charge(found, config, now)
    event = "customer.updated" if kind == "customer" else "customer.subscription.updated"
    thing = found if kind == "customer" else {**found, **_amounts(found)}
    body = {"data": {"object": thing}, "created": int(now.timestamp())}
    said = stripe.interpret(SourceEvent("", event, body), config)
    return [] if isinstance(said, Ignored) else said


def _charge(found: Mapping[str, Any], config: StripeSource, now: datetime) -> list[Statement]:
    """Whose a disputed charge is, and which invoice it pays."""
    id_, customer = bodies.identifier(found.get("id")), bodies.identifier(found.get("customer"))
    if id_ is None:
        raise Unreadable("the object's id is missing")
    if customer is None:
        return []
    intent = bodies.identifier(found.get("payment_intent"))
    links = (Ref(config.name, "charge", id_), *((Ref(config.name, "payment_intent", intent),) if intent else ()))
    invoice = bodies.identifier(found.get("invoice"))
    return [Statement((Ref(config.name, "customer", customer),), now, links=links, alias=invoice)]


def _amounts(thing: Mapping[str, Any]) -> dict[str, Any]:
    """A subscription's tiers as plain prices, and its coupons as one, for the mapping to read."""
    items = [_flat(item) if _is_tiered(item) else item for item in _items(thing)]
    changed: dict[str, Any] = {"items": {"data": items}}
    left = _left_by_coupons(thing)
    if left is not None and not thing.get("discount"):
        percent = float((1 - left) * 100)
        changed |= {"discount": {"coupon": {"percent_off": percent, "duration": "forever"}}, "discounts": []}
    return changed


def _flat(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the whole quantity costs, as a price each (docs.stripe.com, "Tiered pricing")."""
    price, quantity = bodies.mapping(item.get("price")), bodies.integer(item.get("quantity")) or 0
    total = _tiered(price, quantity)
    if total is None or quantity <= 0:
        return item
    flat = {**price, "billing_scheme": "per_unit", "unit_amount_decimal": str(total / quantity)}
    return {**item, "price": flat}


def _tiered(price: Mapping[str, Any], quantity: int) -> Decimal | None:
    """Minor units; None without tiers. `volume`: one tier prices all; `graduated`: each prices its own part."""
    listed = price.get("tiers")
    if not isinstance(listed, list) or not listed:
        return None
    total, below = Decimal(0), 0
    for tier in map(bodies.mapping, listed):
        up_to = bodies.integer(tier.get("up_to"))
        last = up_to is None or quantity <= up_to
        part = quantity - below if last or up_to is None else up_to - below
        if price.get("tiers_mode") != "volume":
            total += _price(tier, part)
        elif last:
            total = _price(tier, quantity)
        if last:
            break
        below = up_to if up_to is not None else below
    return total


def _price(tier: Mapping[str, Any], quantity: int) -> Decimal:
    each = tier.get("unit_amount_decimal") or tier.get("unit_amount") or 0
    flat = tier.get("flat_amount_decimal") or tier.get("flat_amount") or 0
    try:
        return Decimal(str(each)) * quantity + Decimal(str(flat))
    except ArithmeticError as error:
        raise Unreadable("a price tier's amount is no number") from error


def _left_by_coupons(thing: Mapping[str, Any]) -> Decimal | None:
    """The share of the price that percentage coupons leave; None where none is told."""
    listed = thing.get("discounts")
    left: Decimal | None = None
    for discount in map(bodies.mapping, listed if isinstance(listed, list) else []):
        coupon = bodies.mapping(discount.get("coupon")) or bodies.mapping(
            bodies.mapping(discount.get("source")).get("coupon")
        )
        off = coupon.get("percent_off")
        counts = isinstance(off, int | float) and not isinstance(off, bool) and 0 <= off <= 100
        if counts and coupon.get("duration") != "once":
            left = (1 if left is None else left) * (1 - Decimal(str(off)) / 100)
    return left
