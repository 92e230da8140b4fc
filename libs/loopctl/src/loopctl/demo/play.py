"""The play: chapters that send what clients do, move business time, and wait for what the loop answers.

Every act is named and noted in `demo.json` when it is over, so that a play that was killed goes on where it was. The
clock stands still while something is awaited or cannot be reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from common.contracts.ids import derived_id

from loopctl.demo import listening, progress, script
from loopctl.demo.behaviour import Happening
from loopctl.demo.courier import Courier
from loopctl.demo.population import PLAY, present
from loopctl.demo.portfolio import HERO
from loopctl.demo.script import Beat
from loopctl.demo.story import Links, Story
from loopctl.demo.tempo import Tempo
from loopctl.demo.vendors import noise, told
from loopctl.stack import Stack

FAST, CASE, WATCHFUL, STEP = 28_800.0, 7_200.0, 5_400.0, 3_600.0
"""Business seconds a wall second: days pass; deadlines are far; something is in the air; deadlines are near."""
IN_THE_AIR, NEAR = 0.35, 0.5
"""Risks from which the play goes on more slowly, and still more slowly."""
REACTION = 20.0
"""Wall seconds for which the clock waits for the loop's answer to something that matters."""
SIGN_OF_LIFE = 10.0
LOOK = 0.05


