"""A Segment event that stands for many says how many."""

from __future__ import annotations

from typing import Any

import pytest
from common.contracts import client

from tests.unit.ingest.test_vendor_traps import one, track


@pytest.mark.parametrize(
    ("given", "logins", "usage"),
    [
        (0, 0, 0),
        ("0", 0, 0),
        ("12", 12, 12),
        ("2.5", 1, 2.5),
        (2.5, 1, 2.5),
        (None, 1, 1),
        ("many", 1, 1),
        (True, 1, 1),
    ],
)
def test_an_aggregate_counts_as_it_says_even_as_text_or_none_at_all(given: Any, logins: int, usage: float) -> None:
    logged_in, used = (one("segment", track(e, properties={"quantity": given})).data for e in ("Signed In", "X"))
    assert isinstance(logged_in, client.LoggedIn)
    assert isinstance(used, client.UsageRecorded)
    assert (logged_in.count, used.quantity) == (logins, usage)
