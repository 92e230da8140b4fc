"""A client's score as a picture (SVG): the line of the last months, and a thermometer with the model's bands.

One document, without scripts, fonts or anything from elsewhere; the same data give the same bytes. The line breaks
where another model took over: scores of two models are no trend.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import groupby, pairwise
from typing import Literal

from health.domain.model import POINT, TOP
from health.domain.walk import said

Theme = Literal["auto", "light", "dark"]

WIDTH, HEIGHT = 560, 176
LEFT, RIGHT, UPPER, LOWER = 36, 396, 50, 142
"""The frame of the line: its first and last moment, 100 and 0 points."""
TUBE, TUBE_WIDTH, WORDS = 426, 14, 472
NAME_SHOWN = 40
LABEL_ROOM = 90
"""A label this close to the right edge stands left of its mark."""
LABEL_WIDTH = 45
"""A label is left out where the next mark is closer: they would be printed over each other."""

TONES = {
    "green": "good", "healthy": "good", "amber": "fair", "stable": "fair", "at_risk": "poor", "red": "bad",
    "critical": "bad", "unknown": "none",
}  # fmt: skip
LIGHT = {
    "ground": "#ffffff", "ink": "#1f2933", "soft": "#616e7c", "grid": "#e4e7eb", "line": "#2f5fb3",
    "good": "#23804b", "fair": "#9c6700", "poor": "#b84e08", "bad": "#c8323c", "none": "#6b7684",
}  # fmt: skip
DARK = {
    "ground": "#14181d", "ink": "#eef1f4", "soft": "#a3adb8", "grid": "#2b323a", "line": "#8ab4f8",
    "good": "#4fbf84", "fair": "#e8b339", "poor": "#f08c3a", "bad": "#f2686f", "none": "#98a3ae",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Point:
    """An evaluation. Scores in sixteenths."""

    at: datetime
    score: int | None
    band: str
    model: str
    version: int

    @property
    def made_by(self) -> str:
        return f"{self.model} v{self.version}"


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn. `points` from the oldest on, the last being now; `bands` best first with their lowest scores;
    `confidence` per mille."""

    name: str
    points: Sequence[Point]
    bands: Sequence[tuple[str, int]]
    confidence: int
    since: datetime
    until: datetime
    """The frame: whole days, so that a picture stays the same while nothing happens."""

    @property
    def now(self) -> Point:
        return self.points[-1]

    @property
    def runs(self) -> list[list[Point]]:
        """Neighbours that one model made."""
        return [list(run) for _, run in groupby(self.points, key=lambda point: point.made_by)]

    def x(self, at: datetime) -> int:
        """Tenths of a unit from the left."""
        span = int((self.until - self.since).total_seconds())
        return 10 * LEFT + 10 * (RIGHT - LEFT) * int((at - self.since).total_seconds()) // span


def svg(picture: Picture, theme: Theme = "auto") -> str:
    """The picture as an SVG document."""
    body = [*_frame(picture), *_line(picture), *_turns(picture), *_thermometer(picture), *_figures(picture)]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    spoken = 'role="img" aria-labelledby="title desc" font-family="system-ui, -apple-system, sans-serif"'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {spoken}>',
        f'<title id="title">{escape(_title(picture))}</title>',
        f'<desc id="desc">{escape(_description(picture))}</desc>',
        f"<style>{_style(theme)}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
        *body,
        "</svg>",
        "",
    ])  # fmt: skip


def _style(theme: Theme) -> str:
    own = _rules(DARK if theme == "dark" else LIGHT)
    return f"{own}@media (prefers-color-scheme:dark){{{_rules(DARK)}}}" if theme == "auto" else own


def _rules(colours: dict[str, str]) -> str:
    fills = "".join(f".{name}{{fill:{colour}}}" for name, colour in colours.items())
    strokes = {"trend": "line", "gridline": "grid", "turn": "soft", "edge": "ground"}
    return fills + "".join(f".{name}{{stroke:{colours[colour]}}}" for name, colour in strokes.items())


def _title(picture: Picture) -> str:
    score = "no score" if picture.now.score is None else f"{_points(picture.now.score)} of 100"
    return f"Health of {picture.name}: {score}, {_spoken(picture.now.band)}"


def _description(picture: Picture) -> str:
    """The picture for those who hear it."""
    now, run = picture.now, picture.runs[-1]
    parts = [f"Model {now.made_by}, confidence {picture.confidence // 10}%."]
    first = next((point for point in run if point.score is not None), None)
    if first is not None and first is not now and first.score is not None and now.score is not None:
        parts.append(f"{said(now.score - first.score)} points since {_date(first.at)}.")
    parts += [f"Model {run[0].made_by} since {_date(run[0].at)}." for run in picture.runs[1:]]
    return " ".join(parts)


