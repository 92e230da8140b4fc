"""The HTTP edge that every service shares."""

from __future__ import annotations

from common.http.app import create_app
from common.http.etag import check_if_match, etag_of
from common.http.idempotency import Once
from common.http.pages import Page, decode_cursor, encode_cursor
from common.http.problems import PROBLEMS, Problem

__all__ = [
    "PROBLEMS",
    "Once",
    "Page",
    "Problem",
    "check_if_match",
    "create_app",
    "decode_cursor",
    "encode_cursor",
    "etag_of",
]
