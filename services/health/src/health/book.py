"""The published models and journey maps, as a transaction sees them."""

from __future__ import annotations

from dataclasses import dataclass

from health.domain import past
from health.domain.journey import EMPTY, Template
from health.domain.model import Model, choose
from health.domain.state import ClientState


@dataclass(frozen=True)
class Book:
    """All that is published now."""

    models: tuple[Model, ...]
    journeys: tuple[Template, ...]

    def model_for(self, state: ClientState) -> Model:
        """Raises LookupError while no model is published."""
        return choose(self.models, engagement=state.profile.get("engagement"), onboarding=past.onboarding(state))

    def journey_for(self, state: ClientState) -> Template:
        """The segment's own journey map, else the one for all."""
        segment = state.profile.get("segment")
        own = [template for template in self.journeys if segment in template.segments]
        general = [template for template in self.journeys if not template.segments]
        return next(iter([*own, *general]), EMPTY)

    def choice(self, state: ClientState) -> tuple[Model, Template]:
        """What serves a client as it is, or was."""
        return self.model_for(state), self.journey_for(state)
