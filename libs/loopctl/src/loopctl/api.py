"""Calling the stack's own HTTP APIs, with a token that loopctl makes for itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from loopctl.errors import Problem
from loopctl.stack import Stack

AUDIENCE = "client-success-loop"
SCOPES = (
    "ingest:read", "ingest:write", "ingest:import", "ingest:erase", "ingest:admin",
    "health:read", "health:write",
    "churn:read", "churn:override", "churn:admin",
    "escalation:read", "escalation:write", "escalation:admin",
    "notify:read", "notify:write",
)  # fmt: skip
"""What routes ask for (a test holds it against them)."""
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
PAGE = 200
FIELDS_SHOWN = 3


def make_token(stack: Stack, scopes: Sequence[str], *, subject: str = "loop", hours: float = 1.0) -> str:
    """An HS256 token of the local stack."""
    from common import auth
    from common.clock import SystemClock

    return auth.make_token(
        stack.secrets.jwt,
        subject=subject,
        scopes=list(scopes),
        audience=AUDIENCE,
        clock=SystemClock(),
        hours=hours,
    )


class Api:
    """One service of the stack, as a caller with these scopes sees it."""

    def __init__(self, stack: Stack, service: str, scopes: Sequence[str]) -> None:
        self._service = service
        self._http = httpx.Client(
            base_url=stack.url(service),
            headers={"authorization": f"Bearer {make_token(stack, scopes)}"},
            timeout=TIMEOUT,
            trust_env=False,
        )

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One request. Raises Problem when nobody answers; refusals are the caller's business."""
        try:
            return self._http.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise Problem(
                f"{self._service} does not answer ({type(error).__name__})",
                remedy="start it with `loop up`, or look at `loop doctor`",
            ) from error

    def get(self, path: str, **parameters: Any) -> Any:
        """JSON of a GET. Raises Problem for anything but success."""
        return self.good(self.call("GET", path, params=parameters)).json()

    def items(self, path: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page."""
        cursor = None
        while True:
            asked = {**parameters, "limit": PAGE, **({"cursor": cursor} if cursor else {})}
            page = self.get(path, **asked)
            yield from page["items"]
            cursor = page.get("next")
            if not cursor:
                return

    def good(self, response: httpx.Response) -> httpx.Response:
        """The response, if it is one of success. Raises Problem with the service's own words."""
        if response.is_success:
            return response
        raise Problem(
            f"{self._service} answered {response.status_code} ({reason(response)})",
            remedy=f"look at `loop logs {self._service}`",
        )


def reason(response: httpx.Response) -> str:
    """What a problem+json says, or the beginning of any other body."""
    try:
        body = response.json()
    except ValueError:
        return response.text[:300] or response.reason_phrase
    if isinstance(body, dict):
        said = str(body.get("detail") or body.get("title") or body)
        wrong = [f"{one['field']}: {one['detail']}" for one in body.get("errors") or () if one["detail"] != said]
        return "; ".join([said, *wrong[:FIELDS_SHOWN]])[:500]
    return str(body)[:300]
