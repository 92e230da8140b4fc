"""What today's mapping makes of a source event beside what was said of it: what differs is to be published. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from common.contracts.base import Data, Event
from common.contracts.ids import derived_id

from ingest.domain.moving import Line
from ingest.domain.plan import Said

TEXT_REF, READING, INFERRED = "text_ref", "reading", "inferred"


@dataclass(frozen=True, slots=True)
class Correction:
    """A line and what is said instead of it."""

    line: Line
    said: Said

    @property
    def moves(self) -> bool:
        """Whether it turned out to be another client's."""
        return self.line.client_id != self.said.event.client_id


@dataclass(slots=True)
class Difference:
    """Nothing in `new`, `corrected` and `withdrawn`: today's mapping says what was said."""

    unchanged: int = 0
    new: list[Said] = field(default_factory=list)
    corrected: list[Correction] = field(default_factory=list)
    withdrawn: list[Line] = field(default_factory=list)


def difference(
    before: Sequence[Line],
    today: Sequence[Said],
    spent: Mapping[UUID, UUID],
    spare: Iterable[UUID],
    *,
    taken: Collection[UUID] = (),
    readings: bool = True,
) -> Difference:
    """What one source event said beside what it would say now.

    Matched are first equal contents, then the same types in order, then what is left in order. `spent`: roots whose
    event was withdrawn before → the id of that event, which nobody takes again. `spare`: further ids for what is new;
    `taken`: those of them under which something else is said.
    Without `readings`, what was read from words stays as it was read.
    """
    used = {*taken, *(line.root for line in before)}
    if not readings and before:
        before = _without_inferred(before)
        today = [said for said in today if not getattr(said.event.data, INFERRED, None)]
    old, new = list(before), [_at_home(said, before) for said in today]
    found = Difference()
    for line, said in _matched(old, new, lambda one, other: _content(one, readings) == _told(other, readings)):
        if line.client_id == said.event.client_id:
            found.unchanged += 1
        else:
            found.corrected.append(_corrected(line, said, readings))
    for same in (lambda one, other: one.type == other.event.type, lambda _one, _other: True):
        found.corrected += [_corrected(line, said, readings) for line, said in _matched(old, new, same)]
    found.withdrawn = old
    found.new = list(_new(new, used, [s.root for s in today], spent, spare))
    return found


def _matched(old: list[Line], new: list[Said], alike: Any) -> Iterator[tuple[Line, Said]]:
    """Takes pairs out of both lists, each line with the first that is like it."""
    for line in list(old):
        said = next((one for one in new if alike(line, one)), None)
        if said is not None:
            old.remove(line)
            new.remove(said)
            yield line, said


def _without_inferred(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if not line.data.get(INFERRED)]


def _at_home(said: Said, before: Sequence[Line]) -> Said:
    """What the same ref decides is the client's of whom it was said then: that the ref moved on since is no mapping."""
    via = str(said.via) if said.via else None
    home = next((line.client_id for line in before if line.via == via), said.event.client_id)
    return said if home == said.event.client_id else _again(said, said.root, said.event.id, client_id=home)


def _content(line: Line, readings: bool) -> Any:
    return line.type, line.time, _bare(line.data, readings)


def _told(said: Said, readings: bool) -> Any:
    return said.event.type, said.event.time, _bare(said.event.data.fact(), readings)


def _bare(data: Mapping[str, Any], readings: bool) -> dict[str, Any]:
    """Without where its words are kept, which says nothing of what they say."""
    left_out = {TEXT_REF} if readings else {TEXT_REF, READING}
    return {name: value for name, value in data.items() if name not in left_out}


def _corrected(line: Line, said: Said, readings: bool) -> Correction:
    if not readings and line.data.get(READING) and READING in type(said.event.data).model_fields:
        kept = type(said.event.data).model_validate({**_whole(said), READING: line.data[READING]})
        said = _again(said, said.root, said.event.id, data=kept)
    event = said.event
    content = json.dumps(event.data.fact(), sort_keys=True)
    id_ = derived_id("replayed", line.event_id, event.client_id, event.type, event.time.isoformat(), content)
    return Correction(line, _again(said, line.root, id_, replaces=line.event_id))


def _whole(said: Said) -> dict[str, Any]:
    found: dict[str, Any] = said.event.data.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def _new(
    left: Sequence[Said], taken: set[UUID], roots: Sequence[UUID], spent: Mapping[UUID, UUID], spare: Iterable[UUID]
) -> Iterator[Said]:
    """Each under its own root, or, where something else is said under that, another of the source event."""
    more = iter([*roots, *spare])
    for said in left:
        root = said.root if said.root not in taken else next((r for r in more if r not in taken), None)
        if root is None:
            raise ValueError("more events than ids of a source event")
        taken.add(root)
        yield _again(said, root, derived_id("again", spent[root]) if root in spent else root)


def _again(
    said: Said,
    root: UUID,
    id_: UUID,
    *,
    client_id: UUID | None = None,
    data: Data | None = None,
    replaces: UUID | None = None,
) -> Said:
    event = said.event
    made: Event[Any] = Event.of(
        data or event.data,
        id=id_,
        source=event.source,
        subject=client_id or event.client_id,
        time=event.time,
        knowntime=event.knowntime,
        origin=event.origin,
        sequence=event.sequence,
        replaces=replaces,
    )
    return Said(made, root, said.via, said.raw)
