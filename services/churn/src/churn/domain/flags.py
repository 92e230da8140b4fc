"""When a flag rises, falls and is overridden: pure decisions over what is known of one client's flag.

A flag rises at the threshold and falls below a lower line, so that it does not flicker; after that the client is left
alone for some days, unless it is worse than it was. Once a week the riskiest of each CSM are named beside that
(`name`, `pass_over`). A person may downgrade a flag for a time; when that time is over and the risk still lasts, the
same flag is raised again as its next episode. History never acts: while an import runs nothing is decided, and what an
import alone has shown is held back until the client does something live, or its risk has been low in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from common.contracts.base import Data
from common.contracts.churn import FlagCleared, FlagOverridden, FlagRaised, OverrideEnded, Ranking, Rule
from common.contracts.errors import Conflict, NotFound, Refused
from common.contracts.ids import derived_id

from churn.domain.assessment import Assessment, Level
from churn.domain.policy import OverrideRules, Policy

RISK_FELL, NOT_AMONG, REACHED = "risk_fell", "no_longer_riskiest", "reached_threshold"
EXPIRED, WITHDRAWN, RISK_ROSE = "expired", "withdrawn", "risk_rose"


@dataclass(frozen=True, slots=True)
class Flag:
    """A risk that people were told of. `episode` counts every time that a flag of this client was raised."""

    flag_id: UUID
    episode: int
    rule: Rule
    raised_at: datetime
    probability: float | None = None
    """When it was raised; while uncalibrated `points`."""
    points: float | None = None
    weeks_out: int = 0
    """Of the capacity rule: for how many namings in a row the client was not among the riskiest."""


@dataclass(frozen=True, slots=True)
class Override:
    """A person's downgrade of a flag; `probability` (or `points`) is the model's own number at that moment."""

    override_id: UUID
    by: str
    reason_code: str
    note: str
    until: datetime
    made_at: datetime
    probability: float | None = None
    points: float | None = None
    withdrawn_by: str | None = None
    """Who took it back; it ends with the assessment that follows."""


@dataclass(frozen=True, slots=True)
class Cooling:
    """A flag was cleared: until then the client is not flagged again unless it is worse than when that was raised."""

    until: datetime
    rule: Rule
    probability: float | None = None
    points: float | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of a client between assessments. `held`: high since an import, nothing live yet; `quiet`:
    nothing live since an import, however high."""

    client_id: UUID
    flag: Flag | None = None
    override: Override | None = None
    episode: int = 0
    held: bool = False
    quiet: bool = False
    cooling: Cooling | None = None


Events = list[Data]


def decide(watch: Watch, found: Assessment, policy: Policy, *, live: bool = True) -> tuple[Watch, Events]:
    """What an assessment changes. `live`: the client did something live since its history was imported."""
    if watch.held and (live or found.level is Level.LOW):
        watch = replace(watch, held=False)
    if watch.quiet and live:
        watch = replace(watch, quiet=False)
    if watch.cooling is not None and found.as_of >= watch.cooling.until:
        watch = replace(watch, cooling=None)
    if watch.override is not None:
        return _under_override(watch, found, policy)
    if watch.flag is None:
        may = found.level is Level.HIGH and not watch.held and not _cools(watch, found, policy)
        return _raise(watch, found) if may else (watch, [])
    if watch.flag.rule is Rule.CAPACITY and found.level is Level.HIGH:
        return _raise(watch, found, again=watch.flag, because=REACHED)
    if not _lasts(watch.flag, found, policy):
        return _clear(watch, found.risk(), RISK_FELL, policy)
    return watch, []


def name(watch: Watch, found: Assessment, ranking: Ranking, policy: Policy) -> tuple[Watch, Events]:
    """The client is among the riskiest of its CSM this week. One that has a flag has been told of."""
    if watch.flag is not None:
        still = watch.flag.rule is Rule.CAPACITY and watch.flag.weeks_out
        return (replace(watch, flag=replace(watch.flag, weeks_out=0)) if still else watch), []
    named = replace(found, rule=Rule.CAPACITY)
    if found.probability is None or watch.held or watch.quiet or _cools(watch, named, policy):
        return watch, []
    return _raise(watch, named, ranking=ranking)


def pass_over(watch: Watch, found: Assessment, policy: Policy) -> tuple[Watch, Events]:
    """The client is not among the riskiest this week; after some weeks the flag that named it so is over."""
    flag = watch.flag
    if flag is None or flag.rule is not Rule.CAPACITY or watch.override is not None:
        return watch, []
    if flag.weeks_out + 1 >= policy.capacity.weeks_out:
        return _clear(watch, found.risk(), NOT_AMONG, policy)
    return replace(watch, flag=replace(flag, weeks_out=flag.weeks_out + 1)), []


def baseline(watch: Watch, found: Assessment) -> Watch:
    """The one live assessment after an import raises nothing; it is remembered that history alone is behind it."""
    return replace(watch, held=watch.flag is None and found.level is Level.HIGH, quiet=True)


