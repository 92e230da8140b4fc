"""A message, said once for all channels: what changed, why, what to do next, where to look."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from notify.domain.rules import Tone


@dataclass(frozen=True, slots=True)
class Bar:
    """One component of a score. `score` 0–100 or None where there is no data; `weight` in per cent."""

    name: str
    weight: float
    score: float | None
    fresh: bool


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of context: label and value."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Button:
    """Something a reader may answer. `action` comes back with the press."""

    action: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """Plain text throughout; each channel escapes and formats it in its own way."""

    tone: Tone
    title: str
    """One line that says it all: subject of a mail, notification on a phone."""
    client: str
    changed: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    """Reasons that speak for the client."""
    bars: tuple[Bar, ...] = ()
    deadlines: tuple[str, ...] = ()
    """What else is open on the case."""
    next: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    links: tuple[Link, ...] = ()
    notes: tuple[str, ...] = ()
    """What qualifies the message: simulated, stale, uncalibrated, sent to the team."""
    buttons: tuple[Button, ...] = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_mapping(cls, value: dict[str, Any]) -> Message:
        parts: dict[str, Any] = {
            "bars": tuple(Bar(**item) for item in value["bars"]),
            "facts": tuple(Fact(**item) for item in value["facts"]),
            "links": tuple(Link(**item) for item in value["links"]),
            "buttons": tuple(Button(**item) for item in value["buttons"]),
        }
        lines = {name: tuple(value[name]) for name in ("changed", "why", "against", "deadlines", "next", "notes")}
        return cls(Tone(value["tone"]), value["title"], value["client"], **parts, **lines)


def one_line(text: str, limit: int = 140) -> str:
    """For titles and subjects: no line breaks or control characters, bounded."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return clean if len(clean) <= limit else clean[: limit - 1].rstrip() + "…"


def zone(name: str | None) -> ZoneInfo | None:
    """A time zone by its IANA name; None for UTC and for names that do not exist."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def moment(at: datetime, tz: ZoneInfo | None) -> str:
    """`Tue 24 Nov, 14:00 CET`."""
    local = at.astimezone(tz or UTC)
    return f"{local:%a} {local.day} {local:%b, %H:%M} {local.tzname()}"


def day(iso: str) -> str:
    at = datetime.fromisoformat(iso)
    return f"{at.day} {at:%b %Y}"


def span(delta: timedelta) -> str:
    """`2 h 5 min`, `3 days`, `under a minute`; sign is dropped."""
    minutes = int(abs(delta).total_seconds() // 60)
    if minutes < 1:
        return "under a minute"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def spoken(identifier: str) -> str:
    """`first_automation_live` → `first automation live`."""
    return identifier.replace("_", " ").replace("-", " ").strip()


def chance(probability: float) -> str:
    """A probability in whole per cent. Nothing about what a client will do is impossible, or certain."""
    if probability < 0.005:
        return "under 1%"
    return "over 99%" if probability >= 0.995 else f"{probability:.0%}"


def number(value: float) -> str:
    """One decimal at most, no trailing zero, a real minus sign."""
    text = f"{value:.1f}".removesuffix(".0")
    return text.replace("-", "−")


def money(amount: int, currency: str) -> str:
    """Minor units of ISO 4217 as people write them; currencies without minor units stay whole."""
    whole = amount if currency in NO_MINOR else amount // 100
    return f"{currency} {whole:,}"


NO_MINOR = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
