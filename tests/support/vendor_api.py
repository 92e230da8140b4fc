"""The APIs that enrichment asks, as they answer: objects by path, 404 for the rest, and what is to go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Vendor:
    """All three APIs: objects by path, and what to answer instead."""

    objects: dict[str, Any] = field(default_factory=dict)
    instead: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        self.queries.append(request.url.query.decode())
        self.tokens.add(request.headers.get("authorization", request.headers.get("x-api-token", "")))
        if self.instead:
            answer = self.instead.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        found = self.objects.get(request.url.path)
        return httpx.Response(200, json=found) if found is not None else httpx.Response(404, json={"status": "error"})
