"""Stored scorers that are none are refused in our own words."""

from __future__ import annotations

import orjson
import pytest
from churn.adapters import scorers
from churn.adapters.stored_model import BadModelError


@pytest.mark.parametrize(
    "parts", [[], {}, 7, [["logistic"]], [[["logistic"], "e30="]], [[None, "e30="]], [["mean", "W10="]]]
)
def test_a_mean_of_no_scorers_is_no_model(parts: object):
    with pytest.raises(BadModelError):
        scorers.load("mean", orjson.dumps(parts), 3)