def _frame(picture: Picture) -> Iterator[str]:
    """Name, bands (faintly), grid and months."""
    name = picture.name if len(picture.name) <= NAME_SHOWN else f"{picture.name[: NAME_SHOWN - 1]}…"
    yield _text("ink", 10 * LEFT, 260, name, size=15, weight=600)
    for tone, low, high in _stretches(picture.bands):
        yield _rect(tone, 10 * LEFT, 10 * RIGHT, low, high, opacity=".08")
    for points in (0, 50, 100):
        y = _y(points * POINT)
        yield _rule("gridline", 10 * LEFT, y, 10 * RIGHT, y)
        yield _text("soft", 10 * LEFT - 60, y + 35, str(points), size=10, anchor="end")
    months = list(_months(picture.since, picture.until))
    for month in months[:: 1 + len(months) // 9]:
        x = picture.x(month)
        yield _rule("gridline", x, 10 * LOWER, x, 10 * LOWER + 40)
        yield _text("soft", x, 10 * LOWER + 160, f"{month:%b}", size=10, anchor="middle")


def _line(picture: Picture) -> Iterator[str]:
    """A line for each model, with a gap where nothing was known; a dot where we are."""
    for run in picture.runs:
        for known, stretch in groupby(run, key=lambda point: point.score is not None):
            places = [(picture.x(point.at), _y(point.score)) for point in stretch if point.score is not None]
            if known and len(places) > 1:
                steps = " ".join(f"{_n(x)},{_n(y)}" for x, y in places)
                yield f'<polyline class="trend" fill="none" stroke-width="2" stroke-linejoin="round" points="{steps}"/>'
            elif known:
                yield f'<circle class="line" cx="{_n(places[0][0])}" cy="{_n(places[0][1])}" r="1.5"/>'
    now = picture.now
    if now.score is not None:
        place = f'cx="{_n(picture.x(now.at))}" cy="{_n(_y(now.score))}"'
        yield f'<circle class="{TONES[now.band]} edge" stroke-width="2" {place} r="5"/>'


def _turns(picture: Picture) -> Iterator[str]:
    """Where another model took over; of several close together the last is named."""
    places = [picture.x(run[0].at) for run in picture.runs[1:]]
    lefts = [x > 10 * (RIGHT - LABEL_ROOM) for x in places]
    for nth, ((before, run), x, left) in enumerate(zip(pairwise(picture.runs), places, lefts, strict=True)):
        yield _rule("turn", x, 10 * UPPER - 60, x, 10 * LOWER, dashes="3 3")
        if nth + 1 < len(places) and places[nth + 1] - x < 10 * LABEL_WIDTH * (1 if lefts[nth + 1] == left else 2):
            continue
        label = run[0].made_by if run[0].model == before[0].model else run[0].model
        yield _text(
            "soft", x + (-40 if left else 40), 10 * UPPER - 20, label, size=9, anchor="end" if left else "start"
        )


def _thermometer(picture: Picture) -> Iterator[str]:
    """The bands as a tube that is filled up to the score."""
    left, right = 10 * TUBE, 10 * (TUBE + TUBE_WIDTH)
    score = picture.now.score or 0
    for tone, low, high in _stretches(picture.bands):
        yield _rect(tone, left, right, low, high, opacity=".22")
        if score > low:
            yield _rect(tone, left, right, low, min(high, score))
    for _, low in picture.bands[:-1]:
        yield _rule("edge", left, _y(low), right, _y(low))
        yield _text("soft", right + 40, _y(low) + 30, str(low // POINT), size=9)
    if picture.now.score is not None:
        yield _rule("ink turn", left - 40, _y(score), right, _y(score), width=2)


def _figures(picture: Picture) -> Iterator[str]:
    """The score and the band in words, the model that says so, and how much of it is known."""
    now = picture.now
    figure = "–" if now.score is None else _points(now.score)
    yield _text("ink", 10 * WORDS, 10 * UPPER + 240, figure, size=28, weight=700)
    yield _text(TONES[now.band], 10 * WORDS, 10 * UPPER + 420, _spoken(now.band), size=13, weight=600)
    yield _text("soft", 10 * WORDS, 10 * LOWER - 120, now.made_by, size=9)
    yield _text("soft", 10 * WORDS, 10 * LOWER, f"{picture.confidence // 10}% sure", size=9)


# Marks. All places are tenths of a unit, as integers: the same picture is the same text.


def _y(score: int) -> int:
    return 10 * LOWER - 10 * (LOWER - UPPER) * score // TOP


def _n(tenths: int) -> str:
    whole, part = divmod(abs(tenths), 10)
    return f"{'-' if tenths < 0 else ''}{whole}" + (f".{part}" if part else "")


def _rect(tone: str, left: int, right: int, low: int, high: int, *, opacity: str = "1") -> str:
    place = f'x="{_n(left)}" y="{_n(_y(high))}" width="{_n(right - left)}" height="{_n(_y(low) - _y(high))}"'
    return f'<rect class="{tone}" opacity="{opacity}" {place}/>'


def _rule(tone: str, x1: int, y1: int, x2: int, y2: int, *, width: int = 1, dashes: str | None = None) -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    place = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
    return f'<line class="{tone}" stroke-width="{width}"{dashed} {place}/>'


def _text(tone: str, x: int, y: int, words: str, *, size: int, anchor: str = "start", weight: int = 400) -> str:
    looks = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text class="{tone}" x="{_n(x)}" y="{_n(y)}" {looks}>{escape(words)}</text>'


def _stretches(bands: Sequence[tuple[str, int]]) -> Iterator[tuple[str, int, int]]:
    """Tone, lowest and highest score of each band."""
    high = TOP
    for band, low in bands:
        yield TONES[band], low, high
        high = low


def _months(since: datetime, until: datetime) -> Iterator[datetime]:
    """The first moments of the months in between."""
    month = since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while month < until:
        if month >= since:
            yield month
        month = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def _points(score: int) -> str:
    """Rounded down, so that 79.99 is not shown as 80."""
    return str(score // POINT)


def _spoken(band: str) -> str:
    return band.replace("_", " ")


def _date(at: datetime) -> str:
    return f"{at:%-d %b %Y}"
