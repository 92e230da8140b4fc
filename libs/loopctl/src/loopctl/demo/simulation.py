"""How simulated clients live: three hidden moods that drive what they do, and whether they leave.

**Assumptions, stated so that nobody mistakes the result for knowledge about real clients:**

1. Every client has three hidden states, 0 when all is well, negative when not: *engagement* (do they use it),
   *relationship* (do they talk to us, is there a sponsor), *value* (do they get what they pay for). Each wanders week
   by week and returns to 0 (half-life about ten weeks).
2. **Turns**: about one client in five a year turns away. A turn takes six to sixteen weeks; two thirds of all turns
   pull all three states down, the others one or two. In a turn the sponsor often leaves. Some clients turn back.
3. **False alarms**: holidays and finished projects make usage dip for some weeks, incidents make people grumpy for
   some weeks; neither makes anybody leave. Sponsors also leave clients that are well.
4. **Leaving** is a weekly chance that grows with the *sum* of what is lost: with one state lost it stays small, with
   two it is a coin toss over a quarter, and **clients that lose sponsor, usage and mood together mostly leave**. It is
   higher before a renewal, and never zero: some leave without a sign.
5. Nobody sees the states. What is seen are counts, texts, invoices and surveys drawn from them with noise
   (`behaviour`).

The same simulation makes the training file, the imported history and the live clients of the demo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Weeks: TypeAlias = NDArray[np.int64]

NEVER = 10**6
"""A week that does not come."""
WEEKS_PER_YEAR = 52
DIMENSIONS = 3
ENGAGEMENT, RELATIONSHIP, VALUE = range(DIMENSIONS)


@dataclass(frozen=True, slots=True)
class Rules:
    """The chances of the simulated world, per client and week unless said otherwise."""

    persistence: float = 0.93
    wander: float = 0.13
    turn: float = 0.0045
    turn_all_three: float = 0.65
    turn_depth: tuple[float, float] = (2.1, 3.0)
    turn_weeks: tuple[int, int] = (6, 17)
    turn_back: float = 0.030
    sponsor_leaves: float = 0.0030
    sponsor_leaves_in_turn: float = 0.30
    sponsor_replaced: float = 0.16
    vacancy: float = 0.6
    dip: float = 0.010
    dip_depth: float = 1.1
    grumpy: float = 0.012
    grumpy_depth: float = 1.2
    spell_weeks: tuple[int, int] = (2, 5)
    leave_at_ease: float = -9.8
    leave_per_loss: float = 1.5
    untroubled: float = 0.60
    """How far a state may fall before it counts as a loss."""
    before_renewal: float = 1.1
    """Added to the log-odds of leaving in the eight weeks before a renewal."""


@dataclass(frozen=True, slots=True)
class Lives:
    """Hidden states of many clients: row = client, column = week of the window.

    `notice` and `started` are weeks of the window (`started` may be negative, `notice` NEVER). `visible_dip` and
    `visible_mood` are added to what is seen without being real (assumption 3).
    """

    states: Floats
    visible_dip: Floats
    visible_mood: Floats
    sponsor_left: Flags
    sponsor_named: Flags
    started: Weeks
    notice: Weeks

    def engagement(self, row: int) -> Floats:
        """What of a client shows in usage."""
        return np.asarray(self.states[row, :, ENGAGEMENT] + self.visible_dip[row])

    def mood(self, row: int) -> Floats:
        """What shows in words: mostly value, partly the relationship."""
        states = self.states[row]
        return np.asarray(0.4 * states[:, RELATIONSHIP] + 0.75 * states[:, VALUE] + self.visible_mood[row])

    def value(self, row: int) -> Floats:
        return np.asarray(self.states[row, :, VALUE])


def live(rng: np.random.Generator, started: Weeks, weeks: int, rules: Rules | None = None) -> Lives:
    """Let clients that start in the given weeks live through the window."""
    rules = rules or Rules()
    world = _World.new(rng, started, rules)
    states = np.zeros((len(started), weeks, DIMENSIONS))
    dips, moods = np.zeros((2, len(started), weeks))
    left, named = np.zeros((2, len(started), weeks), dtype=bool)
    for week in range(weeks):
        left[:, week], named[:, week] = world.step(week)
        states[:, week] = world.states()
        dips[:, week], moods[:, week] = world.dip.depth, world.grumpy.depth
    return Lives(states, dips, moods, left, named, started, world.notice)


def chance_of_leaving(states: Floats, weeks_to_renewal: Weeks, rules: Rules) -> Floats:
    """Chance of giving notice in one week, given the three hidden states."""
    losses = np.maximum(0.0, -states - rules.untroubled).sum(axis=-1)
    odds = rules.leave_at_ease + rules.leave_per_loss * losses
    odds = odds + np.where((weeks_to_renewal >= 0) & (weeks_to_renewal < 8), rules.before_renewal, 0.0)
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))


@dataclass(slots=True)
class _Spells:
    """Weeks in which something is seen that is not real: it starts by chance, lasts, and is over."""

    chance: float
    size: float
    length: tuple[int, int]
    left: Weeks
    depth: Floats

    def step(self, rng: np.random.Generator) -> None:
        begins = (self.left <= 0) & (rng.random(len(self.left)) < self.chance)
        self.left = np.where(begins, rng.integers(*self.length, len(self.left)), self.left - 1)
        sizes = -self.size * rng.uniform(0.6, 1.3, len(self.left))
        self.depth = np.where(begins, sizes, np.where(self.left > 0, self.depth, 0.0))


@dataclass(slots=True)
class _World:
    """The running simulation, one row a client."""

    rng: np.random.Generator
    rules: Rules
    started: Weeks
    notice: Weeks
    wandering: Floats
    turn_depth: Floats
    turn_level: Floats
    turn_speed: Floats
    vacant: Flags
    dip: _Spells
    grumpy: _Spells

    @classmethod
    def new(cls, rng: np.random.Generator, started: Weeks, rules: Rules) -> _World:
        n = len(started)
        zero = np.zeros(n)
        return cls(
            rng=rng,
            rules=rules,
            started=started,
            notice=np.full(n, NEVER),
            wandering=rng.normal(0.1, 0.3, (n, DIMENSIONS)),
            turn_depth=np.zeros((n, DIMENSIONS)),
            turn_level=zero.copy(),
            turn_speed=zero.copy(),
            vacant=np.zeros(n, dtype=bool),
            dip=_Spells(rules.dip, rules.dip_depth, rules.spell_weeks, np.zeros(n, dtype=np.int64), zero.copy()),
            grumpy=_Spells(
                rules.grumpy, rules.grumpy_depth, rules.spell_weeks, np.zeros(n, dtype=np.int64), zero.copy()
            ),
        )

    def states(self) -> Floats:
        states = self.wandering - self.turn_depth * self.turn_level[:, None]
        states[:, RELATIONSHIP] -= self.rules.vacancy * self.vacant
        return states

    def step(self, week: int) -> tuple[Flags, Flags]:
        """One week for everybody; who lost a sponsor and who got a new one."""
        rules, rng, n = self.rules, self.rng, len(self.started)
        self.wandering = rules.persistence * self.wandering + rng.normal(0, rules.wander, (n, DIMENSIONS))
        self.dip.step(rng)
        self.grumpy.step(rng)
        self._turn()
        left, named = self._sponsors()
        self._leave(week)
        return left, named

    def _turn(self) -> None:
        rules, rng, n = self.rules, self.rng, len(self.started)
        begins = (self.turn_speed == 0) & (self.turn_level == 0) & (rng.random(n) < rules.turn)
        depths = rng.uniform(*rules.turn_depth, (n, DIMENSIONS))
        spared = rng.random((n, DIMENSIONS)) < 0.5
        partial = (rng.random(n) >= rules.turn_all_three)[:, None] & spared
        self.turn_depth = np.where(begins[:, None], np.where(partial, 0.15 * depths, depths), self.turn_depth)
        self.turn_speed = np.where(begins, 1.0 / rng.integers(*rules.turn_weeks, n), self.turn_speed)
        backs = (self.turn_level >= 1.0) & (rng.random(n) < rules.turn_back)
        self.turn_speed = np.where(backs, -0.25, self.turn_speed)
        self.turn_level = np.clip(self.turn_level + self.turn_speed, 0.0, 1.0)
        over = (self.turn_level == 0.0) & (self.turn_speed < 0)
        self.turn_speed = np.where(over, 0.0, self.turn_speed)

    def _sponsors(self) -> tuple[Flags, Flags]:
        rules, rng, n = self.rules, self.rng, len(self.started)
        falling = (self.turn_speed > 0) & (self.turn_level < 1) & (self.turn_depth[:, RELATIONSHIP] > 1)
        chance = np.where(falling, rules.sponsor_leaves_in_turn, rules.sponsor_leaves)
        left = ~self.vacant & (rng.random(n) < chance)
        turning = (self.turn_speed > 0) & (self.turn_depth[:, RELATIONSHIP] > 1)
        replaced = np.where(turning, 0.25 * rules.sponsor_replaced, rules.sponsor_replaced)
        named = self.vacant & (rng.random(n) < replaced)
        self.vacant = (self.vacant | left) & ~named
        return left, named

    def _leave(self, week: int) -> None:
        tenure = week - self.started
        chance = chance_of_leaving(self.states(), _weeks_to_renewal(tenure), self.rules)
        goes = (tenure >= 4) & (self.notice == NEVER) & (self.rng.random(len(tenure)) < chance)
        self.notice = np.where(goes, week, self.notice)


def _weeks_to_renewal(tenure: Weeks) -> Weeks:
    return np.asarray(-tenure % WEEKS_PER_YEAR)
