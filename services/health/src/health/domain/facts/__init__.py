"""Every fact that a model may name. A new one is one pure function here, one line in its table, and its test."""

from __future__ import annotations

from collections.abc import Mapping

from health.domain.facts import (
    business,
    engagement,
    financial,
    onboarding,
    outcome,
    partnership,
    project,
    relationship,
    usage,
)
from health.domain.facts.fact import At, Fact, Measure

FACTS: Mapping[str, Fact] = {
    fact.name: fact
    for family in (
        usage, outcome, relationship, financial, onboarding, engagement, project, business, partnership,
    )
    for fact in family.FACTS
}  # fmt: skip

__all__ = ["FACTS", "At", "Fact", "Measure"]
