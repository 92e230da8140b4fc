"""Asking vendors' APIs over httpx: as fast as each allows, again where that helps, and not while one is down."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import stamina
from common.clock import Clock

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
ATTEMPTS = 3
"""Of one look-up at once; what still fails is tried again later (ingest.enricher)."""
FIRST_WAIT, LONGEST_WAIT = 0.2, 2.0
PATIENCE = 10.0
"""Wall seconds to wait after a 429 that does not say how long."""
CACHE_SECONDS, CACHE_ENTRIES = 60.0, 1000


class Gone(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """The vendor has no such object, or no longer."""


class TokenRefused(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """401 or 403: a person must mend the token or its scopes."""


class Patience(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """429: come again after so many wall seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"asked to wait {seconds:.0f} s")
        self.seconds = seconds


class Failed(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """5xx, a time-out, no connection, or an answer that is none: it may well pass."""


class Refused(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """Any other 4xx: the same question will get the same answer."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in any span of so many wall seconds."""

    requests: int
    seconds: float


class Pace:
    """Keeps to a rate: whoever comes too early waits."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self._rate, self._clock = rate, clock
        self._sent: deque[float] = deque()

    async def turn(self) -> None:
        """Wait for our turn. Turns are given away at once, so that many can wait side by side."""
        now = self._clock.monotonic()
        while self._sent and self._sent[0] <= now - self._rate.seconds:
            self._sent.popleft()
        due = now
        if len(self._sent) >= self._rate.requests:
            due = max(now, self._sent[-self._rate.requests] + self._rate.seconds)
        self._sent.append(due)
        if due > now:
            await self._clock.sleep(due - now)


class VendorApi:
    """GETs of one vendor's API with one token, which is never logged."""

    def __init__(
        self,
        *,
        base_url: str,
        headers: Mapping[str, str],
        rate: Rate,
        clock: Clock,
        patience: Callable[[httpx.Response], float | None] = lambda answer: None,
    ) -> None:
        """`patience`: what a 429 says of how long to wait, beside Retry-After."""
        self._http = httpx.AsyncClient(base_url=base_url.rstrip("/"), headers=dict(headers), timeout=TIMEOUT)
        self._pace = Pace(rate, clock)
        self._clock = clock
        self._patience = patience
        self._under_way: dict[tuple[str, str], asyncio.Future[Mapping[str, Any]]] = {}
        self._kept: OrderedDict[tuple[str, str], tuple[float, Any]] = OrderedDict()

    async def get(self, path: str, query: str = "", *, fresh_for: float = CACHE_SECONDS) -> Mapping[str, Any]:
        """The JSON object of an answer, from memory where it is fresh; asked twice at once, it is fetched once.

        Raises what this module names.
        """
        key, now = (path, query), self._clock.monotonic()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] < fresh_for:
            found: Mapping[str, Any] = kept[1]
            return found
        asking = self._under_way.get(key)
        if asking is None:
            asking = self._under_way[key] = asyncio.ensure_future(self._patiently(path, query))
            asking.add_done_callback(lambda _: self._under_way.pop(key, None))
        # shielded: who gives up must not take the answer from the others
        found = await asyncio.shield(asking)
        self._kept[key] = (now, found)
        self._kept.move_to_end(key)
        if len(self._kept) > CACHE_ENTRIES:
            self._kept.popitem(last=False)
        return found

    async def close(self) -> None:
        await self._http.aclose()

    async def _patiently(self, path: str, query: str) -> Mapping[str, Any]:
        async for attempt in stamina.retry_context(
            on=Failed, attempts=ATTEMPTS, wait_initial=FIRST_WAIT, wait_max=LONGEST_WAIT, timeout=None
        ):
            with attempt:
                return await self._once(path, query)
        raise Failed("not asked")

    async def _once(self, path: str, query: str) -> Mapping[str, Any]:
        await self._pace.turn()
        try:
            answer = await self._http.get(f"{path}?{query}" if query else path)
        except httpx.HTTPError as error:
            # httpx's own words may hold the address, never the headers
            raise Failed(f"cannot be reached: {type(error).__name__}") from error
        self._check(answer)
        try:
            value = answer.json()
        except ValueError as error:
            raise Failed("the answer is no JSON") from error
        if not isinstance(value, dict):
            raise Failed("the answer is no object")
        return value

    def _check(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if answer.is_success:
            return
        if status in (404, 410):
            raise Gone(f"{status}")
        if status in (401, 403):
            raise TokenRefused(f"the token is refused: {status} {answer.text[:200]}")
        if status == 429:
            after = answer.headers.get("Retry-After", "")
            told = float(after) if after.isdigit() else self._patience(answer)
            raise Patience(told if told is not None else PATIENCE)
        if status >= 500 or status == 408:
            raise Failed(f"failed: {status}")
        raise Refused(f"refused: {status} {answer.text[:200]}")
