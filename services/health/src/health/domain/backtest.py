"""A candidate model on past states beside what is in force: who would change band, how often it would alarm, and how
that compares with the clients that left and with those that stayed. Pure; docs/what-if.md defines every figure.

A client's past is one byte a week and model (`Track`): 52 weeks of 10,000 clients are a megabyte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, NamedTuple

from health.domain.blast import LOW, RANK, Limits
from health.domain.evaluate import UNKNOWN
from health.domain.moments import DAY

HORIZON_DAYS = 90
"""An alarm is right if notice follows within so many days (domain: the risk of churn is within 90 days)."""
Z = 1.959964
"""Two-sided 95 %."""
BANDS = (*RANK, UNKNOWN)
ABSENT = 255
"""No client at that moment: not yet, or no more."""
CODES = {band: code for code, band in enumerate(BANDS)}
_RANKS = [RANK.get(band) for band in BANDS]
TRIED = 50
"""Leavers that are tried as the match of one that stayed."""


class Track(NamedTuple):
    """A client week by week. Bands are codes of `BANDS`, by the index of the moment."""

    client: str
    in_force: bytes
    candidate: bytes
    notice: int | None
    """The second of its notice, if it gave one that was not taken back."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The moments (ascending seconds), and until when it is known what became of clients."""

    moments: Sequence[int]
    known_until: int
    horizon_days: int = HORIZON_DAYS

    @property
    def horizon(self) -> int:
        return self.horizon_days * DAY


class Episode(NamedTuple):
    """A stretch of moments (indices, both included) in which a client is alarmed about."""

    start: int
    end: int


Rule = Callable[[bytes], list[Episode]]


def below_60(bands: bytes) -> list[Episode]:
    """In a band below 60. `unknown` in between does not end it."""
    found: list[Episode] = []
    going = False
    for at, code in enumerate(bands):
        rank = None if code == ABSENT else _RANKS[code]
        if rank is None:
            going = going and code != ABSENT
        elif rank < LOW:
            going = False
        else:
            found = [*found[:-1], Episode(found[-1].start, at)] if going else [*found, Episode(at, at)]
            going = True
    return found


def worse_band(bands: bytes) -> list[Episode]:
    """From a move to a worse band until the client is back where it was before."""
    found: list[Episode] = []
    known: int | None = None
    level: int | None = None
    for at, code in enumerate(bands):
        rank = None if code == ABSENT else _RANKS[code]
        if code == ABSENT:
            known = level = None
        if rank is None:
            continue
        if level is not None and rank > level:
            found[-1] = Episode(found[-1].start, at)
        else:
            level = None
            if known is not None and rank > known:
                found.append(Episode(at, at))
                level = known
        known = rank
    return found


RULES: dict[str, Rule] = {"below_60": below_60, "worse_band": worse_band}


def moves(bands: bytes) -> Iterable[tuple[int, bool]]:
    """Moves to a worse band: (moment's index, whether it is into one below 60), as they would be told live."""
    known: int | None = None
    for at, code in enumerate(bands):
        rank = None if code == ABSENT else _RANKS[code]
        if code == ABSENT:
            known = None
        if rank is None:
            continue
        if known is not None and rank > known:
            yield at, known < LOW <= rank
        known = rank


def share(part: int, whole: int) -> dict[str, Any]:
    """A share with its counts and its 95 % interval (Wilson); all null where there is nothing to share."""
    if not whole:
        return {"value": None, "low": None, "high": None, "count": part, "of": whole}
    p = part / whole
    middle = p + Z * Z / (2 * whole)
    spread = Z * sqrt(p * (1 - p) / whole + Z * Z / (4 * whole * whole))
    scale = 1 + Z * Z / whole
    low, high = max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
    return {"value": round(p, 4), "low": round(low, 4), "high": round(high, 4), "count": part, "of": whole}


def spread_of(values: Iterable[float]) -> dict[str, Any]:
    """Median with the quartiles, in days."""
    ordered = sorted(values)
    if not ordered:
        return {"median": None, "quartile_1": None, "quartile_3": None, "of": 0}

    def at(part: float) -> float:
        place = part * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return round(ordered[low] + (ordered[high] - ordered[low]) * (place - low), 1)

    return {"median": at(0.5), "quartile_1": at(0.25), "quartile_3": at(0.75), "of": len(ordered)}


def report(tracks: Iterable[Track], grid: Grid, limits: Limits = Limits()) -> dict[str, Any]:  # noqa: B008  (immutable)
    """All figures. The order of the tracks makes no difference."""
    known = sorted(track for track in tracks if any(code != ABSENT for code in track.in_force))
    return {
        "clients": len(known),
        "moments": len(grid.moments),
        "bands": {"latest": _bands(known, [len(grid.moments) - 1], limits), "all": _bands(known, None, limits)},
        "alerts_per_week": _volume(known, grid),
        "cancellations": _cancellations(known, grid),
    }


def _bands(tracks: Sequence[Track], at: Sequence[int] | None, limits: Limits) -> dict[str, Any]:
    """From the band in force to the candidate's, at these moments (None: at all), counting client-moments."""
    pairs: Counter[tuple[int, int]] = Counter()
    for track in tracks:
        both = zip(track.in_force, track.candidate, strict=True)
        pairs.update(both if at is None else [(track.in_force[n], track.candidate[n]) for n in at])
    pairs = Counter({pair: count for pair, count in pairs.items() if ABSENT not in pair})
    ranked = [(_RANKS[a], _RANKS[b], count) for (a, b), count in pairs.items()]
    worse = sum(count for a, b, count in ranked if a is not None and b is not None and b > a)
    total = sum(pairs.values())
    told: dict[str, Any] = {
        "compared": total,
        "changed": sum(count for (a, b), count in pairs.items() if a != b),
        "worse": worse,
        "better": sum(count for a, b, count in ranked if a is not None and b is not None and b < a),
        "matrix": _matrix(pairs),
    }
    if at is not None:
        told["would_be_held"] = limits.exceeded(worse, total)
    return told


