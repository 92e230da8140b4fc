"""Reading bytes that strangers send: nothing here raises anything but Unreadable."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from ingest.domain.statement import Unreadable

_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_DIGITS = bytes(48 if 48 <= byte < 58 else byte for byte in range(256))
"""Every digit as 0: translated by it, text can be looked through for the shapes of numbers at the speed of memchr."""
_LONG_INTEGER = b"0" * 19
_WRITTEN_OTHERWISE = (b"0e", b"0" * 16 + b".")
_SMALL = b"0.0000"
"""Floats that the standard library writes in another way than orjson."""
DEEPEST = 254
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"


class TooLarge(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """The body, unpacked, passes the source's limit."""


def unpack(raw: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding; never more than `limit` bytes are unpacked.

    Raises TooLarge, and Unreadable for an encoding we do not know or bytes that do not hold to it.
    """
    if encoding in {"", "identity"}:
        return raw
    try:
        if encoding == "gzip":
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
                body = packed.read(limit + 1)
        elif encoding == "deflate":
            body = zlib.decompressobj().decompress(raw, limit + 1)
        else:
            raise Unreadable(f"content encoding {encoding[:40]!r} is not supported")
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"not {encoding}: {error}") from error
    if len(body) > limit:
        raise TooLarge
    return body


def parse(raw: bytes) -> Any:
    """JSON as Postgres and Kafka can hold it, nested at most `DEEPEST` deep: whoever keeps it walks through it later.

    Integers of any size stay exact (vendors' ids pass 2^64): what may hold one, and what orjson refuses, the standard
    library parses. Numbers that no float holds (1e400, NaN) become null; NUL and lone surrogates become U+FFFD; of
    doubled keys the last counts.
    """
    value = _read(raw)
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and _too_deep(value):
        raise Unreadable("JSON is nested too deep")
    return value


def _read(raw: bytes) -> Any:
    if b"\\u" not in raw and _LONG_INTEGER not in raw.translate(_DIGITS):
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            return _patiently(raw)
    return _patiently(raw)


def _too_deep(value: Any) -> bool:
    try:
        orjson.dumps(value)  # refuses 255 levels: what it takes need not be walked
    except TypeError:  # too deep, or an integer past 64 bits
        level = [value]
        for _ in range(DEEPEST + 1):
            level = [part for one in level for part in _parts(one)]
        return bool(level)
    return False


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _patiently(raw: bytes) -> Any:
    try:
        value = json.loads(raw.decode("utf-8-sig"), parse_float=_finite, parse_constant=_no_number)
        return _clean(value) if _SUSPECT.search(raw) else value
    except RecursionError as error:
        raise Unreadable("JSON is nested too deep") from error
    except ValueError as error:
        raise Unreadable(f"not JSON: {str(error)[:200]}") from error


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _no_number(_text: str) -> None:
    return None


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub(REPLACEMENT, value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def canonical(value: Any) -> bytes:
    """The same for the same content, however its keys were ordered and spaced; ids of old imports rest on it."""
    try:
        quick = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer past 64 bits
        quick = None
    if quick is not None and quick.isascii() and b"\x7f" not in quick and _SMALL not in quick:
        shapes = quick.translate(_DIGITS)
        if not any(shape in shapes for shape in _WRITTEN_OTHERWISE):
            return quick
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one: vendors leave parts out or send null."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of an array; none where it is not there, or is something else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """A non-empty string; numbers are written out (ids come as either), all else is None."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return number_text(value)
    return None


def number_text(value: int) -> str | None:
    """An integer id as a string; None for one of absurd length."""
    return str(value) if abs(value) < 10**40 else None


def identifier(value: Any) -> str | None:
    """An id as contracts hold it: a short string; 0 and empty stand for none."""
    found = text(value)
    return found if found and found != "0" and len(found) <= 300 else None


def integer(value: Any) -> int | None:
    """A whole number, also one written as text or as 3.0."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else None
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value, re.ASCII):
        return int(value)
    return None


def person_id(email: str) -> str:
    """The contact id of somebody known by an address alone: the same at every source, and no address itself."""
    return "mail-" + digest(email.strip().lower().encode())[:32]
