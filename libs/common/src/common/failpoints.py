"""Named points at which a crash test kills the process; without a setting they cost one comparison."""

from __future__ import annotations

import os
import signal

_point = ""
_left = 0


def arm(kill_at: str) -> None:
    """`after_commit:3` kills at the third passing of `after_commit`; an empty text disarms."""
    global _point, _left
    _point, _, nth = kill_at.partition(":")
    _left = int(nth or 1)


def reach(point: str) -> None:
    """Die here, as by kill −9, if the crash test asked for it."""
    global _left
    if point != _point:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
