"""The heart of churn: from rows that wait to assessments, flags and events, many clients in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from common import folding, outbox
from common.contracts.base import Data, Event
from common.contracts.churn import Assessed, FlagCleared, FlagRaised, Ranking, Rule
from common.contracts.ids import derived_id
from sqlalchemy.ext.asyncio import AsyncSession

from churn import metrics, outcomes
from churn.client_fold import FOLD
from churn.domain import capacity, features, flags, scorecard
from churn.domain.assessment import Assessment, level_of
from churn.domain.changes import changed
from churn.domain.cold_start import kinds_of
from churn.domain.features import View
from churn.domain.flags import Watch
from churn.domain.history import eligible
from churn.domain.moments import DAY, moment_of, seconds
from churn.domain.policy import Policy
from churn.domain.reasons import CODES, explain
from churn.domain.state import State
from churn.registry import Registry, Serving
from churn.repository import decisions, risks
from churn.repository.risks import Risk

if TYPE_CHECKING:
    from churn.adapters.risk_model import Prediction

SOURCE = "csl/churn"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A client that is to be assessed, with all that is known of it now."""

    risk: Risk
    state: State
    view: View
    features: list[float]


class Assessor:
    """Works out risks by the model in service, else by the scorecard, and decides on flags."""

    def __init__(self, policy: Policy, registry: Registry) -> None:
        self.policy = policy
        self.registry = registry
        self.rules = policy.rules

    async def assess(
        self,
        session: AsyncSession,
        rows: Sequence[Risk],
        now: datetime,
        wall: datetime,
        week: Mapping[UUID, Ranking] | None = None,
    ) -> int:
        """Assess the clients of these locked rows, save and publish; returns how many were assessed.

        `week`: the riskiest of each CSM are being named, and these are they; the other rows are not among them.
        """
        waiting = [row for row in rows if not _importing(row, wall)]
        said: list[Event[Any]] = []
        kept: list[tuple[Event[Any], Risk]] = []
        candidates = await self._candidates(session, waiting, now, said)
        serving = await self.registry.current(session)
        for candidate, found in zip(candidates, self._assessments(candidates, serving, now), strict=True):
            events = self._decide(candidate.risk, found, week)
            kept.append((events[0], candidate.risk))
            said += events
        for row in rows:
            row.due_on = None if row.ended else now.date() + timedelta(days=1)
        await risks.save(session, rows, assessed_at=now)
        await decisions.add_assessments(session, kept)
        await decisions.note(session, [event.data for event in said], {row.client_id: row.csm for row in rows})
        await outcomes.wait_for(session, [event.data for event in said if isinstance(event.data, FlagRaised)])
        await outbox.add(session, said)
        _count(said, serving)
        return len(kept)

    async def _candidates(
        self, session: AsyncSession, rows: Sequence[Risk], now: datetime, said: list[Event[Any]]
    ) -> list[Candidate]:
        """Those of the rows that are clients now. What others leave open is closed, and told to `said`."""
        moment = seconds(now)
        ids = [row.client_id for row in rows]
        states = await folding.read(session, FOLD, ids)
        tracks = await risks.tracks(session, ids, moment // DAY)
        candidates = []
        for row in rows:
            folded = states.get(row.client_id)
            if folded is None or folded.state.first_at is None:
                row.ended = {"kind": "unknown"}
                said += await self._close(session, row, now, "merged")
                continue
            row.first_at, row.csm = folded.state.first_at, folded.state.csm
            row.kinds = ",".join(sorted(kinds_of(folded.state)))
            row.mrr, row.currency = folded.state.life.mrr, folded.state.life.currency
            end = folded.state.life.ended(moment, self.policy.grace_days)
            if end is not None:
                row.ended = {"kind": end.kind, "at": moment_of(end.at)}
                said += await self._close(session, row, now, "client_left")
                continue
            row.ended = None
            view = View(folded.state, tracks[row.client_id], moment)
            candidates.append(Candidate(row, folded.state, view, features.values(view)))
        return candidates

    async def _close(self, session: AsyncSession, row: Risk, now: datetime, because: str) -> list[Event[Any]]:
        """End what is open of a client that is gone, in the words of its last assessment."""
        if row.watch.flag is None:
            return []
        last = await risks.last_of(session, row.client_id)
        if last is None:
            return []
        row.watch, events = flags.client_left(row.watch, {**last, "as_of": now}, because)
        return [event_of(said, row.client_id, now, n) for n, said in enumerate(events)]

    def _assessments(self, candidates: Sequence[Candidate], serving: Serving | None, now: datetime) -> list[Assessment]:
        """The model speaks of those it has learned about, the scorecard of the others."""
        moment = seconds(now)
        spoken = [c for c in candidates if serving and eligible(c.state, moment, self.rules)]
        predicted: dict[UUID, Assessment] = {}
        if serving and spoken:
            prediction = serving.model.predict([c.features for c in spoken])
            for row, candidate in enumerate(spoken):
                predicted[candidate.risk.client_id] = self._by_model(candidate, serving, prediction, row, now)
        found = [predicted.get(c.risk.client_id) or self._by_scorecard(c, now) for c in candidates]
        return [self._compared(c, assessment) for c, assessment in zip(candidates, found, strict=True)]

    def _compared(self, candidate: Candidate, found: Assessment) -> Assessment:
        """With what moved since the assessment before, if that was by the same model."""
        before = candidate.risk.groups
        if before is None or before["model"] != f"{found.model} {found.model_version}":
            return found
        moved = changed(before["by"], found.groups or {}, candidate.features, candidate.view, self.policy)
        return replace(found, changes=moved, compared_to=datetime.fromisoformat(before["as_of"]))

    def _by_model(
        self, candidate: Candidate, serving: Serving, prediction: Prediction, row: int, now: datetime
    ) -> Assessment:
        policy, record = self.policy, serving.record
        probability = float(prediction.probability[row])
        groups = dict(zip(CODES, prediction.groups[row].tolist(), strict=True))
        return Assessment(
            client_id=candidate.risk.client_id,
            as_of=now,
            level=level_of(probability, policy.threshold, policy.clear_below),
            rule=Rule.THRESHOLD,
            threshold=policy.threshold,
            horizon_days=record.horizon_days,
            model=record.kind,
            model_version=record.version,
            calibrated=True,
            reasons=explain(groups, candidate.features, candidate.view, policy),
            probability=round(probability, 6),
            simulated=True if serving.simulated else None,
            base=float(prediction.base[row]),
            groups=groups,
        )

    def _by_scorecard(self, candidate: Candidate, now: datetime) -> Assessment:
        policy = self.policy
        found = scorecard.tally(candidate.features, policy.scorecard)
        return Assessment(
            client_id=candidate.risk.client_id,
            as_of=now,
            level=found.level,
            rule=Rule.SCORECARD,
            threshold=policy.scorecard.flag_at,
            horizon_days=policy.horizon_days,
            model=scorecard.MODEL,
            model_version=policy.scorecard.version,
            calibrated=False,
            reasons=explain(found.by_reason, candidate.features, candidate.view, policy),
            points=found.points,
            groups=found.by_reason,
        )

    def _decide(self, row: Risk, found: Assessment, week: Mapping[UUID, Ranking] | None) -> list[Event[Any]]:
        """The assessment and what follows from it, as events; the row is changed."""
        decided: list[Data] = []
        if row.baseline and not row.live:
            row.watch = flags.baseline(row.watch, found)
        else:
            row.watch, decided = flags.decide(row.watch, found, self.policy, live=row.live)
            if week is not None:
                row.watch, named = self._name(row, found, week.get(row.client_id))
                decided += named
        row.baseline = row.live = False
        row.importing_until = None
        row.assessments += 1
        assessed = found.event()
        row.last = assessed.fact()
        row.groups = found.kept_groups()
        first = event_of(
            assessed, row.client_id, found.as_of, 0, derived_id(Assessed.TYPE, row.client_id, row.assessments)
        )
        return [first, *(event_of(said, row.client_id, found.as_of, n) for n, said in enumerate(decided, start=1))]

    def _name(self, row: Risk, found: Assessment, ranking: Ranking | None) -> tuple[Watch, list[Data]]:
        """Named by what it is now, not by what it was when the ranking was made."""
        if ranking is not None and (found.probability or 0) >= capacity.bar(ranking.average, self.policy.capacity):
            return flags.name(row.watch, found, ranking, self.policy)
        return flags.pass_over(row.watch, found, self.policy)


def event_of(
    said: Data, client_id: UUID, now: datetime, nth: int, event_id: UUID | None = None, cause: Event[Any] | None = None
) -> Event[Any]:
    """An event of churn. Everything said of a flag happens once an episode, so its id is derived from that."""
    if event_id is None:
        event_id = derived_id(said.TYPE, getattr(said, "flag_id", client_id), getattr(said, "episode", 0))
    return Event.of(said, id=event_id, source=SOURCE, subject=client_id, time=now, sequence=nth, caused_by=cause)


def _importing(row: Risk, wall: datetime) -> bool:
    """History is coming in: nothing is assessed on half of it. The import's end asks for the baseline."""
    return row.importing_until is not None and wall < row.importing_until and not row.baseline


def _count(said: Sequence[Event[Any]], serving: Serving | None) -> None:
    for event in said:
        data = event.data
        if isinstance(data, Assessed):
            metrics.ASSESSED.labels(data.model).inc()
        elif isinstance(data, FlagRaised):
            metrics.FLAGS_RAISED.labels(data.rule.value).inc()
        elif isinstance(data, FlagCleared):
            metrics.FLAGS_CLEARED.labels(data.reason or "").inc()
