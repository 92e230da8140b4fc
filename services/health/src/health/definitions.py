"""Models and journey maps as people write them (YAML), checked, and turned into the domain's objects.

An error names the file, the line and the rule that is broken.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar

from common.errors import Refused
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from health import written
from health.domain import hits, journey, variants
from health.domain import model as models
from health.domain.journey import Template
from health.domain.model import POINT, Model
from health.domain.onboardings import METRICS

Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
Segment = Annotated[str, Field(min_length=1, max_length=100)]
Tier = Literal["strategic", "core", "standard"]
Share = Annotated[int, Field(gt=0, le=100)]
Figure = Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000)]
Point = tuple[Figure, float]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SignalSpec(_Spec):
    """A signal; its fact has the same name unless said otherwise."""

    weight: Annotated[int, Field(gt=0, le=1000)]
    curve: Annotated[list[Point], Field(min_length=2, max_length=20)]
    fact: Word | None = None
    params: dict[Word, Figure] = {}
    fresh_within_days: Annotated[int, Field(gt=0, le=36_600)] | None = None
    optional: bool = False
    prior: Figure | None = None
    priors: dict[Segment, Figure] = {}


class ComponentSpec(_Spec):
    """A component with its signals by name."""

    weight: Annotated[int, Field(gt=0, le=100)]
    essential: bool = False
    signals: Annotated[dict[Word, SignalSpec], Field(min_length=1)]


class ServesSpec(_Spec):
    """Which clients a model is for."""

    engagement: list[Literal["product", "project"]] = []
    onboarding: bool | None = None


class WhomSpec(_Spec):
    """A segment, a tier, or the clients that have both."""

    segment: Segment | None = None
    tier: Tier | None = None


class WeightsSpec(_Spec):
    """Other weights for some clients; what is not named keeps its weight, and all sum to 100 again."""

    for_: WhomSpec = Field(alias="for")
    components: dict[Word, Share] = {}
    signals: dict[Word, dict[Word, Share]] = {}


class ModelSpec(_Spec):
    """A health model as YAML or JSON says it."""

    model: Word
    title: str = ""
    serves: ServesSpec = ServesSpec()
    bands: Annotated[dict[Literal["green", "amber", "red", "healthy", "stable", "at_risk", "critical"],
                          Annotated[float, Field(ge=0, lt=100)]], Field(min_length=2)]  # fmt: skip
    green_needs_confidence: Annotated[float, Field(ge=0, le=1)] = 0.6
    components: Annotated[dict[Word, ComponentSpec], Field(min_length=1)]
    weights: list[WeightsSpec] = []

    def compiled(self, version: int) -> Model:
        """The domain's model; raises Refused with the rule that is broken."""
        model = Model(
            name=self.model,
            version=version,
            components=tuple(_component(name, spec) for name, spec in self.components.items()),
            bands=tuple((band, round(lowest * POINT)) for band, lowest in self.bands.items()),
            least_confidence=round(self.green_needs_confidence * 1000),
            serves=models.Serves(frozenset(self.serves.engagement), self.serves.onboarding),
            weights=tuple(
                models.Weights(given.for_.segment, given.for_.tier, given.components, given.signals)
                for given in self.weights
            ),
        )
        variants.check(model)
        return model


def _component(name: str, spec: ComponentSpec) -> models.Component:
    return models.Component(
        name, spec.weight, tuple(_signal(name, key, value) for key, value in spec.signals.items()), spec.essential
    )


def _signal(component: str, name: str, spec: SignalSpec) -> models.Signal:
    try:
        return models.signal(
            name, spec.fact or name, spec.weight, spec.curve, spec.params, spec.fresh_within_days, spec.optional,
            spec.prior, spec.priors,
        )  # fmt: skip
    except Refused as error:
        raise Refused(error.detail, field=f"components.{component}.signals.{name}.{error.field}") from error


class DueSpec(_Spec):
    """When a milestone is due: one of the two."""

    days_after_start: Annotated[int, Field(ge=0, le=3660)] | None = None
    days_before_renewal: Annotated[int, Field(ge=0, le=3660)] | None = None

    @model_validator(mode="after")
    def _one(self) -> DueSpec:
        if (self.days_after_start is None) == (self.days_before_renewal is None):
            raise ValueError("a milestone is due days_after_start or days_before_renewal: say one of them")
        return self


