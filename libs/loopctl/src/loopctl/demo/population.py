"""Two populations of the same simulated world: clients of the past, to learn from, and ours, whom the demo shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from loopctl.demo.behaviour import Behaviour, Course, Happening
from loopctl.demo.portfolio import HERO, Member, generator, member
from loopctl.demo.simulation import NEVER, Flags, Floats, Lives, Rules, live

PAST_CLIENTS = 1_500
PAST_WEEKS = 106
"""A little more than two years."""
PAST_NUMBER = 100_000
"""Past clients are numbered from here: none of them is a client of the live portfolio."""
HISTORY = timedelta(weeks=36)
"""How far back the imported history of our own clients goes; each began in the first ten of these weeks."""
FIRST_WEEKS = 10
CANDIDATES = 12
"""Simulated clients from whom one of ours is chosen."""
PLAY = timedelta(days=21)
"""Business time that the demo plays through before it arrives at now."""
AFTERWARDS_WEEKS = 26
"""How long our clients go on living after the demo arrived at now."""
PAST_LATENTS, PRESENT_LATENTS = 3, 4
HERO_ENGAGEMENT = (-0.8, -1.8, -9.0, -9.0, -1.4, 0.3, 0.5, 0.5)
"""The hero's engagement from three weeks before the play on, a week each; all is well before and afterwards."""


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
        member = self.members[number]
        first = (member.contract_started - self.epoch).days // 7
        return Behaviour(member, self.courses[number], self.epoch).happenings(first)


def past(world: str, until: datetime, count: int = PAST_CLIENTS, rules: Rules | None = None) -> Past:
    """A growing firm's clients of the two years before `until`; most are still there, some left."""
    rng = generator(world, PAST_LATENTS)
    epoch = midnight(until) - timedelta(weeks=PAST_WEEKS)
    began = rng.triangular(0, PAST_WEEKS * 0.6, PAST_WEEKS - 4, count)
    started = began.astype(np.int64)
    lives = live(rng, started, PAST_WEEKS, rules)
    members = [member(world, PAST_NUMBER + n, epoch + timedelta(weeks=int(week))) for n, week in enumerate(started)]
    return Past(members, lives, epoch)


def past_happenings(population: Past) -> Iterator[tuple[Member, list[Happening]]]:
    """Each past client with all it did, in order of time."""
    for row, who in enumerate(population.members):
        behaviour = Behaviour(who, Course.of(population.lives, row), population.epoch)
        yield who, behaviour.happenings(int(population.lives.started[row]))


def present(world: str, began: datetime, count: int) -> Present:
    """`count` clients of ours that live through the play without great trouble, but for the hero."""
    rng = generator(world, PRESENT_LATENTS)
    epoch = midnight(began) - HISTORY
    first_week = HISTORY.days // 7
    weeks = first_week + PLAY.days // 7 + 1 + AFTERWARDS_WEEKS
    started = rng.integers(0, FIRST_WEEKS, CANDIDATES * count)
    lives = live(rng, started, weeks)
    members: list[Member] = []
    courses: list[Course] = []
    for row in np.flatnonzero(_calm(lives, first_week)):
        number = len(members)
        who, course = member(world, number, epoch + timedelta(weeks=int(started[row]))), Course.of(lives, int(row))
        if number == HERO:
            course = _hero(course, first_week)
        if not _grumbles(Behaviour(who, course, epoch).happenings(int(started[row])), began):
            members.append(who)
            courses.append(course)
        if len(members) == count:
            break
    return Present(members, courses, epoch, began)


def _grumbles(happenings: list[Happening], began: datetime) -> bool:
    """Whether a client, however well, writes something angry around the play: one story at a time."""
    around = (h for h in happenings if began - timedelta(days=60) < h.at < began + PLAY + timedelta(days=14))
    return any(h.data.get("priority") == "urgent" for h in around)


def _calm(lives: Lives, first_week: int) -> Flags:
    """Clients that stay, keep their sponsor and are never in deep trouble around the play."""
    shown = slice(max(0, first_week - 12), first_week + PLAY.days // 7 + 4)
    stays = lives.notice == NEVER
    worst = lives.states[:, shown].min(axis=(1, 2))
    grumpy = lives.visible_mood[:, shown].min(axis=1)
    dips = lives.visible_dip[:, shown].min(axis=1)
    sponsored = ~lives.sponsor_left[:, shown].any(axis=1)
    calm: Flags = stays & sponsored & (worst > -0.75) & (grumpy > -0.9) & (dips > -0.9)
    return calm


def _hero(course: Course, first_week: int) -> Course:
    """All is well until three weeks before the play; then engagement falls and comes back. The rest is scripted."""
    weeks = len(course.engagement)
    engagement: Floats = np.full(weeks, 0.1)
    engagement[first_week - 3 : first_week - 3 + len(HERO_ENGAGEMENT)] = HERO_ENGAGEMENT
    well: Floats = np.full(weeks, 0.4)
    return replace(
        course, engagement=engagement, mood=well, value=well, sponsor_left=(), sponsor_named=(), notice=NEVER
    )


def midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
