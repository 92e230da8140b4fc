"""Processes that outlive the command which started them, found again by pid *and* start time.

A pid alone proves nothing: after a reboot or a long night it may belong to somebody else. So each pid file keeps
the start time of its process too, and nothing is ever signalled whose start time differs.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from loopctl.errors import Problem

START_TIME_TOLERANCE = 1.5
"""Seconds by which two readings of one process's start time may differ (they are derived from boot time)."""
POLL = 0.05
LOG_LIMIT = 20 << 20
"""Bytes at which a log is set aside when its program starts."""
TAIL_LINES = 12


@dataclass(frozen=True, slots=True)
class PidFile:
    """`{"pid": …, "started": …}` of one process, written atomically."""

    path: Path

    def write(self, pid: int) -> None:
        """Record a process that runs now; one that is already gone leaves no file."""
        try:
            started = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps({"pid": pid, "started": started}))
        temporary.replace(self.path)

    def process(self) -> psutil.Process | None:
        """The recorded process, if it still runs and is the same one."""
        try:
            recorded = json.loads(self.path.read_text())
            process = psutil.Process(int(recorded["pid"]))
            same = abs(process.create_time() - float(recorded["started"])) < START_TIME_TOLERANCE
            return process if same and not _dead(process) else None
        except (FileNotFoundError, ValueError, KeyError, TypeError, psutil.NoSuchProcess):
            return None

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def _dead(process: psutil.Process) -> bool:
    """True for a zombie too; one of our own children is reaped on the way."""
    if process.status() != psutil.STATUS_ZOMBIE:
        return False
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    return True


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: pwd.struct_passwd | None = None,
) -> int:
    """Start a program in a session of its own, so that it survives the shell; `log` gets its output."""
    set_aside(log)
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            start_new_session=True,
            **as_user(user),
        )
    pid: int = process.pid
    process.returncode = 0  # it is meant to outlive us: no ResourceWarning when the handle is collected
    return pid


def set_aside(log: Path) -> None:
    """Make room for a log: its folder, and a new file where the old one has grown large."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))


def as_user(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """Popen arguments that run a program as another user."""
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def wait_until(ready: Callable[[], bool], *, seconds: float, poll: float = POLL) -> bool:
    """Ask `ready` until it says yes; False when `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() >= deadline:
            return False
        time.sleep(poll)
    return True


def stop(process: psutil.Process, *, seconds: float, by: signal.Signals = signal.SIGTERM) -> bool:
    """Ask one process to end, then make it; True if it ended when asked."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.resume()  # a stopped process would not see the signal
        process.send_signal(by)
    if gone(process, seconds=seconds):
        return True
    kill(process)
    return False


def kill(process: psutil.Process) -> None:
    """Kill −9, and wait until it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    gone(process, seconds=10)


def gone(process: psutil.Process, *, seconds: float) -> bool:
    """Wait for the end of a process, a child of ours or not."""

    def ended() -> bool:
        try:
            return not process.is_running() or _dead(process)
        except psutil.NoSuchProcess:
            return True

    return wait_until(ended, seconds=seconds)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, for messages."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"


def need_free_space(directory: Path, *, megabytes: int) -> None:
    """Raises Problem when the disk under `directory` is nearly full."""
    stat = os.statvfs(directory)
    free = stat.f_bavail * stat.f_frsize >> 20
    if free < megabytes:
        raise Problem(
            f"The disk under {directory} has {free} MB left and the stack needs {megabytes} MB",
            remedy="free some space, or choose another place with --data DIR",
        )
