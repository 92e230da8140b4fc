"""Early-warning signs, red flags about us, the promised rhythm, and disagreement: every condition there is.

A new one is one pure function beside these, one line in its file's table, its settings in
`deploy/config/health/signs.yaml`, and its worked example in `docs/signs.md`.
"""

from __future__ import annotations

from collections.abc import Mapping

from health.domain.signs import disagreement, ours, people, words, work
from health.domain.signs.sign import Finding, Health, Kind, Rhythm, Risk, Seen, Sign, WeekScore
from health.domain.signs.watching import Key, Policy, Watched, next_instant, watch

SIGNS: Mapping[str, Sign] = {
    sign.name: sign for sign in (*people.SIGNS, *words.SIGNS, *work.SIGNS, *ours.SIGNS, *disagreement.SIGNS)
}

__all__ = [
    "SIGNS", "Finding", "Health", "Key", "Kind", "Policy", "Rhythm", "Risk", "Seen", "Sign", "Watched", "WeekScore",
    "next_instant", "watch",
]  # fmt: skip
