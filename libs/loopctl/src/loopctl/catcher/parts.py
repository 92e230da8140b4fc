"""The catcher's parts as its routes get them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from loopctl.catcher.faults import Faults
from loopctl.catcher.press import Presser
from loopctl.catcher.store import Store


@dataclass(frozen=True)
class Parts:
    """What one catcher is made of."""

    store: Store
    faults: Faults
    presser: Presser


def parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


Own = Annotated[Parts, Depends(parts_of)]
"""Parameter of a route."""