class MilestoneSpec(_Spec):
    """A milestone: owner, KPI and due time are all needed."""

    phase: Literal["kickoff", "first_value", "adoption", "value_validation", "expansion"]
    title: str
    owner: Annotated[str, Field(pattern=r"^(csm|[^@\s]+@[^@\s]+)$")]
    kpi: Annotated[str, Field(min_length=1)]
    due: DueSpec
    onboarding: bool = False
    hit_by: Annotated[dict[str, Any], Field(min_length=1, max_length=1)]


class PhaseSpec(_Spec):
    """A phase and what ends it."""

    title: str
    ends_with: Word | None = None
    ends_when: Annotated[dict[str, Any], Field(min_length=1, max_length=1)] | None = None
    returns_before_renewal: Annotated[int, Field(gt=0, lt=366)] | None = None

    @model_validator(mode="after")
    def _one_end(self) -> PhaseSpec:
        if self.ends_with is not None and self.ends_when is not None:
            raise ValueError("a phase ends_with a milestone or ends_when a rule is met: say one of them")
        return self


class TargetSpec(_Spec):
    """Where an onboarding metric should be, and from where on it is a red flag."""

    target: Annotated[float, Field(ge=-100, le=10_000)]
    red: Annotated[float, Field(ge=-100, le=10_000)]


class JourneySpec(_Spec):
    """A journey map."""

    journey: Word
    segments: list[Annotated[str, Field(min_length=1, max_length=300)]] = []
    default_owner: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
    remind_before_days: list[Annotated[int, Field(gt=0, le=90)]] = [1]
    late_after_days: Annotated[list[Annotated[int, Field(ge=0, le=365)]], Field(min_length=1)] = [0, 3, 7]
    stuck_after_days: Annotated[int, Field(gt=0, le=365)] = 14
    phases: Annotated[dict[Literal["kickoff", "first_value", "adoption", "value_validation", "expansion"], PhaseSpec],
                      Field(min_length=1)]  # fmt: skip
    milestones: dict[Word, MilestoneSpec]
    targets: dict[Word, TargetSpec] = {}

    def compiled(self, version: int) -> Template:
        """The domain's template; raises Refused for a rule that does not exist, and for what cannot be planned."""
        self._check()
        return Template(
            name=self.journey,
            version=version,
            phases=tuple(_phase(name, spec, self.milestones) for name, spec in self.phases.items()),
            milestones=tuple(_milestone(name, spec) for name, spec in self.milestones.items()),
            default_owner=self.default_owner,
            late_after_days=tuple(sorted(set(self.late_after_days))),
            remind_before_days=tuple(sorted(set(self.remind_before_days))),
            segments=tuple(self.segments),
            stuck_after_days=self.stuck_after_days,
            targets=tuple((name, spec.target, spec.red) for name, spec in self.targets.items()),
        )

    def _check(self) -> None:
        names = list(self.phases)
        if names != [name for name in journey.PHASES if name in self.phases]:
            raise Refused(f"phases come in the order {', '.join(journey.PHASES)}", field="phases")
        for name, phase in list(self.phases.items())[:-1]:
            if phase.ends_with is None and phase.ends_when is None:
                raise Refused("only the last phase has no end: say ends_with or ends_when", field=f"phases.{name}")
        for metric in self.targets:
            if metric not in METRICS:
                known = ", ".join(METRICS)
                raise Refused(f"no metric is called {metric!r}; there are {known}", field=f"targets.{metric}")
        for word, milestone in self.milestones.items():
            if milestone.phase not in self.phases:
                raise Refused(f"there is no phase {milestone.phase!r} here", field=f"milestones.{word}.phase")


