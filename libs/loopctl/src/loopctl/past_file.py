"""A backtest on a file of client events: grouped by client unread, then read and evaluated by two processes."""

from __future__ import annotations

import gc
import multiprocessing
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from loopctl.errors import Problem

if TYPE_CHECKING:
    from churn.adapters.event_file import Identities
    from health.backtest import Comparison
    from health.domain.backtest import Grid, Track

WORKERS = 2
CLIENTS_AT_ONCE = 50
NOBODY = ""
"""Whose lines are those that name no subject: they are refused when they are read."""
_SUBJECT = re.compile(rb'"subject"\s*:\s*"([^"\\]+)"')
_MOMENT = re.compile(rb'"(?:time|knowntime)"\s*:\s*"([^"\\]+)"')
Told = Callable[[int, int], None]
"""How many clients are done, of how many."""


@dataclass
class PastFile:
    """Lines by client; none was read as a whole yet."""

    lines: Sequence[bytes]
    who: Identities
    clients: dict[str, list[int]] = field(default_factory=dict)
    _latest: list[bytes] = field(default_factory=list)
    """Moments of the last days, as written."""

    @classmethod
    def of(cls, lines: Sequence[bytes]) -> PastFile:
        from churn.adapters import event_file

        found = cls(lines, event_file.identities(lines))
        keys = found.who.keys
        newest = b""
        for number, line in enumerate(lines):
            if not line or line.isspace():
                continue
            subject = _SUBJECT.search(line)
            key = subject[1].decode(errors="replace") if subject else NOBODY
            found.clients.setdefault(keys.get(key, key), []).append(number)
            for moment in _MOMENT.findall(line):
                if moment[:10] >= newest:
                    newest = found._keep(moment, newest)
        return found

    def _keep(self, moment: bytes, newest: bytes) -> bytes:
        """Dates are compared as they are written: a zone moves one by a day at most, so two days are kept."""
        day = moment[:10]
        if day > newest:
            self._latest = [each for each in self._latest if _days_apart(each[:10], day) <= 1]
        self._latest.append(moment)
        return day

    def known_until(self) -> datetime:
        """When the newest line was known, now at the latest: a date far ahead is a slip.

        Raises Problem for a file without a time.
        """
        from common.clock import SystemClock

        if not self._latest:
            raise Problem("there is no event in this file", remedy="give one in import form: an event a line")
        try:
            newest = max(datetime.fromisoformat(moment.decode()).astimezone(UTC) for moment in self._latest)
            return min(newest, SystemClock().wall())
        except (ValueError, OverflowError) as error:
            raise Problem(f"the file's last times cannot be read ({error})", remedy="mend its lines") from error


def _days_apart(one: bytes, other: bytes) -> int:
    try:
        return abs((date.fromisoformat(other.decode()) - date.fromisoformat(one.decode())).days)
    except ValueError:
        return 0  # no date: told when it is read


@dataclass
class Found:
    """Tracks of clients, and lines that could not be read."""

    tracks: list[Track] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    refused: int = 0
    read: int = 0


_SHARED: list[Any] = []
"""What forked workers see without it being copied to them."""


def tracks(past: PastFile, compared: Comparison, grid: Grid, told: Told) -> Found:
    """Of all clients."""
    keys = sorted(past.clients)
    chunks = [keys[first : first + CLIENTS_AT_ONCE] for first in range(0, len(keys), CLIENTS_AT_ONCE)]
    found, done = Found(), 0
    _SHARED[:] = [past, compared, grid]
    for chunk, part in zip(chunks, _worked(chunks), strict=True):
        found.tracks += part.tracks
        found.refusals += part.refusals
        found.refused += part.refused
        found.read += part.read
        done += len(chunk)
        told(done, len(keys))
    _SHARED.clear()
    return found


def _worked(chunks: Sequence[Sequence[str]]) -> Iterator[Found]:
    if "fork" not in multiprocessing.get_all_start_methods():
        yield from map(_chunk, chunks)
        return
    gc.collect()
    gc.freeze()  # a collection in a worker would touch, and so copy, all that it shares with us
    with multiprocessing.get_context("fork").Pool(WORKERS, initializer=gc.disable) as pool:
        yield from pool.imap(_chunk, chunks)
    gc.unfreeze()


