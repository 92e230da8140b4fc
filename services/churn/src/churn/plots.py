"""Small plots as SVG: lines, bands, dots with intervals, on axes with round ticks; light and dark, and titled.

Each is one document without scripts, fonts or anything from elsewhere; the same data give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 640, 346
LEFT, RIGHT, UPPER, LOWER = 64, 612, 84, 290
EDGE = 20
NAMES_LEFT = 190
"""Where names stand beside their rows, the frame begins here."""
ROOT_TICKS = (0.01, 0.05, 0.2, 0.5, 1.0)
"""Of an axis of square roots, as parts of its end."""
ROW, ROWS_UPPER = 26, 58
LETTER = 6.2
"""Width of a letter of a legend, about."""
SAMPLE, LEGEND_GAP = 28, 24

LIGHT = {"ground": "#ffffff", "ink": "#1f2933", "soft": "#616e7c", "grid": "#e4e7eb", "one": "#2f5fb3",
         "two": "#b84e08", "three": "#23804b", "bad": "#c8323c"}  # fmt: skip
DARK = {"ground": "#14181d", "ink": "#eef1f4", "soft": "#a3adb8", "grid": "#2b323a", "one": "#8ab4f8",
        "two": "#f08c3a", "three": "#4fbf84", "bad": "#f2686f"}  # fmt: skip

Point = tuple[float, float]


class Ranged(NamedTuple):
    """A place on the x axis with a value and its interval on the y axis."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Axis:
    """What runs along it, from 0 or below to `high`; shares are shown as percentages.

    `root`: by square roots, from 0 on, which gives room to many small values beside few large ones.
    """

    label: str
    high: float
    low: float = 0.0
    share: bool = True
    root: bool = False

    @property
    def ticks(self) -> list[float]:
        if self.root:
            return [0.0, *(part * self.high for part in ROOT_TICKS)]
        step = _step((self.high - self.low) / 5)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [nth * step for nth in range(first, last + 1)]

    def said(self, value: float) -> str:
        if self.share:
            return f"{round(value * 100, 2):g} %".replace("-", "−")
        return f"{round(value, 4):g}".replace("-", "−")

    def part(self, value: float) -> float:
        """Where on the axis, 0 … 1; what is beyond stands at its end."""
        part = min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))
        return math.sqrt(part) if self.root else part


def axis(label: str, values: Iterable[float], *, share: bool = True, most: float | None = None) -> Axis:
    """From 0 to the round number above all values (or `most` at most)."""
    top = max((value for value in values if math.isfinite(value)), default=0.0) or 1.0
    step = _step(top / 5)
    high = math.ceil(top / step - 1e-9) * step
    return Axis(label, min(high, most) if most is not None else high, share=share)


