"""Processes that read the lines of long imports, so that neither live posts nor the database wait for it.

A short import is read where it is. Processes live as long as an import needs them; all imports share them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from common import logging

from ingest import lines
from ingest.domain.reading import Reader

log = logging.get(__name__)

BUFFER = 8 << 20
"""Bytes of an answer that may wait to be taken."""


@dataclass
class Readers:
    """At most `most` processes, started when first needed, ended when no import runs any more."""

    config_dir: Path
    reader: Reader
    most: int
    _idle: list[asyncio.subprocess.Process] = field(default_factory=list)
    _imports: int = 0
    _free: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(max(1, self.most))

    @asynccontextmanager
    async def during_an_import(self) -> AsyncIterator[None]:
        """Processes may be started within."""
        self._imports += 1
        try:
            yield
        finally:
            self._imports -= 1
            if self._imports == 0:
                await self._end()

    async def read(self, first: int, raws: Sequence[bytes], *, here: bool) -> lines.Read:
        """What these lines say. `here`: in a thread, without any process."""
        if here or self.most == 0:
            return await asyncio.to_thread(lines.read, first, raws, self.reader)
        async with self._free:
            process = self._idle.pop() if self._idle else await self._start()
            try:
                found = await self._ask(process, first, raws)
            except (OSError, EOFError) as error:
                log.warning("import_reader_lost", error=repr(error), code=process.returncode)
                found = await asyncio.to_thread(lines.read, first, raws, self.reader)
                await _stop(process)
            except BaseException:
                _kill(process)  # it may be in the middle of an answer that nobody waits for
                raise
            else:
                self._idle.append(process)
        return found

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ingest.lines", str(self.config_dir),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=BUFFER,
        )  # fmt: skip

    async def _ask(self, process: asyncio.subprocess.Process, first: int, raws: Sequence[bytes]) -> lines.Read:
        """Raises OSError or EOFError when the process is gone."""
        assert process.stdin is not None  # noqa: S101  (pipes, see _start; for the type checker)
        assert process.stdout is not None  # noqa: S101  (for the type checker, as above)
        if process.returncode is not None or process.stdin.is_closing():
            raise EOFError("it ended while it had nothing to do")  # uvloop calls writing to it a RuntimeError
        blob = b"\n".join(raws)
        process.stdin.write(lines.FRAME.pack(first, len(blob)))
        process.stdin.write(blob)
        await process.stdin.drain()
        _, size = lines.FRAME.unpack(await process.stdout.readexactly(lines.FRAME.size))
        return lines.load(await process.stdout.readexactly(size))

    async def _end(self) -> None:
        processes, self._idle = self._idle, []
        for process in processes:
            await _stop(process)


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):  # it is gone already
        process.kill()


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Its stdin ends, and so does it."""
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is None:
        await process.wait()