def _matrix(pairs: Counter[tuple[int, int]]) -> dict[str, dict[str, int]]:
    rows: dict[str, dict[str, int]] = {}
    for (before, after), count in sorted(pairs.items()):
        rows.setdefault(BANDS[before], {})[BANDS[after]] = count
    return rows


def _volume(tracks: Sequence[Track], grid: Grid) -> dict[str, Any]:
    """Moves to a worse band and moves below 60, by week and in the mean."""
    told: dict[str, Any] = {}
    for name in ("in_force", "candidate"):
        worse, low = [0] * len(grid.moments), [0] * len(grid.moments)
        for track in tracks:
            for at, into_low in moves(getattr(track, name)):
                worse[at] += 1
                low[at] += into_low
        weeks = max(1, len(grid.moments) - 1)  # the first has none before it to have moved from
        told[name] = {
            "worse_band": round(sum(worse) / weeks, 2),
            "below_60": round(sum(low) / weeks, 2),
            "busiest_week": max(worse, default=0),
            "weeks": [{"worse_band": w, "below_60": n} for w, n in zip(worse, low, strict=True)],
        }
    return told


def _cancellations(tracks: Sequence[Track], grid: Grid) -> dict[str, Any]:
    """Alarms against notices, by model and rule."""
    leavers = [track for track in tracks if _scored_before(track, grid)]
    never_scored = sum(track.notice is not None for track in tracks) - len(leavers)
    stayers = [track for track in tracks if track.notice is None]
    matched = _matched(stayers, leavers, grid)
    told: dict[str, Any] = {
        "happened": len(leavers),
        "not_scored_before": never_scored,
        "stayed": len(stayers),
        "horizon_days": grid.horizon_days,
    }
    for name in ("in_force", "candidate"):
        told[name] = {
            rule: _against(tracks, leavers, matched, grid, name, episodes) for rule, episodes in RULES.items()
        }
    return told


def _against(
    tracks: Sequence[Track],
    leavers: Sequence[Track],
    matched: Sequence[tuple[Track, int]],
    grid: Grid,
    name: str,
    rule: Rule,
) -> dict[str, Any]:
    episodes = {track.client: rule(getattr(track, name)) for track in tracks}
    right, wrong, open_ = _judged(tracks, episodes, grid)
    leads = [_lead(episodes[track.client], track.notice or 0, grid) for track in leavers]
    control = [_lead(episodes[track.client], reference, grid) for track, reference in matched]
    return {
        "alarms": right + wrong + open_,
        "undecided": open_,
        "precision": share(right, right + wrong),
        "recall": share(sum(lead is not None for lead in leads), len(leads)),
        "lead_days": spread_of(lead for lead in leads if lead is not None),
        "control": {
            "alarmed": share(sum(lead is not None for lead in control), len(control)),
            "lead_days": spread_of(lead for lead in control if lead is not None),
        },
    }


def _judged(tracks: Sequence[Track], episodes: dict[str, list[Episode]], grid: Grid) -> tuple[int, int, int]:
    """Alarms that were right, wrong, and not decided yet. What begins after the notice is none."""
    right = wrong = open_ = 0
    for track in tracks:
        for episode in episodes[track.client]:
            start = grid.moments[episode.start]
            if track.notice is not None and start >= track.notice:
                continue
            if track.notice is not None and track.notice <= start + grid.horizon:
                right += 1
            elif start + grid.horizon > grid.known_until:
                open_ += 1
            else:
                wrong += 1
    return right, wrong, open_


def _lead(episodes: Sequence[Episode], end: int, grid: Grid) -> float | None:
    """Days from the first alarm of the horizon before `end` until then, at most the horizon; None: there was none."""
    opened = end - grid.horizon
    for episode in episodes:
        start, last = grid.moments[episode.start], grid.moments[episode.end]
        if start < end and last >= opened:
            return (end - max(start, opened)) / DAY
    return None


def _scored_before(track: Track, grid: Grid) -> bool:
    return track.notice is not None and _first(track, grid) < track.notice


def _first(track: Track, grid: Grid) -> int:
    return next(grid.moments[at] for at, code in enumerate(track.in_force) if code != ABSENT)


def _last(track: Track, grid: Grid) -> int:
    return next(grid.moments[at] for at in reversed(range(len(track.in_force))) if track.in_force[at] != ABSENT)


def _matched(stayers: Sequence[Track], leavers: Sequence[Track], grid: Grid) -> list[tuple[Track, int]]:
    """Each that stayed, with the moment at which a leaver of the same tenure left: leavers in turn, the first whose
    tenure it reached. Those that reached none of the tried ones are left out."""
    tenures = [(track.notice or 0) - _first(track, grid) for track in leavers]
    found = []
    for nth, track in enumerate(stayers):
        first, last = _first(track, grid), _last(track, grid)
        for turn in range(min(TRIED, len(tenures))):
            tenure = tenures[(nth + turn) % len(tenures)]
            if first + tenure <= last:
                found.append((track, first + tenure))
                break
    return found
