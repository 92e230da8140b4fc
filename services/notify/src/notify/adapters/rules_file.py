"""Rules as people write them: YAML, checked on load, with errors that name the file and the place in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from notify.domain.occasion import KINDS
from notify.domain.rules import Channel, Condition, Limit, Policy, Rule, Throttle, To, Tone

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class BadRules(Exception):  # noqa: N818  (what is wrong with the file, not with the program)
    """The file cannot be used; the text says where and why."""


def duration(value: object) -> object:
    """`15m`, `24h`, `3d`, `90s`."""
    if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
        return timedelta(**{_UNITS[found[2]]: float(found[1])})
    raise ValueError(f"a duration is a number and s, m, h or d, as in 24h; not {value!r}")


Duration = Annotated[timedelta, BeforeValidator(duration)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ThrottleForm(_Strict):
    window: Duration
    per: tuple[str, ...] = ()
    group: str = ""


class ConditionForm(_Strict):
    not_: tuple[Any, ...] | None = Field(default=None, alias="not")
    at_least: float | None = None
    below: float | None = None

    def condition(self) -> Condition:
        return Condition(not_in=self.not_, at_least=self.at_least, below=self.below)


class LimitForm(_Strict):
    most: int = Field(ge=1)
    within: Duration


class DefaultsForm(_Strict):
    channels: tuple[Channel, ...] = (Channel.SLACK, Channel.EMAIL)
    stale_after: Duration = timedelta(hours=72)
    tone: Tone = Tone.WARNING


class RuleForm(_Strict):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)
    on: str
    when: Mapping[str, Any] = Field(default_factory=dict)
    to: tuple[To, ...] = Field(min_length=1)
    channels: tuple[Channel, ...] | None = Field(default=None, min_length=1)
    tone: Tone | None = None
    throttle: ThrottleForm | None = None
    stale_after: Duration | None = None
    bounded: bool = True
    next: tuple[Annotated[str, Field(max_length=300)], ...] = Field(default=(), max_length=6)

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, value: Any) -> Any:
        # YAML 1.1 reads a bare `on` as true.
        return (
            {("on" if key is True else key): item for key, item in value.items()} if isinstance(value, dict) else value
        )

    @model_validator(mode="after")
    def _known_kind(self) -> RuleForm:
        if self.on not in KINDS:
            raise ValueError(f"no such kind of event: {self.on}; known: {', '.join(sorted(KINDS))}")
        for name, wanted in self.when.items():
            condition_of(name, wanted)
        return self

    def rule(self, defaults: DefaultsForm) -> Rule:
        throttle = self.throttle
        return Rule(
            name=self.name,
            on=self.on,
            when={name: condition_of(name, wanted) for name, wanted in self.when.items()},
            to=self.to,
            tone=self.tone or defaults.tone,
            channels=self.channels or defaults.channels,
            throttle=Throttle(throttle.window, throttle.per, throttle.group) if throttle else None,
            stale_after=self.stale_after or defaults.stale_after,
            bounded=self.bounded,
            next=self.next,
        )


class RulesForm(_Strict):
    """The whole file."""

    limit: LimitForm
    defaults: DefaultsForm = DefaultsForm()
    rules: tuple[RuleForm, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_unique(self) -> RulesForm:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules of one name: {', '.join(twice)}")
        return self


def condition_of(name: str, wanted: Any) -> Condition:
    """A value, a list of values, or one of {not: [..]}, {at_least: n}, {below: n}."""
    if isinstance(wanted, Mapping):
        try:
            return ConditionForm.model_validate(wanted).condition()
        except ValidationError as error:
            raise ValueError(f"condition on {name}: {error.errors()[0]['msg']}") from error
    return Condition(one_of=tuple(wanted) if isinstance(wanted, list | tuple) else (wanted,))


def load(file: Path) -> tuple[Policy, dict[str, Any]]:
    """The policy in a file, and the file as data (for the database). Raises BadRules."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise BadRules(f"{file}: {error.strerror}") from error
    return parse(raw, name=str(file))


def parse(raw: bytes, *, name: str) -> tuple[Policy, dict[str, Any]]:
    try:
        form = RulesForm.model_validate(yaml.safe_load(raw))
    except yaml.YAMLError as error:
        raise BadRules(f"{name}: {error}") from error
    except ValidationError as error:
        lines = [f"{name}: {_place(e['loc'])}: {e['msg']}" for e in error.errors()]
        raise BadRules("\n".join(lines)) from error
    policy = Policy(
        rules=tuple(rule.rule(form.defaults) for rule in form.rules),
        limit=Limit(form.limit.most, form.limit.within),
        sha256=hashlib.sha256(raw).hexdigest(),
    )
    return policy, form.model_dump(mode="json", by_alias=True)


def _place(loc: tuple[int | str, ...]) -> str:
    """`rules[3].throttle.window`"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".") or "the file"
