"""What an operator may set (`deploy/config/churn`): thresholds, the scorecard's points, the sentences of reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from string import Formatter

from churn.domain.labels import Rules


@dataclass(frozen=True, slots=True)
class OverrideRules:
    """What a person must say to downgrade a flag, and how long that may hold."""

    reason_codes: Mapping[str, str]
    """Code and what it means."""
    max_days: int = 90
    min_note: int = 10
    """Characters: a note is for those who read it in three months."""
    rise_ends: float = 0.15
    """An override ends early when the probability is this much above what it was when it was made."""
    rise_points: float = 15
    """The same for points of the scorecard."""


@dataclass(frozen=True, slots=True)
class CoolDown:
    """How long a client is left alone after its flag was cleared, unless it is worse than it was when it was raised."""

    days: int = 14
    rise: float = 0.1
    """Above the probability when it was raised: then the cool-down does not hold."""
    points: float = 15
    """The same for points of the scorecard."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """The riskiest few of each CSM, named once a week: calibrated risk seldom reaches the threshold."""

    per_csm: int = 3
    """0: nobody is named."""
    weekday: int = 0
    """0 is Monday."""
    hour: int = 7
    timezone: str = "UTC"
    min_lift: float = 2.0
    """Times the mean probability of all clients that one must have to be named …"""
    min_probability: float = 0.3
    """… or this probability, whatever the mean."""
    weeks_out: int = 2
    """Namings in a row without the client after which its flag is cleared."""
    falls_to: float = 0.5
    """Share of the probability when it was named, below which its flag is cleared at once."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One early-warning sign of the scorecard: it shows when a feature is at or beyond a limit."""

    code: str
    reason: str
    family: str
    points: int
    feature: str
    at_least: float | None = None
    at_most: float | None = None

    def shows(self, value: float) -> bool:
        """A missing value (NaN) compares false either way, so it is never a sign."""
        if self.at_least is not None:
            return value >= self.at_least
        return self.at_most is not None and value <= self.at_most


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Points over signs, for as long as no model is in service."""

    version: str
    signs: tuple[Sign, ...]
    flag_at: int
    clear_below: int
    min_families: int = 2


@dataclass(frozen=True, slots=True)
class Sentences:
    """How one reason is said: the first sentence whose facts are known is taken, the last needs none."""

    raises: tuple[str, ...]
    lowers: tuple[str, ...]
    missing: str
    """Said where nothing of the kind is known: a model may weigh that either way."""

    def say(self, facts: Mapping[str, str], *, raising: bool) -> str:
        for sentence in self.raises if raising else self.lowers:
            if placeholders(sentence) <= facts.keys():
                return sentence.format_map(facts)
        raise LookupError("the last sentence of a reason may need no fact")


@lru_cache(maxsize=1024)
def placeholders(sentence: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in Formatter().parse(sentence) if name)


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything above, and where flags rise and fall. Probabilities are shares (0 … 1), spans are days."""

    scorecard: Scorecard
    sentences: Mapping[str, Sentences]
    overrides: OverrideRules
    cool_down: CoolDown = CoolDown()
    capacity: Capacity = Capacity()
    threshold: float = 0.6
    clear_below: float = 0.5
    horizon_days: int = 90
    min_tenure_days: int = 30
    grace_days: int = 30
    """How late a renewal may come before a contract that ran out counts as lapsed."""
    not_leaving: frozenset[str] = frozenset({"completed"})
    """Reasons of notices (lower case) by which a client goes without having left: all was done."""
    reasons_raising: int = 5
    reasons_lowering: int = 3
    reason_floor: float = field(default=0.05)
    """Contributions (log-odds) below this are not worth a sentence."""

    @property
    def rules(self) -> Rules:
        """Who is assessed, and who counts as a leaver."""
        return Rules(self.horizon_days, self.min_tenure_days, self.grace_days, self.not_leaving)
