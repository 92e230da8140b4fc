"""The storyteller: hears what the loop publishes and says it in sentences. Pure; knows nothing it has not heard.

Heard again from the beginning after a restart, it comes to the same knowledge and repeats no sentence (`told`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

NOTEWORTHY = 0.1
"""How much a risk must have moved to be told again."""
SHOWN_REASONS = 3
ALSO_BY_MAIL = timedelta(hours=3)
WORSE = ("amber", "red")
BAND_WORDS = {"green": "green", "amber": "AMBER", "red": "RED", "unknown": "unknown"}

Event = Mapping[str, Any]


@dataclass(slots=True)
class Knowledge:
    """What has been heard of the hero, and counts of the rest."""

    score: float | None = None
    band: str | None = None
    risk: float | None = None
    risk_told: float | None = None
    assessments: int = 0
    scores: int = 0
    flagged_at: datetime | None = None
    cleared: bool = False
    case: str | None = None
    breached: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    outcome: str | None = None
    messages: int = 0
    said: dict[tuple[str, str], datetime | None] = field(default_factory=dict)
    """(recipient, rule) of messages, and when the last was: the same by e-mail is not told again."""
    seen: set[str] = field(default_factory=set)
    """Clients that have a live score."""


@dataclass(frozen=True, slots=True)
class Links:
    """Where to look: base URLs."""

    health: str
    churn: str
    escalation: str
    catcher: str


class Story:
    """Turns events into sentences about one client, and short ones about the others."""

    def __init__(self, hero: str, names: Mapping[str, str], links: Links, told: set[str] | None = None) -> None:
        self.hero, self.names, self.links = hero, names, links
        self.told: set[str] = told if told is not None else set()
        self.known = Knowledge()

    def hear(self, event: Event) -> list[str]:
        """What to say about an event; empty for what is not worth telling, or was told before."""
        kind = ".".join(str(event["type"]).split(".")[1:3])
        client = str(event.get("data", {}).get("client_id") or event.get("subject"))
        if client not in self.names:
            return []
        if kind == "health.scored":
            self.known.seen.add(client)
        listener = (_HERO if client == self.hero else _OTHERS).get(kind)
        lines = listener(self, event["data"], self.names[client]) if listener else []
        return lines if lines and self._first_time(str(event["id"])) else []

    def _first_time(self, id_: str) -> bool:
        if id_ in self.told:
            return False
        self.told.add(id_)
        return True

    def scored(self, data: Event, name: str) -> list[str]:
        self.known.score, self.known.band = data.get("score"), data["band"]
        self.known.scores += 1
        return []

    def band_changed(self, data: Event, name: str) -> list[str]:
        self.scored(data, name)
        if "unknown" in (data["band"], data.get("band_before")) and data["band"] not in WORSE:
            return []
        before, now = data.get("band_before"), data["band"]
        moves = "; ".join(move["text"] for move in data.get("moves", ())[:SHOWN_REASONS] if move.get("text"))
        lines = [f"health   {name} is {BAND_WORDS.get(now, now)}: score {_score(data)} (was {before})"]
        if moves:
            lines.append(f"         because {moves}")
        return [*lines, f"         {self.links.health}/v1/clients/{self.hero}/health"]

    def other_band_changed(self, data: Event, name: str) -> list[str]:
        if "unknown" in (data["band"], data.get("band_before")):
            return []
        return [f"health   {name}: {data.get('band_before')} → {data['band']} ({_score(data)})"]

    def assessed(self, data: Event, name: str) -> list[str]:
        self.known.assessments += 1
        risk = data.get("probability")
        self.known.risk = risk
        if risk is None:
            return []
        before = self.known.risk_told
        if before is None or abs(risk - before) >= NOTEWORTHY:
            self.known.risk_told = risk
            change = "" if before is None else f" (was {before:.0%})"
            return [
                f"churn    risk of {name} to leave within {data['horizon_days']} days: {risk:.0%}{change}{_mark(data)}"
            ]
        return []

    def flag_raised(self, data: Event, name: str) -> list[str]:
        """The story turns when the client is likely to leave; being among the week's riskiest is told by the way."""
        if data.get("rule") == CAPACITY:
            return self._among_riskiest(data, name)
        self.known.flagged_at = datetime.fromisoformat(data["as_of"])
        self.known.cleared = False
        risk = data.get("probability")
        said = f"risk {risk:.0%}" if risk is not None else f"{data.get('points')} points of risk signs"
        reasons = [f"         · {reason['text']}" for reason in data["reasons"] if reason["contribution"] > 0]
        return [
            f"churn    FLAG: {name} is likely to leave ({said}, from {_threshold(data)}){_mark(data)}",
            *reasons[:SHOWN_REASONS],
            f"         {self.links.churn}/v1/clients/{self.hero}/risk",
        ]

    def _among_riskiest(self, data: Event, name: str) -> list[str]:
        return [f"churn    {name} is among the riskiest clients of its CSM this week: {_percent(data)}{_mark(data)}"]

    def other_flag(self, data: Event, name: str) -> list[str]:
        if data.get("rule") == CAPACITY:
            return self._among_riskiest(data, name)
        return [f"churn    FLAG: {name}, too, is likely to leave"]

    def flag_cleared(self, data: Event, name: str) -> list[str]:
        if data.get("rule") == CAPACITY:
            return [f"churn    {name} is not among the riskiest of its CSM any more"]
        self.known.cleared = True
        return [f"churn    the flag of {name} is cleared: risk {_percent(data)}"]

    def case_opened(self, data: Event, name: str) -> list[str]:
        self.known.case = str(data["case_id"])
        steps = ", ".join(f"{step['step']} by {_moment(step['due_at'])}" for step in data.get("steps", ()))
        return [
            f"case     opened for {name}: {steps}",
            f"         {self.links.escalation}/v1/cases/{self.known.case}",
        ]

    def step_due(self, data: Event, name: str) -> list[str]:
        self.known.case = str(data["case_id"])
        due = _moment(data["due_at"])
        if data.get("notice") == "due_soon":
            return [f"case     {data['step']} is due soon: {due}"]
        return [f"case     {data['step']} is due {due}"]

    def step_done(self, data: Event, name: str) -> list[str]:
        self.known.done.add(str(data["step"]))
        late = " (late, after its breach)" if data["step"] in self.known.breached else ""
        return [f"case     {data['step']} is done{late}"]

    def step_breached(self, data: Event, name: str) -> list[str]:
        self.known.breached.add(str(data["step"]))
        return [f"case     BREACH: {data['step']} was due {_moment(data['due_at'])}"]

    def assigned(self, data: Event, name: str) -> list[str]:
        return [f"case     people: {data.get('csm_email')}, executive sponsor {data.get('executive_sponsor_email')}"]

    def closed(self, data: Event, name: str) -> list[str]:
        self.known.outcome = str(data["outcome"])
        return [f"case     closed: {str(data['outcome']).upper()}"]

    def delivered(self, data: Event, name: str) -> list[str]:
        if data["channel"] == "crm":
            return []
        self.known.messages += 1
        link = f"  {self.links.catcher}/" if self.known.messages == 1 else ""
        same = (data["recipient"], data["rule"])
        at = datetime.fromisoformat(data["as_of"]) if data.get("as_of") else None
        before, self.known.said[same] = self.known.said.get(same), at
        if before and at and at - before < ALSO_BY_MAIL:
            return []
        return [f"message  {data['channel']} → {data['recipient']}: {data['rule']}{link}"]

    def failed(self, data: Event, name: str) -> list[str]:
        return [f"message  FAILED: {data['channel']} → {data['recipient']}: {data.get('reason')}"]


