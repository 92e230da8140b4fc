"""A client's commercial life: contracts, subscriptions, recurring revenue, and how and when it ended.

A client has **ended** (and is not scored any more) from the earliest of: notice given for all of its contracts; its
recurring revenue fallen to 0; its contract run out without renewal and without a paying subscription, once the grace
is over. A new contract, or notice taken back, begins it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from churn.domain.moments import DAY, optional, parse

KEPT_CONTRACTS = 16
LONGEST_REASON = 60
"""Characters of a notice's reason: codes are told apart, stories need not be kept."""
KEPT_SUBSCRIPTIONS = 64
KEPT_MRR_CHANGES = 32
WHOLE = ""
"""Key of a contract, or a notice, that names none."""


class End(NamedTuple):
    """How a client ended: at which second, by what (`notice`, `mrr_zero`, `lapse`), and why, where a notice said so."""

    at: int
    kind: str
    reason: str | None = None


@dataclass(slots=True)
class Life:
    """Folded from lifecycle events; amounts are minor units of the client's main currency, the first that it paid in
    and goes on paying in."""

    started: int | None = None
    """When the first contract began, as far as known."""
    renewal_on: int | None = None
    contracts: dict[str, int | None] = field(default_factory=dict)
    """End of each running contract, None if open-ended."""
    notices: dict[str, int] = field(default_factory=dict)
    """When notice was given, by contract (`WHOLE`: for everything)."""
    notice_reasons: dict[str, str] = field(default_factory=dict)
    """The reason that came with a notice, by contract."""
    currency: str | None = None
    agreed_mrr: int | None = None
    """What the client's record or contract says; used while no subscription is known."""
    subscriptions: dict[str, int] = field(default_factory=dict)
    elsewhere: dict[str, list[Any]] = field(default_factory=dict)
    """Subscriptions that are paid in another currency than the main one: [currency, amount]."""
    mrr_log: list[list[int]] = field(default_factory=list)
    """[second, MRR from then on], oldest first."""
    zero_at: int | None = None
    seats: int | None = None

    @property
    def mrr(self) -> int | None:
        return sum(self.subscriptions.values()) if self.subscriptions else self.agreed_mrr

    def mrr_at(self, second: int) -> int | None:
        """MRR in force at a moment; None before the first that is known."""
        known = [amount for at, amount in self.mrr_log if at <= second]
        return known[-1] if known else None

    def ends_on(self) -> int | None:
        """End of the last running contract; None if one is open-ended or none is known."""
        ends = list(self.contracts.values())
        if not ends or None in ends:
            return None
        return max(end for end in ends if end is not None)

    def may_lapse(self) -> int | None:
        """The second at which the client lapses unless somebody renews; None while a subscription pays."""
        return None if any(amount > 0 for amount in self.subscriptions.values()) else self.ends_on()

    def ended(self, moment: int, grace_days: int) -> End | None:
        """How the client had ended by this moment, None while it is a client."""
        ends = [end for end in (self._notice(), self._zero(), self._lapse(moment, grace_days)) if end]
        # Of several in one second the notice speaks: it knows why.
        return min((end for end in ends if end.at <= moment), key=lambda end: end.at, default=None)

    def _notice(self) -> End | None:
        """Notice for all that runs; of several contracts the last notice is the end, and its reason that of the end."""
        if not self.notices:
            return None
        last = WHOLE if WHOLE in self.notices else max(self.notices, key=lambda contract: self.notices[contract])
        at = self.notices[last]
        running = (contract for contract, ends in self.contracts.items() if ends is None or ends > at)
        if last != WHOLE and any(contract not in self.notices for contract in running):
            return None
        return End(at, "notice", self.notice_reasons.get(last))

    def _zero(self) -> End | None:
        return End(self.zero_at, "mrr_zero") if self.zero_at is not None else None

    def _lapse(self, moment: int, grace_days: int) -> End | None:
        lapses = self.may_lapse()
        return End(lapses, "lapse") if lapses is not None and moment >= lapses + grace_days * DAY else None


def on_profile(life: Life, data: Mapping[str, Any], at: int) -> None:
    """What the client's record says; a contract's own terms weigh more and are not overwritten by it."""
    started = optional(data.get("contract_started_on"))
    if started is not None:
        life.started = started if life.started is None else min(life.started, started)
    if data.get("renewal_on"):
        life.renewal_on = parse(data["renewal_on"])
    if data.get("seats") is not None:
        life.seats = int(data["seats"])
    _agree(life, data.get("mrr"), at)


