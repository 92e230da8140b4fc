"""Reads `deploy/config/churn/*.yaml` into the domain's policy; what is wrong is said with file and field."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from churn.domain.features import BY_NAME
from churn.domain.policy import Capacity, CoolDown, OverrideRules, Policy, Scorecard, Sentences, Sign, placeholders
from churn.domain.reasons import CODES

Share = Annotated[float, Field(gt=0, lt=1)]
M = TypeVar("M", bound=BaseModel)


class PolicyError(ValueError):
    """A configuration file breaks a rule; the text names file and field."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no time zone {name}") from error
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Overrides(_Strict):
    max_days: Annotated[int, Field(ge=1, le=90)]
    min_note: Annotated[int, Field(ge=1)]
    rise_ends: Share
    rise_points: Annotated[float, Field(gt=0)] = 15
    reason_codes: Annotated[dict[str, str], Field(min_length=1)]


class _CoolDown(_Strict):
    days: Annotated[int, Field(ge=0, le=365)] = 14
    rise: Share = 0.1
    points: Annotated[float, Field(gt=0)] = 15


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class _Capacity(_Strict):
    per_csm: Annotated[int, Field(ge=0, le=1000)] = 3
    weekday: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = "mon"
    hour: Annotated[int, Field(ge=0, le=23)] = 7
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    min_lift: Annotated[float, Field(gt=1)] = 2.0
    min_probability: Share = 0.3
    weeks_out: Annotated[int, Field(ge=1, le=52)] = 2
    falls_to: Share = 0.5

    def rules(self) -> Capacity:
        return Capacity(**{**self.model_dump(), "weekday": WEEKDAYS.index(self.weekday)})


class _PolicyFile(_Strict):
    threshold: Share
    clear_below: Share
    horizon_days: Annotated[int, Field(ge=1, le=730)]
    min_tenure_days: Annotated[int, Field(ge=0)]
    grace_days: Annotated[int, Field(ge=0)]
    reasons_raising: Annotated[int, Field(ge=1)]
    reasons_lowering: Annotated[int, Field(ge=0)]
    reason_floor: Annotated[float, Field(ge=0)]
    not_leaving: frozenset[Annotated[str, AfterValidator(str.lower)]] = frozenset({"completed"})
    overrides: _Overrides
    cool_down: _CoolDown = _CoolDown()
    capacity: _Capacity = _Capacity()

    @model_validator(mode="after")
    def _hysteresis(self) -> _PolicyFile:
        if self.clear_below > self.threshold:
            raise ValueError("clear_below must not lie above threshold")
        return self


class _Sign(_Strict):
    code: str
    reason: str
    family: str
    points: Annotated[int, Field(gt=0)]
    feature: str
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _known(self) -> _Sign:
        if self.feature not in BY_NAME:
            raise ValueError(f"sign {self.code}: there is no feature {self.feature}")
        if self.reason not in CODES:
            raise ValueError(f"sign {self.code}: there is no reason {self.reason}")
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"sign {self.code}: one of at_least and at_most")
        return self


class _ScorecardFile(_Strict):
    version: str
    flag_at: Annotated[int, Field(gt=0)]
    clear_below: Annotated[int, Field(gt=0)]
    min_families: Annotated[int, Field(ge=1)]
    signs: Annotated[list[_Sign], Field(min_length=1)]

    @model_validator(mode="after")
    def _hysteresis(self) -> _ScorecardFile:
        if self.clear_below > self.flag_at:
            raise ValueError("clear_below must not lie above flag_at")
        return self


class _Sentences(_Strict):
    raises: Annotated[list[str], Field(min_length=1)]
    lowers: Annotated[list[str], Field(min_length=1)]
    missing: Annotated[str, Field(min_length=3)]

    @model_validator(mode="after")
    def _last_needs_nothing(self) -> _Sentences:
        for sentences in (self.raises, self.lowers):
            if placeholders(sentences[-1]):
                raise ValueError(f"the last sentence must need no fact: {sentences[-1]!r}")
        return self


class _ReasonsFile(BaseModel):
    reasons: dict[str, _Sentences]

    @model_validator(mode="after")
    def _complete(self) -> _ReasonsFile:
        missing, unknown = set(CODES) - set(self.reasons), set(self.reasons) - set(CODES)
        if missing or unknown:
            raise ValueError(f"reasons without sentences: {sorted(missing)}; unknown: {sorted(unknown)}")
        return self


def load_policy(config_dir: Path) -> Policy:
    """The shipped (or the operator's own) policy. Raises PolicyError."""
    folder = config_dir / "churn"
    policy = _checked(_PolicyFile, folder / "policy.yaml", _yaml(folder / "policy.yaml"))
    card = _checked(_ScorecardFile, folder / "scorecard.yaml", _yaml(folder / "scorecard.yaml"))
    texts = _checked(_ReasonsFile, folder / "reasons.yaml", {"reasons": _yaml(folder / "reasons.yaml")})
    values = policy.model_dump(exclude={"overrides", "cool_down", "capacity"})
    return Policy(
        scorecard=Scorecard(
            version=card.version,
            signs=tuple(Sign(**sign.model_dump()) for sign in card.signs),
            flag_at=card.flag_at,
            clear_below=card.clear_below,
            min_families=card.min_families,
        ),
        sentences={code: Sentences(tuple(s.raises), tuple(s.lowers), s.missing) for code, s in texts.reasons.items()},
        overrides=OverrideRules(**policy.overrides.model_dump()),
        cool_down=CoolDown(**policy.cool_down.model_dump()),
        capacity=policy.capacity.rules(),
        **values,
    )


def _yaml(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise PolicyError(f"{file.name}: {error}") from error


def _checked(model: type[M], file: Path, value: Any) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise PolicyError(f"{file.name}: {found}") from error
