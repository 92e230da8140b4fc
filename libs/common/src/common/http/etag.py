"""ETag and If-Match where people edit: nobody overwrites what they have not seen."""

from __future__ import annotations

import hashlib

from fastapi import Request

from common.errors import PreconditionFailed


def etag_of(*parts: object) -> str:
    """A strong ETag of what identifies a version (id, version number …)."""
    return '"' + hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:24] + '"'


def check_if_match(request: Request, current: str) -> None:
    """Raise PreconditionFailed when the request names another version; without If-Match anything goes."""
    wanted = request.headers.get("if-match")
    if wanted is None or wanted.strip() == "*":
        return
    if current not in [tag.strip() for tag in wanted.split(",")]:
        raise PreconditionFailed("it was changed meanwhile: read it again, then decide again")