def _phase(name: str, spec: PhaseSpec, milestones: dict[str, MilestoneSpec]) -> journey.Phase:
    if spec.ends_with is not None and spec.ends_with not in milestones:
        raise Refused(f"there is no milestone {spec.ends_with!r}", field=f"phases.{name}.ends_with")
    rule, says = None, ""
    if spec.ends_when:
        rule = _rule(spec.ends_when, f"phases.{name}.ends_when")
        says = next(hits.words(word, setting) for word, setting in spec.ends_when.items())
    by_use = not hits.BY_USE.isdisjoint(spec.ends_when or ())
    return journey.Phase(name, spec.title, spec.ends_with, rule, says, by_use, spec.returns_before_renewal)


def _milestone(name: str, spec: MilestoneSpec) -> journey.Shipped:
    return journey.Shipped(
        name, spec.phase, spec.title, spec.kpi, spec.owner, spec.onboarding, spec.due.days_after_start,
        spec.due.days_before_renewal, _rule(spec.hit_by, f"milestones.{name}.hit_by"),
        not hits.BY_USE.isdisjoint(spec.hit_by),
    )  # fmt: skip


def _rule(spec: dict[str, Any], field: str) -> hits.Rule:
    (name, setting), *_ = spec.items()
    make = hits.RULES.get(name)
    if make is None:
        raise Refused(f"no rule is called {name!r}; there are {', '.join(sorted(hits.RULES))}", field=field)
    if name in hits.ALONE and setting is not True:
        raise Refused(f"{name} is written `{name}: true`", field=field)
    try:
        return make(**setting) if isinstance(setting, dict) else make(setting)
    except Refused as error:
        raise Refused(error.detail, field=field) from error
    except TypeError as error:
        raise Refused(f"the rule {name} does not take {setting!r}", field=field) from error


class Definition(Protocol):
    """What a whole file becomes."""

    @classmethod
    def model_validate(cls, obj: Any) -> Self: ...
    def compiled(self, version: int) -> Any: ...


S = TypeVar("S", bound=Definition)


def model_from(text: str, *, name: str = "model") -> ModelSpec:
    """Parse a model; raises Refused with file, line and rule."""
    return parse(text, ModelSpec, name)


def journey_from(text: str, *, name: str = "journey") -> JourneySpec:
    """Parse a journey map; raises Refused likewise."""
    return parse(text, JourneySpec, name)


def shipped(folder: Path) -> tuple[list[str], list[str]]:
    """The texts of the models and of the journey maps in a folder, checked, in the order of their file names."""
    models_there, journeys = [], []
    claimed: dict[str, str] = {}
    for file in sorted(folder.glob("*.yaml")):
        text = file.read_text()
        if re.search(r"^journey:", text, re.MULTILINE):
            _claim(claimed, journey_from(text, name=file.name), text, file.name)
            journeys.append(text)
        elif not re.search(r"^signs:", text, re.MULTILINE):  # signs_definition reads those
            model_from(text, name=file.name)
            models_there.append(text)
    if journeys and "" not in claimed:
        raise Refused(f"{folder}: one journey map must be for all other clients: leave out its segments")
    return models_there, journeys


def _claim(claimed: dict[str, str], spec: JourneySpec, text: str, name: str) -> None:
    """A segment belongs to one journey map, and one map is for all segments that none claims."""
    tree, _ = written.read(text, name)
    for nth, segment in enumerate(spec.segments or [""]):
        key = journey.segment_key(segment)
        if key in claimed:
            whose = f"the segment {segment!r}" if key else "all clients without a journey map of their own"
            path: tuple[int | str, ...] = ("segments", nth) if key else ("journey",)
            raise written.refused(name, tree, path, f"{whose} belong to {claimed[key]} already")
        claimed[key] = name


def parse(text: str, spec: type[S], name: str) -> S:
    """Read, check and compile once; raises Refused with file, line and rule."""
    tree, value = written.read(text, name)
    try:
        parsed = spec.model_validate(value)
        parsed.compiled(0)
    except ValidationError as error:
        first = error.errors()[0]
        raise written.refused(name, tree, first["loc"], first["msg"]) from error
    except Refused as error:
        path = tuple(int(part) if part.isdecimal() else part for part in (error.field or "").split("."))
        raise written.refused(name, tree, path, error.detail) from error
    return parsed
