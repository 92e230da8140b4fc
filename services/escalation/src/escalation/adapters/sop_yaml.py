"""Procedures as operators write them (YAML), checked by pydantic and turned into the domain's `Sop`."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
import yaml
from common.contracts.churn import Rule
from common.contracts.client import Tier
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from escalation.domain.hours import Elapsed, Hours, Working
from escalation.domain.sop import Proof, Sop, StepRule

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_HOURS = 24 * 365
ANY_MONDAY = datetime(2026, 1, 5, tzinfo=UTC)

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OpensFor(_Part):
    """Which flags open a case by this procedure."""

    rules: list[Rule] = Field(min_length=1)
    tiers: list[Tier] = []


class WorkingHours(_Part):
    """Hours that count; all others do not."""

    timezone: str = Field(examples=["Europe/Berlin"])
    opens: time
    closes: time
    weekdays: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(
        default=["mon", "tue", "wed", "thu", "fri"], min_length=1
    )
    holidays: list[date] = []

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no such time zone: {value}") from error
        return value

    @model_validator(mode="after")
    def _open_at_all(self) -> Self:
        if self.opens.tzinfo or self.closes.tzinfo:
            raise ValueError("opens and closes are times of the wall clock, without offset")
        if self.opens >= self.closes:
            raise ValueError("opens must be before closes")
        return self


class StepSpec(_Part):
    """One step."""

    step: Name
    title: str = Field(min_length=1, max_length=200)
    due_hours: float = Field(gt=0, le=MAX_HOURS)
    due_soon_hours: float = Field(default=0, ge=0)
    evidence: Proof

    @model_validator(mode="after")
    def _reminded_in_time(self) -> Self:
        if self.due_soon_hours >= self.due_hours:
            raise ValueError("due_soon_hours must be less than due_hours: nobody can be reminded before the flag")
        return self


class SopSpec(_Part):
    """One procedure."""

    sop: Name
    title: str = Field(min_length=1, max_length=200)
    opens_for: OpensFor
    hours: Literal["elapsed"] | WorkingHours = "elapsed"
    steps: list[StepSpec] = Field(min_length=1, max_length=20)

    @model_validator(mode="after")
    def _distinct_steps(self) -> Self:
        names = [step.step for step in self.steps]
        if len(set(names)) < len(names):
            raise ValueError("two steps have the same name")
        return self

    @model_validator(mode="after")
    def _deadlines_within_reach(self) -> Self:
        """A calendar with hardly an hour in it is found here, and not when a client is about to leave."""
        longest = max(step.due_hours for step in self.steps)
        _hours(self.hours).after(ANY_MONDAY, timedelta(hours=longest))
        return self

    def body(self) -> dict[str, Any]:
        """JSON-ready, as it is stored."""
        return self.model_dump(mode="json")

    def sha256(self) -> str:
        """Of the content; spelling and comments do not count."""
        return hashlib.sha256(orjson.dumps(self.body(), option=orjson.OPT_SORT_KEYS)).hexdigest()

    def to_domain(self, version: int) -> Sop:
        return Sop(
            sop=self.sop,
            version=version,
            title=self.title,
            rules=frozenset(rule.value for rule in self.opens_for.rules),
            tiers=frozenset(tier.value for tier in self.opens_for.tiers),
            hours=_hours(self.hours),
            steps=tuple(
                StepRule(
                    step=step.step,
                    title=step.title,
                    due=timedelta(hours=step.due_hours),
                    due_soon=timedelta(hours=step.due_soon_hours),
                    proof=step.evidence,
                )
                for step in self.steps
            ),
        )


def read_folder(folder: Path) -> list[SopSpec]:
    """Every procedure of a folder, by file name. Raises ValueError that names file and place."""
    specs = [read_file(file) for file in sorted(folder.glob("*.yaml"))]
    names = [spec.sop for spec in specs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{folder}: two files describe the procedure {twice[0]!r}")
    return specs


def read_file(file: Path) -> SopSpec:
    """Raises ValueError: what is wrong, and where."""
    try:
        return SopSpec.model_validate(yaml.safe_load(file.read_text()))
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: not YAML: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors())
        raise ValueError(f"{file}: {wrong}") from error


def _hours(given: Literal["elapsed"] | WorkingHours) -> Hours:
    if not isinstance(given, WorkingHours):
        return Elapsed()
    return Working(
        timezone=given.timezone,
        opens=given.opens,
        closes=given.closes,
        weekdays=frozenset(WEEKDAYS.index(day) for day in given.weekdays),
        holidays=frozenset(given.holidays),
    )