def client_left(watch: Watch, last_risk: Mapping[str, Any], because: str = "client_left") -> tuple[Watch, Events]:
    """The client is gone: what was open is over. `last_risk` are the fields of its last assessment."""
    watch = replace(watch, held=False, cooling=None)
    if watch.flag is None:
        return watch, []
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
        points=last_risk.get("points"),
    )
    event = FlagOverridden(**last_risk, **_flag_fields(watch.flag), **_override_fields(made))
    return replace(watch, override=made), [event]


def withdraw(watch: Watch, override_id: UUID, *, by: str) -> Watch:
    """Take an override back; the assessment that follows ends it. Raises NotFound for one that does not stand."""
    if watch.override is None or watch.override.override_id != override_id:
        raise NotFound(f"override {override_id} does not stand")
    return replace(watch, override=replace(watch.override, withdrawn_by=watch.override.withdrawn_by or by))


def _under_override(watch: Watch, found: Assessment, policy: Policy) -> tuple[Watch, Events]:
    made, flag = watch.override, watch.flag
    if made is None or flag is None:
        raise ValueError("an override always stands on a flag")
    rules = policy.overrides
    if made.withdrawn_by is not None:
        because = WITHDRAWN
    elif _rose(found, made.probability, made.points, rules.rise_ends, rules.rise_points):
        because = RISK_ROSE
    elif found.as_of >= made.until:
        because = EXPIRED
    else:
        return watch, []
    watch, events = _end_override(watch, found.risk(), because)
    if _lasts(flag, found, policy):
        named_only = flag.rule is Rule.CAPACITY and found.level is not Level.HIGH
        again = replace(found, rule=Rule.CAPACITY) if named_only else found
        watch, more = _raise(watch, again, again=flag, because=because)
    else:
        watch, more = _clear(watch, found.risk(), RISK_FELL, policy)
    return watch, events + more


def _rose(
    found: Assessment, probability: float | None, points: float | None, by_probability: float, by_points: float
) -> bool:
    """Whether a risk is that much above an earlier one; two that were not measured alike say nothing."""
    if probability is not None and found.probability is not None:
        return found.probability >= probability + by_probability
    if points is not None and found.points is not None:
        return found.points >= points + by_points
    return False


def _lasts(flag: Flag, found: Assessment, policy: Policy) -> bool:
    """Whether the risk behind a flag is still there."""
    if flag.rule is not Rule.CAPACITY or found.level is Level.HIGH:
        return found.level is not Level.LOW
    if found.probability is None or flag.probability is None:
        return True  # without a calibrated number nobody can say; the weekly naming ends it
    return found.probability >= flag.probability * policy.capacity.falls_to


def _cools(watch: Watch, found: Assessment, policy: Policy) -> bool:
    """Whether the client is left alone. Having been named for the week is no reason to be silent at the threshold;
    nor is a flag that was measured otherwise (points, not probability)."""
    cooling = watch.cooling
    if cooling is None or found.as_of >= cooling.until:
        return False
    if cooling.rule is Rule.CAPACITY and found.rule is not Rule.CAPACITY:
        return False
    if (cooling.probability is None) != (found.probability is None):
        return False
    rules = policy.cool_down
    return not _rose(found, cooling.probability, cooling.points, rules.rise, rules.points)


def _raise(
    watch: Watch,
    found: Assessment,
    *,
    again: Flag | None = None,
    because: str | None = None,
    ranking: Ranking | None = None,
) -> tuple[Watch, Events]:
    episode = watch.episode + 1
    flag = Flag(
        flag_id=again.flag_id if again else derived_id("churn-flag", watch.client_id, episode),
        episode=episode,
        rule=found.rule,
        raised_at=found.as_of,
        probability=found.probability,
        points=found.points,
    )
    event = FlagRaised(**found.risk(), **_flag_fields(flag), because=because, ranking=ranking)
    return replace(watch, flag=flag, override=None, episode=episode, held=False, cooling=None), [event]


def _clear(watch: Watch, risk: Mapping[str, Any], reason: str, cool: Policy | None = None) -> tuple[Watch, Events]:
    """With `cool` the client is left alone for a while."""
    flag = watch.flag
    if flag is None:
        return watch, []
    event = FlagCleared(**risk, **_flag_fields(flag), reason=reason)
    cooling = None
    if cool is not None:
        until = event.as_of + timedelta(days=cool.cool_down.days)
        cooling = Cooling(until, flag.rule, flag.probability, flag.points)
    return replace(watch, flag=None, override=None, held=False, cooling=cooling), [event]


def _end_override(watch: Watch, risk: Mapping[str, Any], because: str) -> tuple[Watch, Events]:
    if watch.flag is None or watch.override is None:
        return watch, []
    made = watch.override
    event = OverrideEnded(
        **risk,
        **_flag_fields(watch.flag),
        **_override_fields(made),
        ended_because=because,
        ended_by=made.withdrawn_by,
    )
    return replace(watch, override=None), [event]


def _flag_fields(flag: Flag) -> dict[str, Any]:
    return {"flag_id": flag.flag_id, "episode": flag.episode, "rule": flag.rule}


def _override_fields(made: Override) -> dict[str, Any]:
    return {"by": made.by, "reason_code": made.reason_code, "note": made.note, "until": made.until}
