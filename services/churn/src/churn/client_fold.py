"""The domain's fold in the form that `common.folding` drives."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from common.contracts import client
from common.contracts.base import Data, Event

from churn.domain import fold
from churn.domain.state import State, from_plain, to_plain

FOLDED: dict[type[Data], str] = {body: body.type_name() for body in client.EVENTS if body.type_name() in fold.STEPS}
"""The events that change the state."""


class ClientFold:
    """Client events → `State`. Bump `version` whenever the same facts give another state."""

    version = 6

    def empty(self, client_id: UUID) -> State:
        return State()

    def apply(self, state: State, event: Event[Any]) -> State:
        name = FOLDED.get(type(event.data))
        if name is None:
            return state
        return fold.apply(state, name, event.data.fact(), int(event.time.timestamp()), str(event.id))

    def dump(self, state: State) -> bytes:
        return orjson.dumps(to_plain(state))

    def load(self, raw: bytes) -> State:
        return from_plain(orjson.loads(raw)) if raw else State()


FOLD = ClientFold()
