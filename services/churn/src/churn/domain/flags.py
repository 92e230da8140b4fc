"""When a flag rises, falls and is overridden: pure decisions over what is known of one client's flag.

A flag rises at the threshold and falls below a lower line, so that it does not flicker. A person may downgrade it for
a time; when that time is over and the risk still lasts, the same flag is raised again as its next episode.
History never acts: while an import runs nothing is decided, and what an import alone has shown is held back until the
client does something live, or its risk has been low in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from common.contracts.base import Data
from common.contracts.churn import FlagCleared, FlagOverridden, FlagRaised, OverrideEnded, Rule
from common.contracts.errors import Conflict, Refused
from common.contracts.ids import derived_id

from churn.domain.assessment import Assessment, Level
from churn.domain.policy import OverrideRules, Policy


@dataclass(frozen=True, slots=True)
class Flag:
    """A risk that people were told of. `episode` counts every time that a flag of this client was raised."""

    flag_id: UUID
    episode: int
    rule: Rule
    raised_at: datetime


@dataclass(frozen=True, slots=True)
class Override:
    """A person's downgrade of a flag; `probability` is the model's own number at that moment."""

    override_id: UUID
    by: str
    reason_code: str
    note: str
    until: datetime
    made_at: datetime
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of a client between assessments. `held`: high since an import, nothing live yet."""

    client_id: UUID
    flag: Flag | None = None
    override: Override | None = None
    episode: int = 0
    held: bool = False


Events = list[Data]


def decide(watch: Watch, found: Assessment, policy: Policy, *, live: bool = True) -> tuple[Watch, Events]:
    """What an assessment changes. `live`: the client did something live since its history was imported."""
    if watch.held and (live or found.level is Level.LOW):
        watch = replace(watch, held=False)
    if watch.override is not None:
        return _under_override(watch, found, policy)
    if watch.flag is None and found.level is Level.HIGH and not watch.held:
        return _raise(watch, found)
    if watch.flag is not None and found.level is Level.LOW:
        return _clear(watch, found.risk(), "risk_fell")
    return watch, []


def baseline(watch: Watch, found: Assessment) -> Watch:
    """The one live assessment after an import raises nothing; it is remembered that history alone is behind it."""
    return replace(watch, held=watch.flag is None and found.level is Level.HIGH)


def client_left(watch: Watch, last_risk: Mapping[str, Any], because: str = "client_left") -> tuple[Watch, Events]:
    """The client is gone: what was open is over. `last_risk` are the fields of its last assessment."""
    if watch.flag is None:
        return replace(watch, held=False), []
    events: Events = []
    if watch.override is not None:
        watch, events = _end_override(watch, last_risk, because)
    watch, cleared = _clear(watch, last_risk, because)
    return watch, events + cleared


def override(
    watch: Watch,
    last_risk: Mapping[str, Any],
    rules: OverrideRules,
    *,
    by: str,
    reason_code: str,
    note: str,
    until: datetime,
    now: datetime,
) -> tuple[Watch, Events]:
    """Downgrade the flag until a date. Raises Refused, or Conflict when there is nothing to do."""
    if reason_code not in rules.reason_codes:
        raise Refused(f"reason_code must be one of {', '.join(sorted(rules.reason_codes))}", field="reason_code")
    if len(note.strip()) < rules.min_note:
        raise Refused(f"note must say why in at least {rules.min_note} characters", field="note")
    if not now < until <= now + timedelta(days=rules.max_days):
        raise Refused(f"until must lie in the next {rules.max_days} days", field="until")
    if watch.flag is None:
        raise Conflict("this client has no flag to downgrade")
    if watch.override is not None:
        raise Conflict(f"the flag is already overridden until {watch.override.until:%Y-%m-%d}")
    made = Override(
        override_id=derived_id("churn-override", watch.flag.flag_id, watch.flag.episode),
        by=by,
        reason_code=reason_code,
        note=note.strip(),
        until=until,
        made_at=now,
        probability=last_risk.get("probability"),
    )
    event = FlagOverridden(**last_risk, **_flag_fields(watch.flag), **_override_fields(made))
    return replace(watch, override=made), [event]


def _under_override(watch: Watch, found: Assessment, policy: Policy) -> tuple[Watch, Events]:
    made = watch.override
    if made is None or watch.flag is None:
        raise ValueError("an override always stands on a flag")
    rose = (
        made.probability is not None
        and found.probability is not None
        and found.probability >= made.probability + policy.overrides.rise_ends
    )
    if not rose and found.as_of < made.until:
        return watch, []
    flag = watch.flag
    watch, events = _end_override(watch, found.risk(), "risk_rose" if rose else "expired")
    if found.level is Level.LOW:
        watch, more = _clear(watch, found.risk(), "risk_fell")
    else:
        watch, more = _raise(watch, found, again=flag)
    return watch, events + more


def _raise(watch: Watch, found: Assessment, again: Flag | None = None) -> tuple[Watch, Events]:
    episode = watch.episode + 1
    flag = Flag(
        flag_id=again.flag_id if again else derived_id("churn-flag", watch.client_id, episode),
        episode=episode,
        rule=found.rule,
        raised_at=found.as_of,
    )
    event = FlagRaised(**found.risk(), **_flag_fields(flag))
    return replace(watch, flag=flag, override=None, episode=episode, held=False), [event]


def _clear(watch: Watch, risk: Mapping[str, Any], reason: str) -> tuple[Watch, Events]:
    if watch.flag is None:
        return watch, []
    event = FlagCleared(**risk, **_flag_fields(watch.flag), reason=reason)
    return replace(watch, flag=None, override=None, held=False), [event]


def _end_override(watch: Watch, risk: Mapping[str, Any], because: str) -> tuple[Watch, Events]:
    if watch.flag is None or watch.override is None:
        return watch, []
    event = OverrideEnded(**risk, **_flag_fields(watch.flag), **_override_fields(watch.override), ended_because=because)
    return replace(watch, override=None), [event]


def _flag_fields(flag: Flag) -> dict[str, Any]:
    return {"flag_id": flag.flag_id, "episode": flag.episode, "rule": flag.rule}


def _override_fields(made: Override) -> dict[str, Any]:
    return {"by": made.by, "reason_code": made.reason_code, "note": made.note, "until": made.until}
