"""Carries what clients do to the public webhooks, and what our people do to the APIs.

Whatever is on its way is sent until it is taken; while nobody takes it, `patience` is told, so that the play's clock
stands still. Repeats are harmless: vendors' ids and idempotency keys are derived from the happening.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from common.clock import SystemClock

from loopctl.api import make_token, reason
from loopctl.demo.behaviour import INTERNAL
from loopctl.demo.vendors import Post
from loopctl.errors import Problem
from loopctl.sending import signer_of
from loopctl.signing import Signer
from loopctl.stack import Stack

Patience = Callable[[str], Awaitable[None]]
"""Called with what we wait for, before each further attempt."""
TIMEOUT = httpx.Timeout(15.0, connect=3.0)
SCOPES = ("ingest:write", "ingest:read", "escalation:read", "escalation:write", "health:read", "churn:read")


class Courier:
    """Posts to one stack."""

    def __init__(self, stack: Stack, patience: Patience) -> None:
        self._stack, self._patience = stack, patience
        self._secrets = stack.secrets
        self._http = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        self._signers: dict[str, Signer] = {}

    async def close(self) -> None:
        await self._http.aclose()

    async def deliver(self, post: Post) -> None:
        """One webhook (or, for our own tools, one post of the live form), until it is accepted."""
        if post.source == INTERNAL:
            await self.act("ingest", "/v1/events", post.body, by=INTERNAL)
            return
        url = f"{self._stack.url('ingest')}/v1/webhooks/{post.source}"
        signer = self._signers.get(post.source) or self._signers.setdefault(post.source, signer_of(post.source))

        def headers() -> dict[str, str]:
            secret = self._secrets.webhooks[post.source]
            return {"content-type": "application/json", **signer(secret, url, post.body, SystemClock().wall())}

        def rotated(status: int) -> bool:
            """Whether the secret is another by now (`loop sources rotate`)."""
            if status != httpx.codes.UNAUTHORIZED:
                return False
            before, self._secrets = self._secrets, Stack.at(self._stack.folder).secrets
            return before.webhooks[post.source] != self._secrets.webhooks[post.source]

        await self._until_taken("ingest", url, post.body, headers, mended=rotated)

    async def act(
        self, service: str, path: str, body: bytes, *, by: str, key: str = "", settled: tuple[int, ...] = ()
    ) -> None:
        """A person of ours does something over an API. `settled`: refusals that mean it is done already."""

        def headers() -> dict[str, str]:
            token = make_token(self._stack, SCOPES, subject=by)
            once = {"idempotency-key": key} if key else {}
            return {"content-type": "application/json", "authorization": f"Bearer {token}", **once}

        await self._until_taken(service, self._stack.url(service) + path, body, headers, settled)

    async def read(self, service: str, path: str) -> Any:
        """JSON of a GET; None where it is not there."""
        headers = {"authorization": f"Bearer {make_token(self._stack, SCOPES, subject='demo')}"}
        while True:
            try:
                response = await self._http.get(self._stack.url(service) + path, headers=headers)
            except httpx.TransportError:
                await self._patience(f"{service} does not answer")
                continue
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            if response.is_success:
                return response.json()
            await self._patience(f"{service} answers {response.status_code}")

    async def _until_taken(
        self,
        service: str,
        url: str,
        body: bytes,
        headers: Callable[[], dict[str, str]],
        settled: tuple[int, ...] = (),
        mended: Callable[[int], bool] = lambda status: False,
    ) -> None:
        """`mended`: whether what was refused may be taken now."""
        while True:
            try:
                response = await self._http.post(url, content=body, headers=headers())
            except httpx.TransportError:
                await self._patience(f"{service} does not answer")
                continue
            if response.is_success or response.status_code in settled:
                return
            if mended(response.status_code):
                continue
            if response.status_code < 500 and response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                raise Problem(
                    f"{service} refused what the demo sent to {url} ({response.status_code}: {reason(response)})",
                    remedy=f"look at `loop logs {service}`",
                )
            await self._patience(f"{service} answers {response.status_code}")
