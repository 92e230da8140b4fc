"""Failing on purpose: what a test or a demo asks the catcher to answer instead of "fine"."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, Field

Kind = Literal[
    "rate_limited",  # 429 with Retry-After; mail: 451
    "server_error",  # 500; mail: 421 and the connection is closed
    "unauthorized",  # Slack invalid_auth, HubSpot 401, mail 535
    "rejected",  # refused for good: Slack channel_not_found, HubSpot 404, mail 550
    "hang_after",  # taken, but the answer never comes: the sender cannot know
    "hang_before",  # not taken, and no answer either
    "missing_scope",  # Slack: the app may not do this; HubSpot 403
]


class Fault(BaseModel):
    """The next `times` requests of `channel` (and of `method`, where given: `chat.postMessage`) fail like this."""

    channel: Literal["slack", "email", "crm"]
    kind: Kind
    times: int = Field(default=1, ge=1)
    retry_after: int = Field(default=1, ge=0, description="seconds, for rate_limited")
    hang_seconds: float = Field(default=30.0, ge=0, le=120, description="for hang_after and hang_before")
    method: str = ""
    error: str = Field(default="", description="another word of the vendor's in place of the usual one")


@dataclass
class Faults:
    """In memory: a restart heals."""

    pending: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        self.pending.append(fault)

    def clear(self) -> None:
        self.pending.clear()

    def take(self, channel: str, method: str = "") -> Fault | None:
        """The fault that the request at hand must suffer, counted down."""
        for index, fault in enumerate(self.pending):
            if fault.channel != channel or (fault.method and fault.method != method):
                continue
            if fault.times == 1:
                self.pending.pop(index)
            else:
                self.pending[index] = fault.model_copy(update={"times": fault.times - 1})
            return fault
        return None