def _step(rough: float) -> float:
    """The round number at or above it: 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))


@dataclass
class Plot:
    """Marks are drawn in the order in which they are added."""

    title: str
    described: str
    x: Axis
    y: Axis
    _marks: list[str] = field(default_factory=list)
    _legend: list[tuple[str, str, str]] = field(default_factory=list)

    def line(self, points: Sequence[Point], tone: str, name: str = "", dashes: str = "") -> Plot:
        steps = " ".join(self._place(x, y) for x, y in points)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        self._marks.append(f'<polyline class="s-{tone}" fill="none" stroke-width="2"{dashed} points="{steps}"/>')
        return self._named(tone, name, dashes)

    def band(self, points: Sequence[Ranged], tone: str) -> Plot:
        """The intervals of a line."""
        there, back = ([(p.x, p.high) for p in points], [(p.x, p.low) for p in reversed(points)])
        steps = " ".join(self._place(x, y) for x, y in (*there, *back))
        self._marks.append(f'<polygon class="f-{tone}" opacity=".16" points="{steps}"/>')
        return self

    def dots(self, points: Sequence[Ranged], tone: str, name: str = "") -> Plot:
        """Dots with their intervals."""
        for p in points:
            (x, low), (_, high), (_, y) = (self._xy(p.x, value) for value in (p.low, p.high, p.y))
            self._marks.append(
                f'<line class="s-{tone}" stroke-width="1.5" x1="{_n(x)}" y1="{_n(low)}" x2="{_n(x)}" y2="{_n(high)}"/>'
                f'<circle class="f-{tone}" cx="{_n(x)}" cy="{_n(y)}" r="4"/>'
            )
        return self._named(tone, name, "")

    def mark(self, point: Point, tone: str, words: str, *, below: bool = False) -> Plot:
        """A dot with words above or below it."""
        x, y = self._xy(*point)
        left = x > (LEFT + RIGHT) / 2
        self._marks.append(
            f'<circle class="f-{tone}" cx="{_n(x)}" cy="{_n(y)}" r="4"/>'
            + _text("ink", x + (-8 if left else 8), y + (18 if below else -8), words, 11, "end" if left else "start")
        )
        return self

    def svg(self) -> str:
        body = [*self._frame(), *self._marks, *self._names()]
        return _document(self.title, self.described, HEIGHT, body)

    def _named(self, tone: str, name: str, dashes: str) -> Plot:
        if name:
            self._legend.append((tone, name, dashes))
        return self

    def _xy(self, x: float, y: float) -> Point:
        return LEFT + (RIGHT - LEFT) * self.x.part(x), LOWER - (LOWER - UPPER) * self.y.part(y)

    def _place(self, x: float, y: float) -> str:
        across, down = self._xy(x, y)
        return f"{_n(across)},{_n(down)}"

    def _frame(self) -> list[str]:
        marks = []
        for tick in self.y.ticks:
            _, y = self._xy(self.x.low, tick)
            marks += [_rule(LEFT, y, RIGHT, y), _text("soft", LEFT - 8, y + 4, self.y.said(tick), 11, "end")]
        for tick in self.x.ticks:
            x, _ = self._xy(tick, self.y.low)
            marks += [_rule(x, LOWER, x, LOWER + 5), _text("soft", x, LOWER + 19, self.x.said(tick), 11, "middle")]
        marks.append(_text("soft", (LEFT + RIGHT) / 2, LOWER + 42, self.x.label, 12, "middle"))
        marks.append(_text("soft", EDGE, UPPER - 14, self.y.label, 12, "start"))
        return marks

    def _names(self) -> list[str]:
        """The legend, below the title."""
        marks, left = [], float(EDGE)
        for tone, name, dashes in self._legend:
            dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
            marks.append(
                f'<line class="s-{tone}" stroke-width="3"{dashed} x1="{_n(left)}" y1="44" x2="{_n(left + SAMPLE - 6)}"'
                ' y2="44"/>' + _text("soft", left + SAMPLE, 48, name, 12, "start")
            )
            left += SAMPLE + len(name) * LETTER + LEGEND_GAP
        return marks


class Row(NamedTuple):
    """A named value with its interval."""

    name: str
    value: float
    low: float
    high: float
    tone: str = "one"


def rows(title: str, described: str, x: Axis, shown: Sequence[Row], *, zero: bool = False) -> str:
    """One row for each value, its name beside it; with `zero` a line there."""
    lower = ROWS_UPPER - 12 + ROW * len(shown)

    def at(value: float) -> float:
        return NAMES_LEFT + (RIGHT - NAMES_LEFT) * x.part(value)

    marks = []
    for tick in x.ticks:
        marks += [
            _rule(at(tick), ROWS_UPPER - 16, at(tick), lower),
            _text("soft", at(tick), lower + 17, x.said(tick), 11, "middle"),
        ]
    if zero:
        marks.append(_rule(at(0.0), ROWS_UPPER - 16, at(0.0), lower, "soft"))
    marks.append(_text("soft", (NAMES_LEFT + RIGHT) / 2, lower + 40, x.label, 12, "middle"))
    for nth, row in enumerate(shown):
        y = ROWS_UPPER + ROW * nth
        marks.append(_text("ink", NAMES_LEFT - 12, y + 4, row.name, 12, "end"))
        marks.append(
            f'<line class="s-{row.tone}" stroke-width="3" opacity=".55" x1="{_n(at(row.low))}" y1="{_n(y)}"'
            f' x2="{_n(at(row.high))}" y2="{_n(y)}"/><circle class="f-{row.tone}" cx="{_n(at(row.value))}"'
            f' cy="{_n(y)}" r="5"/>'
        )
    return _document(title, described, round(lower + 56), marks)


def _document(title: str, described: str, height: int, body: Sequence[str]) -> str:
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    spoken = 'role="img" aria-labelledby="title desc" font-family="system-ui, -apple-system, sans-serif"'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {spoken}>',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(described)}</desc>',
        f"<style>{_rules(LIGHT)}@media (prefers-color-scheme:dark){{{_rules(DARK)}}}</style>",
        f'<rect class="f-ground" width="{WIDTH}" height="{height}" rx="8"/>',
        _text("ink", EDGE, 26, title, 14, "start", 600),
        *body,
        "</svg>",
    ])  # fmt: skip


def _rules(colours: dict[str, str]) -> str:
    return "".join(f".f-{tone}{{fill:{colour}}}.s-{tone}{{stroke:{colour}}}" for tone, colour in colours.items())


def _text(tone: str, x: float, y: float, words: str, size: int, anchor: str, weight: int = 400) -> str:
    looks = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text class="f-{tone}" x="{_n(x)}" y="{_n(y)}" {looks}>{escape(words)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float, tone: str = "grid") -> str:
    return f'<line class="s-{tone}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'


def _n(value: float) -> str:
    return f"{round(value, 1):g}"
