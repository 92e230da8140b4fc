"""Signs of clients in one transaction: look for them, keep what began and ended, say it where it happened live.

History never acts: what an import, a merge, a new definition or a first release of signs brings to light begins in
silence, with its real start, and ends in silence too. What a late fact shows to hold *now* is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from common import outbox
from common.contracts import health
from common.contracts.base import Event
from common.contracts.client import ClientsMerged, ClientsUnmerged
from common.contracts.health import Mode, SignKind
from common.contracts.ids import derived_id
from common.folding import Folded
from sqlalchemy.ext.asyncio import AsyncSession

from health import metrics, signs_repository, telling
from health.domain import past
from health.domain.evaluate import Evaluation, Feeds
from health.domain.moments import DAY, moment_of, seconds_of
from health.domain.signs import Finding, Health, Key, Policy, Risk, Seen, Sign, WeekScore, watch
from health.domain.state import ClientState
from health.repository import Client
from health.signs_repository import Row

WEEKS = 26
"""Scores kept of each client: half a year of weeks."""
LEFT = "the client left"
_ACROSS = (ClientsMerged, ClientsUnmerged)


class Look(NamedTuple):
    """A client that was scored. `first`: never before, so that its signs are news; `quiet`: history came in."""

    row: Client
    folded: Folded[ClientState]
    result: Evaluation
    first: bool
    quiet: bool


@dataclass
class Signs:
    """The signs of the (locked) clients of one transaction."""

    now: datetime
    feeds: Feeds
    policy: Policy | None
    open: dict[UUID, dict[Key, Row]]
    due: list[Look] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)
    said: list[Event[Any]] = field(default_factory=list)

    @classmethod
    async def begin(
        cls, session: AsyncSession, client_ids: Sequence[UUID], now: datetime, policy: Policy | None, feeds: Feeds
    ) -> Signs:
        found = await signs_repository.open_of(session, client_ids)
        return cls(now, feeds, policy, {id_: {row.key: row for row in rows} for id_, rows in found.items()})

    def after_score(self, look: Look) -> None:
        """Have a client looked at once it is settled what is said of it."""
        self.due.append(look)

    async def write(self, session: AsyncSession) -> None:
        """Look, then keep what began, ended or reads anew, and say it; before the clients' rows are saved."""
        for due in self.due:
            self._settled(due)
        rows = {(row.client_id, row.key, row.noticed_at): row for row in self.changed}
        await signs_repository.save(session, list(rows.values()))
        await outbox.add(session, self.said)

    def _settled(self, due: Look) -> None:
        row, folded = due.row, due.folded
        if past.ended(folded.state, due.result.now):
            self._all_over(row)
            return
        remember_week(row, due.result)
        merged = any(isinstance(event.data, _ACROSS) for event in folded.events)
        unseen = row.signs_version is None and not due.first
        self.look(row, folded.state, quiet=due.quiet or merged or unseen)

    def look(self, row: Client, state: ClientState, *, quiet: bool = False) -> None:
        """Look for every sign. A definition that was published since the last look changes them in silence."""
        policy = self.policy
        if policy is None:
            return
        known = self.open.setdefault(row.client_id, {})
        second = max(seconds_of(self.now), state.last)
        found = watch(policy, _seen(row, state, second, policy), frozenset(known), self.feeds)
        silent = quiet or row.signs_version not in {None, policy.version}
        for key in found.over:
            self._end(known.pop(key), silent)
        for sign, finding in found.goes_on:
            self._refresh(known[(sign.name, finding.about)], finding)
        for sign, finding in found.began:
            begun = self._begin(row.client_id, policy, sign, finding, second, silent)
            known[begun.key] = begun
        row.signs_version = policy.version

    def _begin(self, client_id: UUID, policy: Policy, sign: Sign, finding: Finding, second: int, silent: bool) -> Row:
        row = Row(
            client_id=client_id,
            sign=sign.name,
            about=finding.about,
            noticed_at=self.now,
            kind=sign.kind.value,
            started_at=moment_of(max(0, min(finding.since, second))),
            text=finding.text,
            told=not silent,
            definition=policy.name,
            definition_version=policy.version,
            caused_by=telling.uuids(finding.marks),
        )
        self.changed.append(row)
        if not silent:
            self.said.append(started(row))
            metrics.SIGNS.labels(row.kind, "started").inc()
        return row

    def _refresh(self, row: Row, finding: Finding) -> None:
        """The sentence is kept up to date while the sign is there; when it began stays as it was first seen."""
        if row.text != finding.text:
            row.text, row.caused_by = finding.text, telling.uuids(finding.marks)
            self.changed.append(row)

    def _end(self, row: Row, silent: bool, why: str | None = None) -> None:
        row.ended_at = self.now
        row.ended_text = why or _over(self.policy, row.sign)
        self.changed.append(row)
        if row.told and not silent:
            self.said.append(ended(row))
            metrics.SIGNS.labels(row.kind, "ended").inc()

    def _all_over(self, row: Client) -> None:
        for sign in self.open.pop(row.client_id, {}).values():
            self._end(sign, True, LEFT)


def _over(policy: Policy | None, name: str) -> str:
    settings = policy.settings if policy is not None else ()
    return next((sign.over for sign, _ in settings if sign.name == name), "it is not looked for any more")


def _seen(row: Client, state: ClientState, second: int, policy: Policy) -> Seen:
    """Health as it was last said: a move that is held back is no ground for a contradiction."""
    return Seen(
        state=state,
        now=second,
        day=second // DAY,
        rhythm=policy.rhythm,
        health=Health(row.score, row.band) if row.band is not None else None,
        risk=Risk(*row.risk) if row.risk is not None else None,
        weeks=tuple(WeekScore(*week) for week in row.weeks or ()),
    )


def remember_week(row: Client, result: Evaluation) -> None:
    """The first score of a week stands for the end of the week before."""
    monday = monday_of(result.now // DAY)
    if result.score is None or (row.weeks and row.weeks[-1][0] >= monday):
        return
    model = result.model
    row.weeks = [*(row.weeks or []), [monday, result.score, model.name, model.version]][-WEEKS:]


def monday_of(day: int) -> int:
    """The Monday of a day's week: the era began on one."""
    return day - (day - 1) % 7


# What is said


def started(row: Row) -> Event[Any]:
    data = health.SignStarted(**_body(row, row.text), as_of=row.noticed_at)
    return _event(data, row, "sign_started", row.noticed_at)


def ended(row: Row) -> Event[Any]:
    at = row.ended_at or row.noticed_at
    data = health.SignEnded(**_body(row, row.ended_text or ""), as_of=at, ended_at=at)
    return _event(data, row, "sign_ended", at)


def _event(data: health.Sign, row: Row, word: str, at: datetime) -> Event[Any]:
    marks = (row.sign, row.about, row.noticed_at.isoformat(), at.isoformat())
    return Event.of(
        data, id=derived_id(word, row.client_id, *marks), source=telling.SOURCE, subject=row.client_id, time=at
    )


def _body(row: Row, text: str) -> dict[str, Any]:
    return {
        "client_id": row.client_id,
        "mode": Mode.LIVE,
        "sign": row.sign,
        "kind": SignKind(row.kind),
        "about": row.about or None,
        "text": text,
        "started_at": row.started_at,
        "definition": row.definition,
        "definition_version": row.definition_version,
        "caused_by": tuple(row.caused_by),
    }
