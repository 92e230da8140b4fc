"""What is in force after promotions and ways back."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from churn.registry import standing
from churn.repository.models import Promotion

A, B, C = (UUID(int=n) for n in (1, 2, 3))
AT = datetime(2026, 3, 2, tzinfo=UTC)


def newest_first(*made: tuple[str, UUID | None]) -> list[Promotion]:
    return [Promotion(n, model, action, "maya", "", AT) for n, (action, model) in enumerate(made)][::-1]


def test_going_back_takes_off_what_came_after():
    assert standing(newest_first(("promoted", A), ("promoted", B), ("rolled_back", A))) == [None, A]
    assert standing(newest_first(("promoted", A), ("fell_back", None))) == [None]
    assert standing(newest_first(("promoted", A), ("promoted", B), ("promoted", C), ("fell_back", A))) == [None, A]


def test_a_way_back_to_a_model_that_was_promoted_before_the_decisions_that_are_read_is_in_force():
    """Only the last decisions are read; else the scorecard would speak after a hundred of them."""
    assert standing(newest_first(("rolled_back", A), ("promoted", B), ("rolled_back", A))) == [None, A]
    assert standing(newest_first(("promoted", B), ("rolled_back", A))) == [None, A]
