"""One transaction's scoring: evaluate clients, collect what is said, kept and timed, then write it all at once.

Events, timers and sweeps (a feed fell silent, a model was published) all come through here, so that there is one way
in which a client's score, band and timers change. Who calls holds the locks of the clients' states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from common import outbox, timers
from common.contracts import client as events_of_clients
from common.contracts.base import Event, Origin
from common.contracts.health import Cause
from common.folding import Folded
from common.timers import Timer
from sqlalchemy.ext.asyncio import AsyncSession

from health import definitions_repository, journeys_repository, metrics, phases, repository, telling, telling_journey
from health.book import Book
from health.breaker import Breaker
from health.domain import blast, journey, past
from health.domain.blast import Limits
from health.domain.decision import Change, Standing, band_change
from health.domain.evaluate import Evaluation, Feeds, deadlines, evaluate
from health.domain.fold import apply
from health.domain.fold.business import RECORD, mrr
from health.domain.moments import DAY, moment_of, seconds_of
from health.domain.state import ClientState
from health.domain.timing import next_look
from health.domain.variants import serving
from health.domain.why import Move, between, published
from health.repository import Client, Row
from health.saying import Asked, Saying
from health.signs import Look, Signs

LIMITS = Limits()
LOOK, HISTORY, RESTATE, SWEEP = "look", "history", "restate", "sweep"
RESTATE_AFTER = timedelta(minutes=1)
"""Late facts come in groups: day ends are worked out again once for all of them."""
_CORRECTIONS = (
    events_of_clients.EventWithdrawn,
    events_of_clients.ClientsMerged,
    events_of_clients.ClientsUnmerged,
)
_BARE_USE = (events_of_clients.LoggedIn, events_of_clients.UsageRecorded)
"""What most events are, and what changes nothing that lists show but the score."""


@dataclass
class Scoring:
    """The work of one transaction at one business moment."""

    now: datetime
    book: Book
    feeds: Feeds
    clients: dict[UUID, Client]
    breaker: Breaker
    signs: Signs
    said: list[Event[Any]] = field(default_factory=list)
    kept: list[Row] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    stays: list[journeys_repository.Stay] = field(default_factory=list)

    @classmethod
    async def begin(
        cls, session: AsyncSession, client_ids: Sequence[UUID], now: datetime, limits: Limits = LIMITS
    ) -> Scoring:
        """Read what is needed for these (locked) clients."""
        clients = await repository.clients(session, client_ids)
        book = await definitions_repository.book(session)
        feeds = await repository.feeds(session)
        return cls(
            now,
            book,
            feeds,
            clients,
            await Breaker.begin(session, clients, now, limits),
            await Signs.begin(session, client_ids, now, book.signs, feeds),
        )

    async def write(self, session: AsyncSession) -> None:
        """Rows, history, timers and events, each in one statement."""
        await self.breaker.settle(session)
        await self.signs.write(session)
        await repository.save_clients(session, self.clients.values())
        await repository.store_evaluations(session, [*self.kept, *self.breaker.rows])
        await journeys_repository.note(session, self.stays)
        await timers.schedule(session, self.timers)
        await outbox.add(session, [*self.said, *self.breaker.events])

    def after_events(self, folded: Folded[ClientState]) -> list[Event[Any]]:
        """A client after fresh events; returns those that tell of days already judged.

        Imported events wait for `import_finished`, which gives one quiet baseline.
        """
        row = self._row(folded)
        late = self._late(row, folded)
        finished = [e for e in folded.events if isinstance(e.data, events_of_clients.ImportFinished)]
        live = [e for e in folded.events if e.origin is Origin.LIVE or e in finished]
        for event in folded.events:
            if event in finished:
                row.baseline_due = False
                row.late_told_until = self.now
                self.timers.append(self._history_timer(row, event))
            elif event.origin is Origin.IMPORT:
                row.baseline_due = True
        if live or not folded.events:
            quiet = bool(finished) or row.baseline_due
            self._score(row, folded, Asked("event", [e.id for e in live], quiet=quiet, late=bool(late)))
        return late

    def _late(self, row: Client, folded: Folded[ClientState]) -> list[Event[Any]]:
        """Live events of a day that is over, and those that take back or join what was told: the past reads anew."""
        if row.as_of is None:
            return []
        today = self.now.toordinal()
        return [
            event
            for event in folded.events
            if event.origin is Origin.LIVE
            and (event.time.toordinal() < today or event.replaces is not None or isinstance(event.data, _CORRECTIONS))
        ]

    def look(self, folded: Folded[ClientState], *, trigger: str, swept: str | None = None) -> None:
        """A client because time passed, a feed changed, a model was published or a hold was released."""
        row = self._row(folded)
        self._tell_late_milestones(row, folded.state)
        self._score(row, folded, Asked(trigger, quiet=row.baseline_due, swept=swept))

    def _row(self, folded: Folded[ClientState]) -> Client:
        row = self.clients.get(folded.client_id)
        if row is None:
            row = self.clients[folded.client_id] = Client(folded.client_id, late_told_until=self.now)
        return row

    def _score(self, row: Client, folded: Folded[ClientState], asked: Asked) -> None:
        state = folded.state
        before = row.standing
        model, template = self.book.choice(state)
        result = evaluate(model, state, seconds_of(self.now), self.feeds, template)
        new_day = before is None or before.as_of // DAY != result.now // DAY
        closely = new_day or not all(isinstance(event.data, _BARE_USE) for event in folded.events)
        if closely:
            _describe(row, state, result.now)
        self._follow(row, folded, template, asked, closely=closely or not folded.events)
        change, passed, moves = None, None, []
        if not (asked.quiet or row.ended):
            change, passed = self._change(before, folded, result, asked.late)
            if change is not None:
                moves = self._moves(before, folded, passed, result, change)
        metrics.EVALUATIONS.labels(asked.trigger).inc()
        self.breaker.judge(
            Saying(row, before, result, asked, new_day, change, moves),
            partial(self._movers, folded, passed, result, change, asked),
            partial(self._components, folded, before),
        )
        if closely or change is not None or not folded.events:  # bare use within a day leaves signs as they are
            self.signs.after_score(Look(row, folded, result, first=before is None, quiet=asked.quiet))
        self._set_timer(row, state, result, template)

    def _change(
        self, before: Standing | None, folded: Folded[ClientState], result: Evaluation, late: bool
    ) -> tuple[Change | None, Evaluation | None]:
        """Whether the band changed; the state before these events is only evaluated where it did."""
        if before is None or before.band == result.band:
            return None, None
        passed = None
        if folded.previous is not None and folded.events:
            model, template = self.book.choice(folded.previous)
            passed = evaluate(model, folded.previous, result.now, self.feeds, template)
        elif not folded.events:
            passed = result
        change = band_change(before, result, passed, late=late)
        own = passed is not None and folded.events and passed.band_of_score != result.band_of_score
        if change is not None and own and self.breaker.is_held(folded.client_id):
            # What was last said of it is older than these events: what they did themselves is theirs.
            change = replace(change, cause=Cause.LATE_DATA if late else Cause.BEHAVIOUR)
        return change, passed

    def _movers(
        self,
        folded: Folded[ClientState],
        passed: Evaluation | None,
        result: Evaluation,
        change: Change | None,
        asked: Asked,
    ) -> tuple[str, ...]:
        """Who moved a client, for the breaker."""
        if change is None:
            return ()

        def without(feed: str) -> str:
            state = folded.recall() or ClientState()
            for event in sorted(folded.events, key=lambda e: e.order):
                if blast.feed(event.source) != feed:
                    apply(state, event)
            model, template = self.book.choice(state)
            return evaluate(model, state, result.now, self.feeds, template).band

        separable = None if folded.refolded or folded.previous is None else without
        return blast.movers(change, result, passed, asked.swept, folded.events, separable)

    async def _components(
        self, folded: Folded[ClientState], before: Standing | None, session: AsyncSession
    ) -> list[Any]:
        """A client's components as they were last said: under the model and of the state of then."""
        if before is None:
            return []
        state = folded.previous or folded.state
        model = serving(await definitions_repository.model(session, before.model, before.model_version), state.profile)
        then = max(before.as_of, state.last)
        return telling.components(evaluate(model, state, then, self.feeds, self.book.journey_for(state)))

    def _moves(
        self,
        before: Standing | None,
        folded: Folded[ClientState],
        passed: Evaluation | None,
        result: Evaluation,
        change: Change,
    ) -> list[Move]:
        """What moved the score since it was last said, as far as the state before these events can tell."""
        if before is None or folded.previous is None or passed is None:
            return []
        model, _ = self.book.choice(folded.previous)
        if (model.name, model.version) != (before.model, before.model_version):
            return [published(before, result)]
        kind = Cause.LATE_DATA if change.cause is Cause.LATE_DATA else Cause.BEHAVIOUR
        then, now = (folded.previous, before.as_of), (folded.state, result.now)
        marks = [e.id.hex for e in folded.events]
        return between(lambda state, _: self.book.choice(state), then, now, kind=kind, marks=marks)

    def _tell_late_milestones(self, row: Client, state: ClientState) -> None:
        if row.ended or row.baseline_due or past.ended(state, seconds_of(self.now)):
            return
        template = self.book.journey_for(state)
        since, until = seconds_of(row.late_told_until), seconds_of(self.now)
        for second, days, item in journey.notices_between(state, template, since, until):
            self.said.append(telling_journey.notice(row.client_id, item, days, second))
            if days >= 0:
                metrics.MILESTONES_LATE.labels(str(days)).inc()
        row.late_told_until = self.now

    def _follow(
        self, row: Client, folded: Folded[ClientState], template: journey.Template, asked: Asked, *, closely: bool
    ) -> None:
        """Milestones reached, and the phase that the client is in."""
        silent = asked.quiet or row.ended
        followed = phases.follow(row, folded, template, self.now, asked.caused_by, silent=silent, closely=closely)
        self.said += followed.said
        self.stays += followed.stays

    def _set_timer(self, row: Client, state: ClientState, result: Evaluation, template: journey.Template) -> None:
        """Timers are never moved: a new generation makes the old one a no-op."""
        if row.ended:
            row.next_look = None
            row.generation += 1
            return
        due = moment_of(next_look(result, state, template, seconds_of(row.late_told_until), self.book.signs))
        if due != row.next_look:
            row.next_look = due
            row.generation += 1
            self.timers.append(Timer(LOOK, str(row.client_id), row.generation, due))

    def _history_timer(self, row: Client, event: Event[events_of_clients.ImportFinished]) -> Timer:
        payload = {
            "from": event.data.from_.isoformat(),
            "to": event.data.to.isoformat(),
            "import_id": str(event.data.import_id),
        }
        return Timer(HISTORY, f"{row.client_id}:{event.id}", 0, self.now, payload)

    def restate(self, row: Client, since: datetime) -> None:
        """Have the day ends since then worked out again, soon, for people to read."""
        if seconds_of(since) // DAY >= seconds_of(self.now) // DAY:
            return
        if row.restate_from is None:
            self.timers.append(Timer(RESTATE, str(row.client_id), seconds_of(self.now), self.now + RESTATE_AFTER))
        row.restate_from = min(since, row.restate_from or since)


def _describe(row: Client, state: ClientState, now: int) -> None:
    """What lists show and filter by."""
    profile = state.profile
    row.name, row.tier, row.segment = profile.get("name"), profile.get("tier"), profile.get("segment")
    row.csm_email, row.test = profile.get("csm_email"), bool(profile.get("test"))
    row.ended = past.ended(state, now)
    row.mrr_currency = _main_currency(state)
    row.mrr = mrr(state, row.mrr_currency) if row.mrr_currency else 0
    row.sources = sorted({name for family in state.feeds for name in deadlines(state, family, {})})


def _main_currency(state: ClientState) -> str | None:
    """The currency of most of the subscriptions; others are not added to it."""
    real = [currency for key, (currency, _) in state.subscriptions.items() if key != RECORD]
    every = real or [currency for currency, _ in state.subscriptions.values()]
    return max(sorted(set(every)), key=every.count) if every else None
