"""Which signs begin, go on and end at a moment, and when the next one may by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from health.domain.evaluate import Feeds, deadlines
from health.domain.moments import HOUR
from health.domain.signs.people import unanswered
from health.domain.signs.sign import Finding, Params, Rhythm, Seen, Sign, findings
from health.domain.state import ClientState

Key: TypeAlias = tuple[str, str]
"""(sign, about)."""


@dataclass(frozen=True)
class Policy:
    """A version of the definition: which signs are looked for, with which settings, and the rhythm of the tiers."""

    name: str
    version: int
    rhythm: Rhythm
    settings: tuple[tuple[Sign, Params], ...]

    def hours(self, sign: str) -> int | None:
        """`starts_at` of a sign that counts hours, in seconds; None if it is not looked for."""
        return next((p["starts_at"] * HOUR for s, p in self.settings if s.name == sign), None)


class Watched(NamedTuple):
    """What came of a look: signs that began, those that go on (as they read now), and the keys of those over."""

    began: list[tuple[Sign, Finding]]
    goes_on: list[tuple[Sign, Finding]]
    over: list[Key]


def watch(policy: Policy, seen: Seen, on: frozenset[Key], feeds: Feeds | None) -> Watched:
    """Look for every sign. What rests on a silent source is left as it is: no data is no sign.

    `on`: the signs that are there. `feeds` None: every source counts as heard.
    """
    found = Watched([], [], [])
    silent: dict[str, bool] = {}
    shown: dict[str, set[str]] = {}
    for name, about in on:
        shown.setdefault(name, set()).add(about)
    for sign, params in policy.settings:
        mine = shown.pop(sign.name, None)
        if feeds is not None and _rests_on_silence(sign, seen, feeds, silent):
            continue
        answer = sign.look(replace(seen, on=frozenset(mine)) if mine else seen, params)
        if mine is None and answer is None:
            continue
        gone = set(mine or ())
        for finding in findings(answer):
            (found.goes_on if finding.about in gone else found.began).append((sign, finding))
            gone.discard(finding.about)
        found.over.extend((sign.name, about) for about in sorted(gone))
    found.over.extend(sorted((name, about) for name, abouts in shown.items() for about in abouts))
    return found


def _rests_on_silence(sign: Sign, seen: Seen, feeds: Feeds, silent: dict[str, bool]) -> bool:
    for family in sign.families:
        known = silent.get(family)
        if known is None:
            known = silent[family] = _is_silent(family, seen, feeds)
        if known:
            return True
    return False


def _is_silent(family: str, seen: Seen, feeds: Feeds) -> bool:
    """Whether a source of this kind of data should have been heard by now, and was not.

    A source that came live but keeps no rhythm that we know of cannot be missed.
    """
    sources = seen.state.feeds.get(family)
    rhythmic = {name for name, heard in feeds.items() if heard.every}
    return sources is not None and any(
        seen.now >= deadline and (name in rhythmic or not sources[name][1])
        for name, deadline in deadlines(seen.state, family, feeds).items()
    )


def next_instant(state: ClientState, now: int, policy: Policy | None) -> int | None:
    """The next second within the hours of a day at which a sign may begin or end though nothing happens."""
    if policy is None:
        return None
    moments: list[int] = []
    silence, agenda = policy.hours("client_silent"), policy.hours("agenda_missing")
    summary = policy.hours("summary_missing")
    if silence is not None and state.waiting:
        moments += [asked + silence for asked, _ in unanswered(state, now)]
    if agenda is not None:
        for kind, start, sent, _ in state.meetings_planned.values():
            if sent is None and kind in policy.rhythm.agenda_for:
                moments += [start - agenda, start]
    if summary is not None:
        for kind, held, sent, _ in state.meetings_held.values():
            if sent is None and kind in policy.rhythm.summary_for:
                moments.append(held + summary)
    return min((moment for moment in moments if moment > now), default=None)