def on_contract(life: Life, data: Mapping[str, Any], at: int) -> None:
    """Signed or renewed: the client is (again) a client; earlier notices are settled by it."""
    starts = parse(data["starts_on"])
    life.started = starts if life.started is None else min(life.started, starts)
    contract = data.get("contract_id") or WHOLE
    life.contracts[contract] = optional(data.get("ends_on"))
    _drop_oldest(life.contracts, KEPT_CONTRACTS)
    _settle(life, WHOLE, contract)
    if data.get("seats") is not None:
        life.seats = int(data["seats"])
    if not any(life.subscriptions.values()):
        life.subscriptions.clear()
    _agree(life, data.get("mrr"), at)
    if (life.mrr or 1) > 0:
        life.zero_at = None


def on_cancelled(life: Life, data: Mapping[str, Any], at: int) -> None:
    """Notice; a second notice of the same contract changes nothing."""
    contract = data.get("contract_id") or WHOLE
    if contract in life.notices:
        return
    life.notices[contract] = at
    if data.get("reason"):
        life.notice_reasons[contract] = str(data["reason"]).strip().lower()[:LONGEST_REASON]
    while len(life.notices) > KEPT_CONTRACTS:
        _settle(life, next(iter(life.notices)))


def on_withdrawn(life: Life, data: Mapping[str, Any], at: int) -> None:
    """Notice taken back, for one contract or for all."""
    contract = data.get("contract_id")
    if contract is None:
        _settle(life, *list(life.notices))
    else:
        _settle(life, contract, WHOLE)


def on_subscription(life: Life, data: Mapping[str, Any], at: int) -> None:
    """New terms of one subscription; MRR is the sum over all in the main currency.

    Where nothing is paid in that any more, another one in which the client pays is the main currency from then on.
    """
    which, after = data["subscription_id"], data["mrr_after"]
    amount, currency = int(after["amount"]), str(after["currency"])
    if life.currency is None:
        life.currency = currency
    if data.get("seats") is not None:
        life.seats = int(data["seats"])
    before = life.mrr
    if amount and currency != life.currency:
        life.subscriptions.pop(which, None)
        life.elsewhere[which] = [currency, amount]
        _drop_oldest(life.elsewhere, KEPT_SUBSCRIPTIONS)
    else:  # nothing is nothing in any currency
        if not life.subscriptions and before is None:
            _agree(life, data.get("mrr_before"), at)
            before = life.mrr
        life.elsewhere.pop(which, None)
        life.subscriptions[which] = amount
        _drop_oldest(life.subscriptions, KEPT_SUBSCRIPTIONS)
    if life.elsewhere and not any(life.subscriptions.values()):
        _turn(life)
        before = None
    _note_mrr(life, before, at)


def _turn(life: Life) -> None:
    """Another currency is the main one now. Amounts of two are not compared: the log of revenue begins anew."""
    life.currency = next(reversed(life.elsewhere.values()))[0]
    mine = {which: amount for which, (currency, amount) in life.elsewhere.items() if currency == life.currency}
    life.elsewhere = {which: paid for which, paid in life.elsewhere.items() if which not in mine}
    life.subscriptions = mine
    life.agreed_mrr = None
    life.mrr_log = []
    life.zero_at = None


def _settle(life: Life, *contracts: str) -> None:
    """Notices that do not hold any more."""
    for contract in contracts:
        life.notices.pop(contract, None)
        life.notice_reasons.pop(contract, None)


def _agree(life: Life, money: Mapping[str, Any] | None, at: int) -> None:
    if not money:
        return
    amount = _amount(life, money)
    if amount is None:
        return
    before = life.mrr
    life.agreed_mrr = amount
    _note_mrr(life, before, at)


def _note_mrr(life: Life, before: int | None, at: int) -> None:
    mrr = life.mrr
    if mrr is None or mrr == before:
        return
    life.mrr_log.append([at, mrr])
    del life.mrr_log[:-KEPT_MRR_CHANGES]
    if mrr > 0:
        life.zero_at = None
    elif before:
        life.zero_at = at


def _amount(life: Life, money: Mapping[str, Any]) -> int | None:
    """Minor units in the client's main currency; another currency cannot be summed without a rate."""
    if life.currency is None:
        life.currency = str(money["currency"])
    return int(money["amount"]) if money["currency"] == life.currency else None


def _drop_oldest(entries: dict[str, Any], kept: int) -> None:
    while len(entries) > kept:
        del entries[next(iter(entries))]


LIFECYCLE = {
    "client_registered": on_profile,
    "client_updated": on_profile,
    "contract_signed": on_contract,
    "contract_renewed": on_contract,
    "contract_cancelled": on_cancelled,
    "cancellation_withdrawn": on_withdrawn,
    "subscription_changed": on_subscription,
}
"""The events that a client's life is folded from, by name."""
