"""The use case of onboarding metrics: how the clients that began in a span of time came along."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from common import folding
from common.errors import Refused
from sqlalchemy.ext.asyncio import AsyncSession

from health import definitions_repository, journeys_repository
from health import views_journey as views
from health.book import Book
from health.domain import onboardings
from health.domain.fold import FOLD
from health.domain.moments import moment_of, seconds_of
from health.domain.onboardings import Counted, Onboarding, Target
from health.journeys_repository import started

AT_ONCE = 1000
"""Clients whose states are read in one go."""


async def metrics(
    session: AsyncSession, since: date, until: date, segment: str | None, now: datetime
) -> views.OnboardingMetricsView:
    """Of clients whose contract began from `since` to the day before `until`. Raises Refused for an empty span."""
    if since >= until:
        raise Refused("`since` must lie before `until`", field="since")
    book = await definitions_repository.book(session)
    ids = await started(session, since, until)
    found: list[Onboarding] = []
    for first in range(0, len(ids), AT_ONCE):
        found += await _onboardings(session, ids[first : first + AT_ONCE], book, segment, seconds_of(now))
    template = book.journey_of(segment)
    targets = {name: Target(target, red) for name, target, red in template.targets}
    return views.OnboardingMetricsView(
        since=since,
        until=until,
        segment=segment,
        journey=template.name,
        clients=len(found),
        metrics=[
            views.MetricView(
                metric=row.name,
                group=row.group,
                unit=row.unit,
                value=row.value,
                n=row.n,
                target=row.target.target,
                red_flag=row.target.red,
                verdict=row.verdict,
            )
            for row in onboardings.metrics(found, targets)
        ],
    )


async def _onboardings(
    session: AsyncSession, ids: list[UUID], book: Book, segment: str | None, now: int
) -> list[Onboarding]:
    states = {root: folded.state for root, folded in (await folding.read(session, FOLD, ids)).items()}
    if segment is not None:
        own = book.journey_of(segment)
        states = {root: state for root, state in states.items() if book.journey_for(state) is own}
    windows = {root: window for root, state in states.items() if (window := onboardings.window(state, now))}
    counted = await journeys_repository.counted(
        session, {root: (moment_of(begins), moment_of(ends)) for root, (begins, ends) in windows.items()}
    )
    found = (
        onboardings.onboarding(state, book.journey_for(state), counted.get(root, Counted()), now)
        for root, state in states.items()
    )
    return [one for one in found if one is not None]
