"""The HTTP routes of a service, with what each asks of its caller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

from common.auth import Open, Scope
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

NOWHERE = {
    "database_url": "postgresql://nobody:nothing@127.0.0.1:9/none",
    "kafka_bootstrap_servers": "127.0.0.1:9",
}
"""Nothing is connected to: wiring alone opens no connection."""


@dataclass(frozen=True)
class Route:
    """One method of one path."""

    service: str
    method: str
    path: str
    operation: str
    scopes: frozenset[str]
    is_open: bool
    summary: str

    def __str__(self) -> str:
        return f"{self.service}: {self.method} {self.path}"


def app_of(service: str) -> FastAPI:
    """The application as the service's main.py wires it."""
    main, settings = import_module(f"{service}.main"), import_module(f"{service}.settings")
    app = main.build(settings.Settings(**NOWHERE)).app
    assert isinstance(app, FastAPI)
    return app


def routes_of(service: str, app: FastAPI) -> Iterator[Route]:
    """Every route that answers, the hidden ones included; FastAPI's own pages about the API are not among them."""
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        if dependant is None:
            continue
        calls = [*_calls(dependant)]
        scopes = frozenset(call.name for call in calls if isinstance(call, Scope))
        is_open = any(isinstance(call, Open) for call in calls)
        summary = route.summary or (route.description or "").split("\n")[0]
        for method in sorted(route.methods or ()):
            yield Route(service, method, str(route.path_format), route.unique_id, scopes, is_open, summary)


def _calls(dependant: Dependant) -> Iterator[object]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)
