"""Secrets of sources: sealed in Postgres, open in memory. The accept path only reads memory.

What is stored of a source counts alone. `INGEST_WEBHOOK_SECRETS` is how a source begins: with its first rotation the
newest secret from there is stored beside the new one, and from then on the variable is not looked at for that source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from common import logging
from common.clock import Clock
from common.db import Database
from common.errors import Conflict, NotFound
from common.faults import is_passing
from common.ids import new_id
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.adapters.sealing import Sealed, Sealer
from ingest.repository import secrets
from ingest.repository.secrets import Kept

log = logging.get(__name__)

LOOK_EVERY = 1.0
"""Wall seconds after which another replica's rotation is in force here."""
MOST = 2
BOOTSTRAP = "INGEST_WEBHOOK_SECRETS"


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did. `added` is false where the secret was in force already."""

    added: bool
    kept: list[Kept]
    """All secrets there ever were of the source, the newest first."""


class SecretBook:
    """One a process."""

    def __init__(
        self, database: Database, clock: Clock, sealer: Sealer, bootstrap: Mapping[str, tuple[bytes, ...]]
    ) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._bootstrap = bootstrap
        self._stored: dict[str, tuple[bytes, ...]] = {}
        self._opened: dict[UUID, bytes] = {}

    def get(self, source: str, default: tuple[bytes, ...] = ()) -> tuple[bytes, ...]:
        """The secrets in force, the newest first."""
        found = self._stored.get(source)
        return found if found is not None else self._bootstrap.get(source, default)

    async def load(self) -> None:
        """At start: all of them, sealed anew with the newest key where they are not. Raises Sealed."""
        async with self._database.transaction() as session:
            await secrets.lock(session)
            kept = await secrets.active(session)
            for row in kept:
                if row.key_id != self._sealer.key_id:
                    plain = self._open(row)
                    sealed = self._sealer.seal(plain, _bound(row))
                    await secrets.reseal(session, row.id, key_id=self._sealer.key_id, sealed=sealed)
            self._take(kept)

    async def run(self) -> None:
        """Look for ever; while the database is away, what was known stays in force."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            try:
                await self.look()
            except Exception as error:
                if not is_passing(error):
                    raise
                log.warning("secrets_not_read", error=repr(error))

    async def look(self) -> None:
        """Take over what other replicas changed. A row that no key of ours opens changes nothing here."""
        async with self._database.read() as session:
            kept = await secrets.active(session)
        try:
            self._take(kept)
        except Sealed:
            log.error("secret_cannot_be_opened", remedy="give this replica the new INGEST_SECRETS_KEY, too")

    async def rotate(self, source: str, secret: bytes, *, by: str) -> Rotated:
        """A new secret beside the newest one there was; older ones go. In force here when this returns."""
        async with self._database.transaction() as session:
            await secrets.lock(session)
            before = [row for row in await secrets.of(session, source) if row.retired_at is None]
            now = self._clock.wall()
            if not before:
                first = [s for s in self._bootstrap.get(source, ())[:1] if s != secret]
                before = [self._sealed(source, old, now, BOOTSTRAP) for old in first]
                await secrets.add(session, before)
            added = secret not in [self._open(row) for row in before]
            if added:
                await self._add(session, source, secret, before, by)
            kept = await secrets.of(session, source)
        await self.look()
        return Rotated(added, kept)

    async def _add(self, session: AsyncSession, source: str, secret: bytes, before: Sequence[Kept], by: str) -> None:
        now = self._clock.wall()
        await secrets.retire(session, [row.id for row in before[MOST - 1 :]], at=now, by=by)
        await secrets.add(session, [self._sealed(source, secret, now, by)])
        log.info("source_secret_added", source=source, by=by)

    async def retire(self, source: str, secret_id: UUID, *, by: str) -> list[Kept]:
        """The vendor signs with the new one: the old one ends. Raises NotFound, and Conflict for the last one."""
        async with self._database.transaction() as session:
            await secrets.lock(session)
            known = await secrets.of(session, source)
            wanted = next((row for row in known if row.id == secret_id), None)
            if wanted is None:
                raise NotFound("no such secret of this source")
            if wanted.retired_at is None:
                if sum(row.retired_at is None for row in known) == 1:
                    raise Conflict("this is the source's only secret: add another one first")
                await secrets.retire(session, [secret_id], at=self._clock.wall(), by=by)
                log.info("source_secret_retired", source=source, by=by)
            kept = await secrets.of(session, source)
        await self.look()
        return kept

    async def of(self, source: str) -> list[Kept]:
        """All there ever were, the newest first; of the bootstrap's nothing is stored until the first rotation."""
        async with self._database.read() as session:
            return await secrets.of(session, source)

    def bootstrapped(self, source: str) -> bool:
        """Whether the source still lives from the environment."""
        return source not in self._stored and bool(self._bootstrap.get(source))

    def _take(self, kept: Sequence[Kept]) -> None:
        opened = {row.id: self._open(row) for row in kept}
        stored: dict[str, tuple[bytes, ...]] = {}
        for row in kept:
            stored[row.source] = (*stored.get(row.source, ()), opened[row.id])
        self._stored, self._opened = stored, opened

    def _open(self, row: Kept) -> bytes:
        known = self._opened.get(row.id)
        if known is not None:
            return known
        try:
            return self._sealer.open(row.sealed or b"", _bound(row))
        except Sealed as sealed:
            raise Sealed(f"the stored secret of {row.source}") from sealed

    def _sealed(self, source: str, secret: bytes, at: datetime, by: str) -> Kept:
        id_ = new_id()
        bound = f"{source}\x1f{id_}"
        return Kept(id_, source, self._sealer.key_id, self._sealer.seal(secret, bound), at, by, None, None)


def _bound(row: Kept) -> str:
    return f"{row.source}\x1f{row.id}"
