"""Every fact that a model may name. A new one is one pure function here, one line in its table, and its test."""

from __future__ import annotations

from collections.abc import Mapping

from health.domain.facts import financial, outcome, relationship, usage
from health.domain.facts.fact import At, Fact, Measure

FACTS: Mapping[str, Fact] = {
    fact.name: fact for fact in (*usage.FACTS, *outcome.FACTS, *relationship.FACTS, *financial.FACTS)
}

__all__ = ["FACTS", "At", "Fact", "Measure"]
