"""The rules hold in every file; and each rule is broken here on purpose, so that none is asleep."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.architecture import rules
from tests.architecture.source import Source, sources

Rule = Callable[[Source], Iterator[str]]
SERVICE = "services/health/src/health/service.py"
DOMAIN = "services/health/src/health/domain/score.py"
TEST = "tests/unit/health/test_score.py"
EVERYTHING = sources()


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_rule_holds_everywhere(rule: Rule) -> None:
    broken = [violation for source in EVERYTHING for violation in rule(source)]
    assert not broken, "\n".join([rule.__doc__ or "", *broken])


def long_function(lines: int) -> str:
    return "def f():\n" + "    x = 1\n" * (lines - 1)


BREAKS: list[tuple[Rule, str, str]] = [
    (rules.commits_only_in_common, SERVICE, "async def f(s):\n    await s.commit()\n"),
    (rules.commits_only_in_common, "libs/loopctl/src/loopctl/x.py", "f = session.commit\n"),
    (rules.time_only_from_the_clock, SERVICE, "from datetime import datetime, UTC\nx = datetime.now(UTC)\n"),
    (rules.time_only_from_the_clock, SERVICE, "import datetime as dt\nx = dt.datetime.now(dt.UTC)\n"),
    (rules.time_only_from_the_clock, SERVICE, "from time import time as clock\nx = clock()\n"),
    (rules.time_only_from_the_clock, SERVICE, "import time\nf(default=time.monotonic)\n"),
    (rules.time_only_from_the_clock, SERVICE, "import asyncio\nasync def f():\n    await asyncio.sleep(1)\n"),
    (rules.time_only_from_the_clock, "libs/common/src/common/relay.py", "import time\ntime.sleep(1)\n"),
    (rules.time_only_from_the_clock, "libs/loopctl/src/loopctl/x.py", "import time\nx = time.time()\n"),
    (rules.no_business_time_in_sql, SERVICE, 'Q = "SELECT * FROM timers WHERE due_at <= now()"\n'),
    (rules.no_business_time_in_sql, SERVICE, 'Q = "UPDATE t SET at = CURRENT_TIMESTAMP"\n'),
    (rules.no_business_time_in_sql, SERVICE, "from sqlalchemy import func\nq = func.now()\n"),
    (rules.no_naive_datetimes, SERVICE, "from datetime import datetime\nx = datetime(2026, 3, 2)\n"),
    (rules.no_naive_datetimes, TEST, "import datetime\nx = datetime.datetime.utcnow()\n"),
    (rules.no_naive_datetimes, SERVICE, "from datetime import datetime\nx = datetime.fromtimestamp(0)\n"),
    (rules.no_naive_datetimes, SERVICE, "import sqlalchemy as sa\nx = sa.DateTime()\n"),
    (rules.no_naive_datetimes, SERVICE, "from sqlalchemy import DateTime\nx = DateTime(timezone=False)\n"),
    (rules.files_are_short, SERVICE, "x = 1\n" * 401),
    (rules.functions_are_short, SERVICE, long_function(41)),
    (rules.functions_are_short, TEST, long_function(41)),
    (rules.ignores_have_reasons, SERVICE, "x = 1  # noqa\n"),
    (rules.ignores_have_reasons, SERVICE, "x = 1  # noqa: S105\n"),
    (rules.ignores_have_reasons, SERVICE, "x = 1  # type: ignore\n"),
    (rules.ignores_have_reasons, SERVICE, "x = 1  # type: ignore[arg-type]\n"),
    (rules.ignores_have_reasons, SERVICE, "# mypy: ignore-errors\n"),
    (rules.nothing_is_left_undone, SERVICE, "x = 1  # TODO: later\n"),
    (rules.no_machine_paths, SERVICE, 'x = "/' + 'home/anna/repo"\n'),
    (rules.domains_are_pure, DOMAIN, "from sqlalchemy import select\n"),
    (rules.domains_are_pure, DOMAIN, "from common import clock\n"),
    (rules.domains_are_pure, DOMAIN, "from common.db import Database\n"),
    (rules.domains_are_pure, DOMAIN, "from health.repository import save\n"),
    (rules.domains_are_pure, DOMAIN, "from ..repository import save\n"),
    (rules.domains_are_pure, DOMAIN, "import random\n"),
    (rules.domains_are_pure, DOMAIN, "def f():\n    import time\n"),
    (rules.domains_are_pure, DOMAIN, "x = open('file')\n"),
    (rules.domains_are_pure, DOMAIN, "async def decide(): ...\n"),
    (rules.no_mocks_of_our_own, TEST, "from unittest.mock import patch\n"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BREAKS, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_rule_is_seen(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text))), f"{rule.__name__} let this pass:\n{text}"


FINE: list[tuple[Rule, str, str]] = [
    (rules.commits_only_in_common, "libs/common/src/common/db.py", "async def f(s):\n    await s.commit()\n"),
    (rules.time_only_from_the_clock, SERVICE, "async def f(clock):\n    await clock.sleep(1)\n    clock.now()\n"),
    (rules.time_only_from_the_clock, "libs/loopctl/src/loopctl/x.py", "import time\ntime.sleep(1)\n"),
    (rules.no_business_time_in_sql, SERVICE, 'x = "what is known now() matters"\n'),
    (rules.no_naive_datetimes, SERVICE, "from datetime import datetime, UTC\nx = datetime(2026, 3, 2, tzinfo=UTC)\n"),
    (rules.no_naive_datetimes, SERVICE, "from sqlalchemy import DateTime\nx = DateTime(timezone=True)\n"),
    (rules.files_are_short, SERVICE, "x = 1\n" * 400),
    (rules.files_are_short, SERVICE, "# long: a table that is read as one\n" + "x = 1\n" * 500),
    (rules.functions_are_short, SERVICE, long_function(40)),
    (rules.functions_are_short, "services/health/migrations/versions/0001_first.py", long_function(90)),
    (rules.ignores_have_reasons, SERVICE, "x = 1  # noqa: S105  (refused in production)\n"),
    (rules.ignores_have_reasons, SERVICE, "x = 1  # type: ignore[arg-type]  # built at run time\n"),
    (rules.domains_are_pure, DOMAIN, "from dataclasses import dataclass\nfrom common.contracts import client\n"),
    (rules.domains_are_pure, DOMAIN, "from common.contracts.ids import derived_id\nfrom .curve import at\n"),
]


@pytest.mark.parametrize(("rule", "path", "text"), FINE, ids=lambda value: getattr(value, "__name__", None))
def test_what_is_allowed_is_left_alone(rule: Rule, path: str, text: str) -> None:
    assert not list(rule(Source(path, text)))


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, _, _ in BREAKS} == set(rules.RULES)
