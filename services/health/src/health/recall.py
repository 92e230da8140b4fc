"""A client's past states, each as it was known then, in one pass over its events.

An event counts from the first moment at which it was known. Most are known before the next moment is asked for and
simply follow; one that turns up after a later moment was asked for, and one that takes another back, has the client
folded again from its beginning, for that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

from common.contracts import client, registry

from health.domain.fold import RULES, Rule, step
from health.domain.fold.stamp import Stamp
from health.domain.moments import DAY
from health.domain.state import ClientState

EPOCH = 719163 * DAY
"""1970-01-01 as `moments` count."""
MICRO = 1_000_000


class Happened(Protocol):
    """A client event as a file's or table's reader gives it: times in microseconds since 1970, the body as JSON."""

    @property
    def time(self) -> int: ...
    @property
    def known(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...
    @property
    def replaces(self) -> str | None: ...


class Recall:
    """One client. `events` in the order of the contracts."""

    def __init__(self, events: Sequence[Happened]) -> None:
        self._events = events
        self._by_known = sorted(range(len(events)), key=lambda nth: events[nth].known)
        self._known = 0
        self._ahead: list[int] = []
        self._until = 0
        self._gone: set[str] = set()
        self._state = ClientState()
        self._bodies: dict[int, Any] = {}

    def to(self, moment: int) -> ClientState:
        """The state of all that had happened before a moment and was known at it. Moments ascend."""
        events, until = self._events, (moment - EPOCH) * MICRO
        fresh, again = self._ahead, False
        while self._known < len(self._by_known):
            nth = self._by_known[self._known]
            event = events[nth]
            if event.known > until:
                break
            self._known += 1
            fresh.append(nth)
            again = again or event.time < self._until or self._takes_back(event)
        if again:
            self._state = ClientState()
            fresh = self._by_known[: self._known]
        fresh = sorted(fresh)
        self._ahead = [nth for nth in fresh if events[nth].time >= until]
        for nth in fresh:
            if events[nth].time < until and events[nth].id not in self._gone:
                self._take(nth)
        self._until = until
        return self._state

    def _takes_back(self, event: Happened) -> bool:
        gone = event.data.get("event_id") if event.name == "event_withdrawn" else event.replaces
        if gone is not None:
            self._gone.add(str(gone))
        return gone is not None

    def _take(self, nth: int) -> None:
        event = self._events[nth]
        body, rule = _BODIES.get(event.name, (None, None))
        data = None
        if body is not None:
            data = self._bodies.get(nth)
            if data is None:
                data = self._bodies[nth] = body(event.data)
        second = EPOCH + event.time // MICRO
        step(self._state, rule, data, Stamp(second, second // DAY, event.id.replace("-", "")))


def _login(data: Mapping[str, Any]) -> Any:
    return SimpleNamespace(contact_id=data.get("contact_id"), count=data.get("count", 1))


def _usage(data: Mapping[str, Any]) -> Any:
    return SimpleNamespace(
        feature=data["feature"], quantity=data["quantity"], active_users=data.get("active_users"), period_start=None
    )


_BODIES: dict[str, tuple[Callable[[Mapping[str, Any]], Any], Rule]] = {
    kind.type_name(): (registry.body(kind.TYPE).model_validate, RULES[kind]) for kind in client.EVENTS if kind in RULES
}
"""How each kind of event is read, and its rule. Logins and uses make up most of a file: they are read by hand."""
_BODIES[client.LoggedIn.type_name()] = (_login, RULES[client.LoggedIn])
_BODIES[client.UsageRecorded.type_name()] = (_usage, RULES[client.UsageRecorded])
