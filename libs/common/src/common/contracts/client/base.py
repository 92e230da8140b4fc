"""What all client events share: their topic, and what ingest read in words."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from common.contracts.base import Data
from common.contracts.fields import Count, Identifier, Number, Value

TOPIC = "csl.client.events.v1"

Side = Literal["client", "us"]


class ClientEvent(Data):
    """Root of the canonical client events."""

    TOPIC: ClassVar[str] = TOPIC


class Topic(StrEnum):
    """Topics that a reading may name; a newer lexicon may name more, so the field itself is open."""

    CANCEL_INTENT = "cancel_intent"
    COMPETITOR = "competitor"
    BUDGET_UP = "budget_up"
    BUDGET_DOWN = "budget_down"
    BUDGET_FREEZE = "budget_freeze"
    LEGAL = "legal"
    URGENCY = "urgency"
    PRAISE = "praise"
    PLANNING = "planning"
    REFERRAL = "referral"


class Reading(Value):
    """What ingest read in a text, once; the words themselves stay there."""

    sentiment: Annotated[Number, Field(ge=-1, le=1, examples=[-0.42])] | None = None
    """−1 (bad) … 1 (good); None where it cannot be told, as in a language without a lexicon."""
    words: Annotated[Count, Field(examples=[31])]
    questions: Annotated[Count, Field(examples=[1])] = 0
    topics: Annotated[tuple[Identifier, ...], Field(examples=[["cancel_intent"]])] = ()
    language: Annotated[Identifier, Field(examples=["en"])] | None = None
    model: Annotated[Identifier, Field(examples=["vader+lexicon-1"])] | None = None
