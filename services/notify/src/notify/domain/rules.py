"""Rules as data: which occasions concern whom, on which channels, how often. Their YAML: adapters/rules_file.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from notify.domain.occasion import Occasion


class Tone(StrEnum):
    """How a message should feel; decides colour and sign, nothing else."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    GOOD = "good"


class Channel(StrEnum):
    SLACK = "slack"
    EMAIL = "email"


class To(StrEnum):
    """Whom a rule names. People win over the client's own where a case has named them."""

    CSM = "csm"
    EXECUTIVE_SPONSOR = "executive_sponsor"
    OWNER = "owner"
    TEAM = "team"
    ON_CALL = "on_call"


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison with a fact; all that are given must hold. A fact that is absent meets none but `not_in`."""

    one_of: tuple[Any, ...] | None = None
    not_in: tuple[Any, ...] | None = None
    at_least: float | None = None
    below: float | None = None

    def holds(self, fact: Any) -> bool:
        if self.one_of is not None and fact not in self.one_of:
            return False
        if self.not_in is not None and fact in self.not_in:
            return False
        if self.at_least is not None and (fact is None or fact < self.at_least):
            return False
        return not (self.below is not None and (fact is None or fact >= self.below))


@dataclass(frozen=True, slots=True)
class Throttle:
    """At most one message per rule, client and window; `per` names facts that make it another matter."""

    window: timedelta
    per: tuple[str, ...] = ()
    group: str = ""
    """Rules of one group share their window: whichever speaks first, speaks for all."""

    def scope(self, occasion: Occasion) -> str:
        """What tells matters of one client apart: `band=red`. The case always does."""
        named = [f"{name}={occasion.facts.get(name)}" for name in self.per]
        return " ".join(named + ([f"case={occasion.case_id}"] if occasion.case_id else []))


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of policy."""

    name: str
    on: str
    to: tuple[To, ...]
    tone: Tone
    channels: tuple[Channel, ...]
    when: Mapping[str, Condition] = field(default_factory=dict)
    throttle: Throttle | None = None
    stale_after: timedelta = timedelta(hours=72)
    """An occasion older than this is told to nobody: the world has moved on."""
    bounded: bool = True
    """Whether the limit per person applies; what an SOP demands is never held back."""
    next: tuple[str, ...] = ()
    """What to do now, in words."""

    def matches(self, occasion: Occasion) -> bool:
        return self.on == occasion.kind and all(
            condition.holds(occasion.facts.get(name)) for name, condition in self.when.items()
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` messages of bounded rules for one person or channel `within` a span."""

    most: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules, in order: the first that matches speaks."""

    rules: tuple[Rule, ...]
    limit: Limit
    version: int = 0
    sha256: str = ""

    def match(self, occasion: Occasion) -> Rule | None:
        return first(self.rules, occasion)


def first(rules: Sequence[Rule], occasion: Occasion) -> Rule | None:
    """One event, one message: the first rule that matches."""
    return next((rule for rule in rules if rule.matches(occasion)), None)
