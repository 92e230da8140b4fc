"""Two populations of the same simulated world: clients of the past, to learn from, and ours, whom the demo shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from loopctl.demo.behaviour import Behaviour, Course, Happening
from loopctl.demo.portfolio import HERO, Member, generator, member
from loopctl.demo.simulation import NEVER, WEEKS_PER_YEAR, Flags, Floats, Lives, Rules, live

PAST_CLIENTS = 1_500
PAST_WEEKS = 106
"""A little more than two years."""
PAST_NUMBER = 100_000
"""Past clients are numbered from here: none of them is a client of the live portfolio."""
OLDEST_WEEKS = 8
"""How long before the window of the past its oldest clients began."""
HISTORY = timedelta(days=180)
"""What of our own clients is imported."""
PLAY = timedelta(days=40)
"""Business time that the demo plays through before it arrives at now."""
AFTERWARDS_WEEKS = 26
"""How long our clients go on living after the demo arrived at now."""
PAST_LATENTS, PRESENT_LATENTS, STARTS = 3, 4, 5
HERO_ENGAGEMENT = (-0.15, -0.45, -1.1, -1.9, -2.6, -1.0, 0.3)
"""The hero's engagement from two weeks before the play on, a week each; all is well before and afterwards."""


@dataclass(frozen=True, slots=True)
class Past:
    """The population of the training file, hidden states included (for tests; nobody else may look)."""

    members: list[Member]
    lives: Lives
    epoch: datetime


@dataclass(frozen=True, slots=True)
class Present:
    """Our clients: their history begins at `epoch`, the play at `began`."""

    members: list[Member]
    courses: list[Course]
    epoch: datetime
    began: datetime

    def happenings(self, number: int) -> list[Happening]:
        """All that a client does, in order of time: first its history, then what the play shows."""
        behaviour = Behaviour(self.members[number], self.courses[number], self.epoch)
        return [*behaviour.beginning(), *behaviour.happenings(0)]


def past(world: str, until: datetime, count: int = PAST_CLIENTS, rules: Rules | None = None) -> Past:
    """A growing firm's clients of the two years before `until`; most are still there, some left."""
    rng = generator(world, PAST_LATENTS)
    epoch = midnight(until) - timedelta(weeks=PAST_WEEKS)
    began = rng.triangular(-OLDEST_WEEKS, PAST_WEEKS * 0.7, PAST_WEEKS - 4, count)
    started = began.astype(np.int64)
    lives = live(rng, started, PAST_WEEKS, rules)
    members = [
        member(world, PAST_NUMBER + n, epoch + timedelta(weeks=int(week))) for n, week in enumerate(started)
    ]
    return Past(members, lives, epoch)


def past_happenings(population: Past) -> Iterator[tuple[Member, list[Happening]]]:
    """Each past client with all it did, in order of time."""
    for row, who in enumerate(population.members):
        behaviour = Behaviour(who, Course.of(population.lives, row), population.epoch)
        first = max(0, int(population.lives.started[row]))
        yield who, behaviour.beginning() + behaviour.happenings(first)


def present(world: str, began: datetime, count: int) -> Present:
    """`count` clients of ours that live through the play without great trouble, but for the hero."""
    rng = generator(world, PRESENT_LATENTS)
    epoch = midnight(began - HISTORY)
    first_week = (began - epoch).days // 7
    weeks = first_week + PLAY.days // 7 + 1 + AFTERWARDS_WEEKS
    lives = live(rng, np.full(8 * count, -WEEKS_PER_YEAR), weeks)
    rows = np.flatnonzero(_calm(lives, first_week))[:count]
    courses = [Course.of(lives, int(row)) for row in rows]
    courses[HERO] = _hero(courses[HERO], first_week)
    starts = generator(world, STARTS).integers(30, 200, count)
    ends = began + PLAY
    members = [
        member(world, n, ends - timedelta(days=365 * (1 + n % 2) + int(days))) for n, days in enumerate(starts)
    ]
    renewals = [m.contract_started + timedelta(days=365 * (2 + n % 2)) for n, m in enumerate(members)]
    members = [replace(m, renewal=renewal) for m, renewal in zip(members, renewals, strict=True)]
    return Present(members, courses, epoch, began)


def _calm(lives: Lives, first_week: int) -> Flags:
    """Clients that stay, keep their sponsor and are never in deep trouble around the play."""
    shown = slice(max(0, first_week - 12), first_week + PLAY.days // 7 + 4)
    stays = lives.notice == NEVER
    worst = lives.states[:, shown].min(axis=(1, 2))
    grumpy = lives.visible_mood[:, shown].min(axis=1)
    dips = lives.visible_dip[:, shown].min(axis=1)
    sponsored = ~lives.sponsor_left[:, shown].any(axis=1)
    return stays & sponsored & (worst > -0.75) & (grumpy > -0.9) & (dips > -0.9)


def _hero(course: Course, first_week: int) -> Course:
    """All is well until two weeks before the play; then engagement falls and comes back. The rest is scripted."""
    weeks = len(course.engagement)
    engagement: Floats = np.full(weeks, 0.1)
    engagement[first_week - 2 : first_week - 2 + len(HERO_ENGAGEMENT)] = HERO_ENGAGEMENT
    well: Floats = np.full(weeks, 0.4)
    return replace(
        course, engagement=engagement, mood=well, value=well, sponsor_left=(), sponsor_named=(), notice=NEVER
    )


def midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
