"""Business time of a local stack: `DIR/clock.json`, which nobody but loopctl writes.

It may run faster than the wall clock to catch up from a point in the past, never ahead of it; once there it is wall
time. While a lagging stack is down it stands still.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from common.clock import Course, SystemClock

from loopctl.errors import Problem, WrongUsage
from loopctl.files import write_text
from loopctl.stack import Stack

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
SLOWEST, FASTEST = 1.0, 1e6
ARRIVED = timedelta(milliseconds=50)
"""So little behind wall time is there: readings of the two clocks are taken one after the other."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What `--clock SCALE[@START]` asks for."""

    scale: float
    start: datetime | None


def parse_wish(text: str, wall: datetime) -> Wish:
    """`3600@2026-05-01`, `600@-30d`, `1`. Raises WrongUsage."""
    scale_text, _, start_text = text.partition("@")
    try:
        scale = float(scale_text)
    except ValueError as error:
        raise WrongUsage(f"--clock {text}: SCALE is a number, e.g. 600 or 600@-30d") from error
    if not SLOWEST <= scale <= FASTEST:
        raise WrongUsage(f"--clock {text}: business time runs at least as fast as wall time (1 <= SCALE <= 1e6)")
    start = parse_moment(start_text, wall) if start_text else None
    if start is not None and start > wall:
        raise WrongUsage(f"--clock {text}: business time is never ahead of wall time")
    return Wish(scale, start)


def parse_moment(text: str, wall: datetime) -> datetime:
    """An ISO 8601 time (UTC where it names no zone), or so long ago: `-30d`, `30d`. Raises WrongUsage."""
    try:
        return wall - parse_duration(text.removeprefix("-"))
    except WrongUsage:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise WrongUsage(f"{text!r} is neither a time (2026-05-01T08:00Z) nor an age (90m, 12h, 30d)") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def parse_duration(text: str) -> timedelta:
    """`90s`, `15m`, `4h`, `2d`, `1w`, and sums like `1d12h`. Raises WrongUsage."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhdw])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise WrongUsage(f"{text!r} is no duration: say e.g. 90s, 15m, 4h, 2d or 1d12h")
    return sum((timedelta(**{UNITS[unit]: float(number)}) for number, unit in parts), timedelta())


def read(stack: Stack) -> Course | None:
    """The course in force; None: wall time."""
    try:
        return Course.from_json(stack.clock_file.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Problem(f"{stack.clock_file} is not readable", remedy="remove it: wall time is used then") from error


def now(stack: Stack) -> datetime:
    """Business time at this moment."""
    wall = _wall()
    course = read(stack)
    return course.at(wall) if course else wall


def lag(stack: Stack) -> timedelta:
    """How far business time is behind wall time."""
    wall = _wall()
    course = read(stack)
    behind = wall - course.at(wall) if course else timedelta()
    return behind if behind > ARRIVED else timedelta()


def set_course(stack: Stack, scale: float, start: datetime | None = None, *, until: datetime | None = None) -> Course:
    """Let business time run at `scale` from `start` (default: from where it is), no further than `until`."""
    _need_not_production(stack)
    wall = _wall()
    course = Course(wall=wall, business=min(start or now(stack), wall), scale=scale, until=until)
    if until is None and wall - course.business <= ARRIVED:
        stack.clock_file.unlink(missing_ok=True)
    else:
        write_text(stack.clock_file, course.to_json())
    return course


def advance(stack: Stack, by: timedelta) -> datetime:
    """Move business time on, at most up to now. Raises Problem when it is there already."""
    _need_not_production(stack)
    course = read(stack)
    wall = _wall()
    if course is None or not lag(stack):
        raise Problem(
            "Business time is wall time and is never ahead of it",
            remedy="start a stack in the past to move it: `loop up --data DIR --clock 1@-30d`",
        )
    moved = set_course(stack, course.scale, min(course.at(wall) + by, wall))
    return moved.business


def freeze(stack: Stack) -> None:
    """Before the stack stops: a course that lags stands still; one that has arrived is done with."""
    course = read(stack)
    if course is None:
        return
    wall = _wall()
    if not lag(stack):
        stack.clock_file.unlink(missing_ok=True)
    elif course.scale > 0:
        stack.update(resume_scale=course.scale)
        write_text(stack.clock_file, Course(wall, course.at(wall), scale=0.0, until=course.until).to_json())


def resume(stack: Stack) -> None:
    """When the stack starts: a frozen course goes on from where it stood; one with an end waits for its driver."""
    course = read(stack)
    if course is not None and course.scale == 0 and course.until is None:
        set_course(stack, float(stack.known().get("resume_scale", SLOWEST)), course.business)


def _need_not_production(stack: Stack) -> None:
    if stack.production:
        raise Problem("Production runs on wall time", remedy="move business time on a local stack only")


def _wall() -> datetime:
    return SystemClock().wall()
