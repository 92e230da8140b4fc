"""How far the play is, in `DIR/demo.json`: whoever starts it again goes on from there."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from common.clock import SystemClock

from loopctl import business_time, playing
from loopctl.console import say
from loopctl.demo.portfolio import SEED, world_name
from loopctl.stack import Stack

CLIENTS = 40


@dataclass(slots=True)
class Progress:
    """Everything that has to outlive the process; times are ISO 8601, so that the file is plain JSON."""

    generation: int = 1
    clients: int = CLIENTS
    began: str = ""
    """Business time at which the play began."""
    wall_began: str = ""
    offsets: dict[str, dict[str, int]] = field(default_factory=dict)
    """Topic → partition → offset at which the play began: what the loop said since is heard again after a restart."""
    imported: bool = False
    trained: bool = False
    sent: int = 0
    """How many happenings of the schedule are sent, in its order."""
    done: list[str] = field(default_factory=list)
    """Names of scripted beats and acts that are over."""
    flagged: str = ""
    """Business time of the hero's flag, from which the case and the rescue are laid out."""
    told: list[str] = field(default_factory=list)
    """Ids of events that the story has told."""

    @property
    def world(self) -> str:
        return world_name(SEED, self.generation)

    @property
    def began_at(self) -> datetime:
        return datetime.fromisoformat(self.began)

    @property
    def flagged_at(self) -> datetime | None:
        return datetime.fromisoformat(self.flagged) if self.flagged else None

    def is_done(self, name: str) -> bool:
        return name in self.done

    def seconds_played(self) -> float:
        """Wall seconds since the play began."""
        return (SystemClock().wall() - datetime.fromisoformat(self.wall_began)).total_seconds()


def tell(stack: Stack, progress: Progress, line: str) -> None:
    """One line of the story: business time, wall time since the play began, what happened."""
    wall = int(progress.seconds_played())
    say(f"{business_time.now(stack):%d %b %H:%M}  {wall // 60}:{wall % 60:02d}  {line}")


def load(stack: Stack) -> Progress:
    """What is known of the play; a fresh one where there is none."""
    return from_plain(playing.state(stack))


def from_plain(content: dict[str, Any]) -> Progress:
    known = {f.name for f in fields(Progress)}
    return Progress(**{name: value for name, value in content.items() if name in known})


def save(stack: Stack, progress: Progress) -> None:
    playing.record(stack, **asdict(progress))