CAPACITY = "capacity"
"""The rule that names the riskiest of each CSM, once a week."""
Listener = Callable[[Story, Event, str], list[str]]
_HERO: dict[str, Listener] = {
    "health.scored": Story.scored,
    "health.band_changed": Story.band_changed,
    "churn.assessed": Story.assessed,
    "churn.flag_raised": Story.flag_raised,
    "churn.flag_cleared": Story.flag_cleared,
    "escalation.case_opened": Story.case_opened,
    "escalation.case_assigned": Story.assigned,
    "escalation.step_due": Story.step_due,
    "escalation.step_done": Story.step_done,
    "escalation.step_breached": Story.step_breached,
    "escalation.case_closed": Story.closed,
    "notify.delivered": Story.delivered,
    "notify.failed": Story.failed,
}
_OTHERS: dict[str, Listener] = {
    "health.band_changed": Story.other_band_changed,
    "churn.flag_raised": Story.other_flag,
}


def _score(data: Event) -> str:
    return "none" if data.get("score") is None else f"{data['score']:.1f}"


def _percent(data: Event) -> str:
    return "below the points of a flag" if data.get("probability") is None else f"{data['probability']:.0%}"


def _threshold(data: Event) -> str:
    return f"{data['threshold']:.0%}" if data.get("probability") is not None else f"{data['threshold']} points"


def _mark(data: Event) -> str:
    return " [model trained on simulated data]" if data.get("simulated") else ""


def _moment(value: str) -> str:
    return f"{datetime.fromisoformat(value):%a %d %b %H:%M}"
