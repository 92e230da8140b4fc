"""`python -m tests.bench.signs_cost`: what looking for all signs of one client costs, in µs of CPU, fastest of five.

The client is busy: 120 days of daily use, mail every three days, a meeting every six, surveys, an import's weeks.
"""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

from health.domain.fold import fold
from health.domain.moments import seconds_of
from health.domain.signs import next_instant, watch

from tests.support.health_world import EVERY_DAY, day, order, steady
from tests.support.signs_world import POLICY, answers, healthy, meets, plans, rated, risk, seen, weekly

ROUNDS = 2000


def cost(work: Callable[[], object]) -> float:
    return min(timeit.repeat(work, number=ROUNDS, repeat=5, timer=time.process_time)) / ROUNDS * 1e6


def main() -> None:
    life = [*steady(120), *(e for n in range(2, 118, 3) for e in answers(n, 8))]
    life += [plans(f"m{n}", n, day(n + 3)) for n in range(0, 120, 6)]
    life += [meets(f"m{n}", n + 3.1) for n in range(0, 114, 6)]
    life += [rated(n, 8, occasion=str(n)) for n in range(10, 110, 20)]
    state, at = fold(sorted(life, key=order)), day(120)
    looks = seen(state, at, health=healthy(84), risk=risk(0.3, 119), weeks=weekly(*[84] * 26, until=119))
    print(f"all {len(POLICY.settings)} signs   {cost(lambda: watch(POLICY, looks, frozenset(), EVERY_DAY)):6.1f} µs")
    print(f"next instant   {cost(lambda: next_instant(state, seconds_of(at), POLICY)):6.1f} µs")


if __name__ == "__main__":
    main()
