"""The published models and journey maps, as a transaction sees them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from health.domain import past
from health.domain.journey import EMPTY, Template, segment_key
from health.domain.model import Model, choose
from health.domain.signs import Policy
from health.domain.state import ClientState
from health.domain.variants import serving


@dataclass(frozen=True)
class Book:
    """All that is published now."""

    models: tuple[Model, ...]
    journeys: tuple[Template, ...]
    signs: Policy | None = None

    def model_for(self, state: ClientState) -> Model:
        """The model, with the weights and priors of the client's segment and tier. Raises LookupError while none is
        published."""
        profile = state.profile
        model = choose(self.models, engagement=profile.get("engagement"), onboarding=past.onboarding(state))
        return serving(model, profile)

    def journey_for(self, state: ClientState) -> Template:
        """The segment's own journey map, else the one for all."""
        return self.journey_of(state.profile.get("segment"))

    def journey_of(self, segment: str | None) -> Template:
        """Segments are compared as `segment_key` writes them: CRMs spell them in many ways."""
        general = self._journeys.get("", EMPTY)
        return general if segment is None else self._journeys.get(segment_key(segment), general)

    @cached_property
    def _journeys(self) -> dict[str, Template]:
        """By segment; "" is the one for all others. Should two claim one, the first by name has it."""
        found: dict[str, Template] = {}
        for template in self.journeys:
            for key in map(segment_key, template.segments or ("",)):
                found.setdefault(key, template)
        return found

    def choice(self, state: ClientState) -> tuple[Model, Template]:
        """What serves a client as it is, or was."""
        return self.model_for(state), self.journey_for(state)
