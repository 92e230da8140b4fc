"""AES-256-GCM over `cryptography`: what is stored sealed is opened only with a key of the environment."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
MAX_KEYS = 2
_NONCE_BYTES = 12


class Sealed(Exception):  # noqa: N818  (a finding about a row, not a fault of the program)
    """None of our keys opens this."""

    def __init__(self, what: str = "a stored secret") -> None:
        super().__init__(f"INGEST_SECRETS_KEY does not open {what}: start with the key that sealed it (NEW,OLD)")


@dataclass(frozen=True, slots=True)
class _Key:
    id: str
    cipher: AESGCM


class Sealer:
    """Seals with the first key, opens with any of them: so the key itself is rotated."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = [_Key(hashlib.sha256(b"csl key id" + key).hexdigest()[:16], AESGCM(key)) for key in keys]

    @property
    def key_id(self) -> str:
        """Names the key that seals, and tells nothing of it."""
        return self._keys[0].id

    def seal(self, plain: bytes, bound_to: str) -> bytes:
        """`bound_to` (what the row is about) must be the same again when it is opened: rows cannot be swapped."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._keys[0].cipher.encrypt(nonce, plain, bound_to.encode())

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """Raises Sealed."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for key in self._keys:
            try:
                return key.cipher.decrypt(nonce, rest, bound_to.encode())
            except (InvalidTag, ValueError):
                continue
        raise Sealed


def read_keys(written: str) -> list[bytes]:
    """One or two keys, each the base64 of 32 bytes (`openssl rand -base64 32`), a comma between. Raises ValueError."""
    parts = [part.strip() for part in written.split(",") if part.strip()]
    if not 0 < len(parts) <= MAX_KEYS:
        raise ValueError("one key, or two (the new one first) while it is rotated, with a comma between")
    keys = []
    for part in parts:
        try:
            key = base64.b64decode(part.replace("-", "+").replace("_", "/"), validate=True)
        except binascii.Error as error:
            raise ValueError("a key is base64: openssl rand -base64 32") from error
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes: openssl rand -base64 32")
        keys.append(key)
    return keys