class Play:
    """One run of the demo; make it, then `perform`."""

    def __init__(self, stack: Stack, known: progress.Progress, trained: Callable[[], bool]) -> None:
        self.stack, self.progress, self.trained = stack, known, trained
        self.tempo = Tempo(stack)
        self.courier = Courier(stack, self._patience)
        self.world = present(known.world, known.began_at, known.clients)
        self.hero = self.world.members[HERO]
        self.story = Story(
            str(self.hero.client_id),
            {str(member.client_id): member.name for member in self.world.members},
            Links(stack.url("health"), stack.url("churn"), stack.url("escalation"), stack.url("catcher")),
            told=set(known.told),
        )
        self.known = self.story.known
        self._listener = listening.Listener(stack.bootstrap_servers, known.offsets)
        self._schedule = self._ordered()
        self._complained = ""

    def _ordered(self) -> list[tuple[Happening, int, str]]:
        """What happens by itself from the play's beginning on: (what, whose, its name for ever)."""
        found = []
        for number in range(len(self.world.members)):
            for place, happening in enumerate(self.world.happenings(number)):
                scripted = number == HERO and happening.source not in script.USUAL_SOURCES
                if happening.at >= self.world.began and not scripted:
                    found.append((happening, number, f"life:{place}"))
        murmur = noise(self.world.began, self.world.began + 2 * PLAY)
        found += [(one, nth % len(self.world.members), f"noise:{nth}") for nth, one in enumerate(murmur)]
        return sorted(found, key=lambda one: (one[0].at, one[1], one[2]))

    async def perform(self) -> None:
        """Play from wherever it is to its end."""
        listener = asyncio.create_task(self._listen())
        try:
            said = await listening.ends(self.stack.bootstrap_servers)
            await self._wait(lambda: self._listener.has_reached(said), "what was said before")
            await self._wait(lambda: len(self.known.seen) >= len(self.world.members), "every client's first score", 90)
            await self._decline()
            if self.progress.flagged_at is not None:
                await self._case(self.progress.flagged_at)
                await self._rescue(self.progress.flagged_at)
            await self._arrive()
        finally:
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener
            await self.courier.close()

    # what is heard and told

    async def _listen(self) -> None:
        async for event in self._listener.events():
            before = len(self.story.told)
            for line in self.story.hear(event):
                self.tell(line)
            if len(self.story.told) != before:
                self._keep()

    def tell(self, line: str) -> None:
        progress.tell(self.stack, self.progress, line)

    def _keep(self) -> None:
        self.progress.told = sorted(self.story.told)
        progress.save(self.stack, self.progress)

    def _over(self, name: str) -> None:
        self.progress.done.append(name)
        self._keep()

    # time

    async def _patience(self, why: str) -> None:
        """Something cannot be reached: business time stands still meanwhile."""
        self.tempo.hold()
        if why != self._complained:
            self._complained = why
            self.tell(f"         ({why}; the clock waits)")
        await self.tempo.rest(0.5)

    async def _wait(self, condition: Callable[[], bool], what: str, limit: float = 600.0) -> bool:
        """Hold the clock until something was heard; whether it was, within `limit` wall seconds."""
        if condition():
            return True
        self.tempo.hold()
        started = said = time.monotonic()
        while not condition():
            await self.tempo.rest(LOOK)
            if time.monotonic() - said >= SIGN_OF_LIFE:
                said = time.monotonic()
                self.tell(f"         (waiting for {what})")
            if time.monotonic() - started >= limit:
                return False
        return True

    async def _until(self, moment: datetime, scale: float, stop: Callable[[], bool] = lambda: False) -> None:
        """Let business time run to a moment; what clients do by themselves is sent on the way."""
        self.tempo.run(scale, moment)
        while not stop():
            now = self.tempo.now()
            if await self._send_due(now):
                self.tempo.run(scale, moment)
            if now >= moment or self.tempo.arrived():
                return
            await self.tempo.rest(LOOK)

    async def _send_due(self, now: datetime) -> bool:
        """Send what has happened by now, in order; whether anything was."""
        first = self.progress.sent
        while self.progress.sent < len(self._schedule) and self._schedule[self.progress.sent][0].at <= now:
            happening, number, name = self._schedule[self.progress.sent]
            await self.courier.deliver(told(self.world.members[number], happening, name))
            self.progress.sent += 1
        if self.progress.sent != first:
            self._keep()
        return self.progress.sent != first

    # chapters

    async def _play_beat(
        self, beat: Beat, scale: float, *, awaited: bool = True, stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Go to a scripted happening, send it, and give the loop time to answer."""
        if self.progress.is_done(beat.name):
            return
        await self._until(beat.happening.at, scale, stop)
        if stop():
            return
        heard = self.known.assessments
        if beat.says:
            self.tell(
                f"csm      {self.hero.csm} {beat.says}" if beat.ours else f"client   {self.hero.name}: {beat.says}"
            )
        await self.courier.deliver(told(self.hero, beat.happening, f"story:{beat.name}"))
        self._over(beat.name)
        if awaited and beat.says:
            await self._wait(lambda: self.known.assessments > heard, "the loop's answer", REACTION)

    async def _decline(self) -> None:
        """The client drifts away, until the loop says so."""
        self._chapter("decline", f"{len(self.world.members)} clients live on; {self.hero.name} will drift away")
        for beat in script.decline(self.hero, self.world.began):
            if self.known.flagged_at is not None or self.progress.flagged:
                break
            if beat.name == script.NEEDS_MODEL:
                await self._wait(self.trained, "the churn model to be trained", 180)
            await self._play_beat(beat, self._pace(), stop=lambda: self.known.flagged_at is not None)
        if self.progress.flagged:
            return
        if await self._wait(lambda: self.known.flagged_at is not None, "a flag", 240) and self.known.flagged_at:
            self.progress.flagged = self.known.flagged_at.isoformat()
            self._keep()
        else:
            self.tell("         no flag was raised: look at `loop logs churn`")

    def _pace(self) -> float:
        """The nearer a flag seems, the more slowly: when it comes, hours count."""
        risk = self.known.risk or 0
        return FAST if risk < IN_THE_AIR else 2 * CASE if risk < NEAR else WATCHFUL

    async def _case(self, flag: datetime) -> None:
        """Three steps: one in time, one breached and then done, one in time."""
        self._chapter("case", "hours matter now: the clock runs slowly")
        if not await self._wait(lambda: self.known.case is not None or self.known.outcome is not None, "the case", 60):
            self.tell("         no case was opened: look at `loop logs escalation`")
            return
        await self._step("assign", flag + script.ASSIGN_AFTER, STEP, script.assignment(self.hero))
        if not self.progress.is_done("call_breached"):
            await self._until(flag + script.CALL_DUE + timedelta(minutes=5), CASE)
            await self._wait(lambda: "root_cause_call" in self.known.breached or self._is_closed(), "the breach", 60)
            self._over("call_breached")
        call = script.call(self.hero, flag)
        says = "has the client's yes: the root-cause call is in the calendar (meeting_scheduled)"
        await self._play_beat(Beat("call", says, call, ours=True), CASE, awaited=False)
        await self._wait(lambda: "root_cause_call" in self.known.done or self._is_closed(), "the call step", 30)
        await self._step("mitigation_plan", flag + script.PLAN_AFTER, 2 * CASE, script.plan(self.hero, flag))

    async def _step(self, step: str, at: datetime, scale: float, evidence: dict[str, object]) -> None:
        """The CSM completes a step over the API."""
        if self.progress.is_done(step):
            return
        await self._until(at, scale, stop=self._is_closed)
        if not self._is_closed():
            self.tell(f"csm      {self.hero.csm} completes {step} (POST /v1/cases/…/steps/{step}/complete)")
            await self._post_case(f"steps/{step}/complete", {"evidence": evidence}, step)
            await self._wait(lambda: step in self.known.done or self._is_closed(), f"{step} to be done", 30)
        self._over(step)

    async def _rescue(self, flag: datetime) -> None:
        """The client comes back; its CSM closes the case as saved."""
        self._chapter("rescue", "the plan works")
        closing = flag + script.CLOSED_AS_SAVED_AFTER
        for beat in script.rescue(self.hero, self.world.began, flag):
            if beat.happening.at > closing:
                await self._close_as_saved(closing)
            await self._play_beat(beat, FAST)

    async def _close_as_saved(self, at: datetime) -> None:
        if self.progress.is_done("saved"):
            return
        await self._until(at, FAST, stop=self._is_closed)
        if not self._is_closed() and self.known.case is not None:
            reason = "the export is mended, the invoice is paid, they stay"
            self.tell(f"csm      {self.hero.csm} closes the case: {reason}")
            await self._post_case("close", {"outcome": "saved", "reason": reason}, "saved")
            await self._wait(self._is_closed, "the case to be closed", 30)
        self._over("saved")

    async def _arrive(self) -> None:
        """On to now; from here on business time is wall time."""
        if not self.progress.is_done("epilogue"):
            await self._until(self.world.began + PLAY, FAST)
            await self._until(self.tempo.now() + PLAY, FAST, stop=self.tempo.arrived)
            self._over("epilogue")
        self.tempo.finish()
        self.tell(self._last_word())

    def _last_word(self) -> str:
        known = self.known
        ending = {"saved": "is saved", "left": "has left"}.get(known.outcome or "", f"case: {known.outcome or 'none'}")
        score = f"{known.score:.1f}" if known.score is not None else "unknown"
        risk = f", risk {known.risk:.0%}" if known.risk is not None else ""
        return (
            f"the end  {self.hero.name} {ending}: score {score} ({known.band}){risk}; {known.messages} messages. "
            f"Business time is now wall time."
        )

    def _is_closed(self) -> bool:
        return self.known.outcome is not None

    async def _post_case(self, act: str, body: dict[str, object], name: str) -> None:
        key = str(derived_id("demo", self.progress.world, self.known.case, name))
        path = f"/v1/cases/{UUID(str(self.known.case))}/{act}"
        await self.courier.act("escalation", path, orjson.dumps(body), by=self.hero.csm, key=key, settled=(409,))

    def _chapter(self, name: str, says: str) -> None:
        if not self.progress.is_done(f"chapter:{name}"):
            self.tell(f"──       {says}")
            self._over(f"chapter:{name}")
