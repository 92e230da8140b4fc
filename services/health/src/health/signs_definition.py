"""The signs as people write them (YAML), checked, and turned into the domain's policy. Errors name file, line, rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from common.contracts.client import MeetingKind
from common.errors import Refused
from pydantic import BaseModel, ConfigDict, Field

from health.definitions import Word, parse
from health.domain.fold.people import REPLIES
from health.domain.signs import SIGNS, Kind, Policy, Rhythm, Sign
from health.domain.signs.sign import Params
from health.domain.state import ACTIVITY_DAYS, USAGE_DAYS
from health.signs import WEEKS

MOST = 100_000
CALMER = (("ends_below", 1), ("ends_above", -1))
"""Settings at which a sign is over, and on which side of its beginning they lie: 1 below, −1 above."""

AT_LEAST_ONE = frozenset(
    {"answers", "least_before", "least_contacts", "least_texts", "least_weeks", "recent_days", "weeks", "window_days"}
)
"""Settings that would look at nothing with 0."""
AT_MOST = {
    ("meetings_cancelled", "window_days"): ACTIVITY_DAYS,
    ("response_times_rising", "answers"): REPLIES // 2,
    ("score_falling", "weeks"): WEEKS,
}
"""What is remembered: further back there is nothing to look at."""

Figures = dict[Word, Annotated[float, Field(ge=0, le=MOST)]]
Tier = Literal["strategic", "core", "standard"]
Days = Annotated[int, Field(gt=0, le=3660)]


class Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TierSpec(Spec):
    """How often a tier is met."""

    review_days: Days | None = None
    check_in_days: Days | None = None


class MeetingsSpec(Spec):
    """Kinds of meeting by what they are for."""

    reviews: Annotated[list[MeetingKind], Field(min_length=1)]
    agenda_for: list[MeetingKind]
    summary_for: list[MeetingKind]


class SignsSpec(Spec):
    """All conditions, by kind. What is left out is not looked for."""

    signs: Literal["standard"]
    """One definition is in force; its versions follow each other."""
    tiers: Annotated[dict[Tier, TierSpec], Field(min_length=1)]
    unknown_tier: Tier
    meetings: MeetingsSpec
    early_warning: dict[Word, Figures] = {}
    about_us: dict[Word, Figures] = {}
    rhythm: dict[Word, Figures] = {}
    disagreement: dict[Word, Figures] = {}

    def compiled(self, version: int) -> Policy:
        """The domain's policy; raises Refused with the rule that is broken."""
        if self.unknown_tier not in self.tiers:
            raise Refused(f"there is no tier {self.unknown_tier!r} above", field="unknown_tier")
        settings = [
            (_sign(kind, name), _params(kind, name, figures))
            for kind in Kind
            for name, figures in getattr(self, kind.value).items()
        ]
        return Policy(self.signs, version, self._rhythm(), tuple(settings))

    def _rhythm(self) -> Rhythm:
        return Rhythm(
            review_days={tier: spec.review_days for tier, spec in self.tiers.items()},
            check_in_days={tier: spec.check_in_days for tier, spec in self.tiers.items()},
            unknown_tier=self.unknown_tier,
            reviews=frozenset(kind.value for kind in self.meetings.reviews),
            agenda_for=frozenset(kind.value for kind in self.meetings.agenda_for),
            summary_for=frozenset(kind.value for kind in self.meetings.summary_for),
        )


def _sign(kind: Kind, name: str) -> Sign:
    sign = SIGNS.get(name)
    if sign is None or sign.kind is not kind:
        known = ", ".join(sorted(s.name for s in SIGNS.values() if s.kind is kind))
        raise Refused(f"no sign of this kind is called {name!r}; there are {known}", field=f"{kind}.{name}")
    return sign


def _params(kind: Kind, name: str, figures: Mapping[str, float]) -> Params:
    """Every setting of the sign, and no other, in its scale."""
    scales = SIGNS[name].params
    for given in figures:
        if given not in scales:
            rule = f"{name} has no setting {given}; it has {', '.join(scales)}"
            raise Refused(rule, field=f"{kind}.{name}.{given}")
    for needed, scale in scales.items():
        if needed not in figures:
            raise Refused(f"{name} needs the setting {needed}", field=f"{kind}.{name}")
        if scale == 1 and figures[needed] != int(figures[needed]):
            raise Refused(f"{needed} is a whole number", field=f"{kind}.{name}.{needed}")
        if needed in AT_LEAST_ONE and figures[needed] < 1:
            raise Refused(f"{needed} is 1 or more", field=f"{kind}.{name}.{needed}")
    _within_reach(kind, name, figures)
    for over, side in CALMER:
        begin = figures.get("starts_at", figures.get("starts_below", 0.0))
        if over in figures and side * figures[over] > side * begin:
            rule = f"{name} would be over while it begins: {over} lies on the wrong side of {begin:g}"
            raise Refused(rule, field=f"{kind}.{name}.{over}")
    return {setting: round(figures[setting] * scale) for setting, scale in scales.items()}


def _within_reach(kind: Kind, name: str, figures: Mapping[str, float]) -> None:
    """A sign looks back as far as health remembers, and asks for no more than it looks at. Raises Refused."""
    for (sign, setting), most in AT_MOST.items():
        if sign == name and figures[setting] > most:
            raise Refused(f"{setting} is {most} at most: more is not remembered", field=f"{kind}.{name}.{setting}")
    if figures.get("least_weeks", 0) > figures.get("weeks", MOST):
        raise Refused(f"least_weeks is {figures['weeks']:g} at most", field=f"{kind}.{name}.least_weeks")
    if name == "usage_dip" and 7 * figures["weeks"] + figures["recent_days"] >= USAGE_DAYS:
        rule = f"{name} looks back {USAGE_DAYS - 1} days at most: recent_days and 7 days for each of weeks"
        raise Refused(rule, field=f"{kind}.{name}.weeks")


def signs_from(text: str, *, name: str = "signs") -> SignsSpec:
    """Parse a definition of signs; raises Refused with file, line and rule."""
    return parse(text, SignsSpec, name)


def is_signs(text: str) -> bool:
    return re.search(r"^signs:", text, re.MULTILINE) is not None


def shipped(folder: Path) -> list[str]:
    """The texts in a folder that define signs, checked."""
    texts = [(file.name, file.read_text()) for file in sorted(folder.glob("*.yaml"))]
    found = [(name, text) for name, text in texts if is_signs(text)]
    for name, text in found:
        signs_from(text, name=name)
    return [text for _, text in found]