def _chunk(keys: Sequence[str]) -> Found:
    from churn.adapters import event_file
    from churn.domain.history import in_order

    past, compared, grid = _SHARED
    numbers = [number for key in keys for number in past.clients[key]]
    read = event_file.read([past.lines[number] for number in numbers], past.who)
    found = Found(refusals=[_renumbered(each, numbers) for each in read.refusals], refused=read.refused, read=read.read)
    for key, events in sorted(read.clients.items()):
        track = compared.track(key, in_order(events), grid.moments)
        if track is not None:
            found.tracks.append(track)
    return found


def _renumbered(refusal: str, numbers: Sequence[int]) -> str:
    """With the number of the line in the file."""
    _, number, why = re.split(r"line (\d+): ", refusal, maxsplit=1)
    return f"line {numbers[int(number) - 1] + 1}: {why}"


def summary(report: Mapping[str, Any]) -> str:
    """A report for people."""
    latest, volume, gone = report["bands"]["latest"], report["alerts_per_week"], report["cancellations"]
    every = report["bands"]["all"]
    span = f"{report['from'][:10]} to {report['to'][:10]}"
    now = f"Bands now: {latest['changed']:,} of {latest['compared']:,} change, {latest['worse']:,} for the worse"
    lines = [
        f"{report['clients']:,} clients at {report['moments']} ends of weeks, {span}",
        "",
        f"{now} (of all weeks: {every['changed']:,} of {every['compared']:,})",
        *_matrix(latest["matrix"]),
    ]
    if latest.get("would_be_held"):
        lines.append("  Published, its moves for the worse would be held until somebody releases them.")
    lines += ["", f"{'Alerts per week':<34}{'in force':>14}{'candidate':>14}"]
    for name, words in (("worse_band", "moves to a worse band"), ("below_60", "of these below 60")):
        lines.append(f"  {words:<32}{volume['in_force'][name]:>14}{volume['candidate'][name]:>14}")
    lines += [
        "",
        f"Against {gone['happened']} cancellations, within {gone['horizon_days']} days ({gone['stayed']} stayed)",
    ]
    for rule, words in (("below_60", "in a band below 60"), ("worse_band", "in a worse band than before")):
        lines += [f"  Alarm: {words}", *_against(gone["in_force"][rule], gone["candidate"][rule])]
    return "\n".join(lines)


def _matrix(matrix: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for before, row in matrix.items():
        yield f"  {before:<10} → " + ", ".join(f"{after} {count:,}" for after, count in row.items())


def _against(in_force: Mapping[str, Any], candidate: Mapping[str, Any]) -> Iterator[str]:
    def both(words: str, one: str, other: str) -> str:
        return f"    {words:<22}{one:>32}{other:>32}"

    yield both("", "in force", "candidate")
    yield both("alarms (undecided)", *(f"{m['alarms']} ({m['undecided']})" for m in (in_force, candidate)))
    yield both("precision", *(_share(m["precision"]) for m in (in_force, candidate)))
    yield both("recall", *(_share(m["recall"]) for m in (in_force, candidate)))
    yield both("median lead, days", *(_lead(m["lead_days"]) for m in (in_force, candidate)))
    yield both("control: alarmed", *(_share(m["control"]["alarmed"]) for m in (in_force, candidate)))
    yield both("control: median lead", *(_lead(m["control"]["lead_days"]) for m in (in_force, candidate)))


def _share(share: Mapping[str, Any]) -> str:
    if share["value"] is None:
        return "–"
    return f"{share['value']:.1%} ({share['low']:.1%}–{share['high']:.1%}) of {share['of']}"


def _lead(lead: Mapping[str, Any]) -> str:
    if lead["median"] is None:
        return "–"
    return f"{lead['median']:g} ({lead['quartile_1']:g}–{lead['quartile_3']:g}) of {lead['of']}"
