"""A stack of the tests' own: real PostgreSQL and Kafka in a temporary folder, on free ports.

All workers of a pytest run share one (the first starts it, the last stops it); each has databases of its own.
`CSL_TEST_DATA=DIR` keeps one running in DIR between runs, which saves its start; stop it with
`python -m tests.support.stack stop DIR`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from loopctl import provision
from loopctl.local import ports
from loopctl.local.locking import exclusive
from loopctl.local.processes import PidFile
from loopctl.paths import SERVICES
from loopctl.stack import LOCAL_PARTITIONS, PORT_SPAN, Stack

KEEP = "CSL_TEST_DATA"
PREFIX = "csl-test-"


@dataclass
class TestStack:
    """PostgreSQL, Kafka, and one database for this worker; to be stopped and killed only where `private`."""

    __test__ = False

    stack: Stack
    database: str
    private: bool = False
    _migrated: set[str] = field(default_factory=set)

    @property
    def folder(self) -> Path:
        return self.stack.folder

    @property
    def kafka_servers(self) -> str:
        return self.stack.bootstrap_servers

    @property
    def owner_url(self) -> str:
        """This worker's database, as the superuser."""
        return provision.on_database(self.stack.owner_url, self.database)

    def url(self, service: str) -> str:
        """This worker's database, as the role of one service."""
        return self.stack.service_database_url(service, self.database)

    def new_database(self, name: str) -> TestStack:
        """The same servers with one more, empty database (roles and schemas in it, no tables)."""
        other = TestStack(self.stack, f"{self.database}_{name}", self.private)
        other.create()
        return other

    def create(self) -> None:
        """Make the database afresh."""
        with exclusive(self.folder / "provision.lock"):
            provision.run(provision.create_database(self.stack.owner_url, self.database, fresh=True))
            provision.run(provision.create_roles(self.owner_url, self.stack.secrets.roles))

    def drop(self) -> None:
        provision.run(_drop(self.stack.owner_url, self.database))

    def service_database(self, service: str) -> str:
        """URL of the service's schema, migrated and empty."""
        if service not in self._migrated:
            provision.migrate(service, self.url(service))
            self._migrated.add(service)
        else:
            provision.run(_empty(self.owner_url, service))
        return self.url(service)

    def environment(self, service: str) -> dict[str, str]:
        """Environment of a service's process on this stack."""
        prefix = service.upper()
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(f"{prefix}_")},
            f"{prefix}_DATABASE_URL": self.url(service),
            f"{prefix}_KAFKA_BOOTSTRAP_SERVERS": self.kafka_servers,
            f"{prefix}_JWT_SECRET": self.stack.secrets.jwt,
        }

    # Faults. Only a private stack may be hurt: the shared one is in use by other tests.

    def kill_postgres(self) -> None:
        self._need_private()
        self.stack.postgres.kill()

    def stop_postgres(self) -> None:
        self._need_private()
        self.stack.postgres.stop()

    def start_postgres(self) -> None:
        self.stack.postgres.start()

    def kill_kafka(self) -> None:
        self._need_private()
        self.stack.kafka.kill()

    def stop_kafka(self) -> None:
        self._need_private()
        self.stack.kafka.stop()

    def start_kafka(self) -> None:
        self.stack.kafka.start()

    def freeze_kafka(self) -> None:
        """SIGSTOP."""
        self._need_private()
        _signal(self.stack.kafka.process(), signal.SIGSTOP)

    def thaw_kafka(self) -> None:
        _signal(self.stack.kafka.process(), signal.SIGCONT)

    def dump(self, file: Path) -> None:
        """`pg_dump` of this worker's database."""
        self.stack.postgres.dump(file, self.database)

    def restore(self, file: Path) -> None:
        """This worker's database as it was in the dump; open connections are cut."""
        self.stack.postgres.restore(file, self.database)

    def stop(self) -> None:
        _stop(self.stack)

    def _need_private(self) -> None:
        assert self.private, "this stack is shared: a test that stops servers asks for `private_stack`"


def _signal(process: psutil.Process | None, number: signal.Signals) -> None:
    assert process is not None, "it does not run"
    process.send_signal(number)


async def _drop(admin_url: str, database: str) -> None:
    connection = await provision.connect(provision.on_database(admin_url, "postgres"))
    await connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
    await connection.close()


async def _empty(url: str, schema: str) -> None:
    """Take all rows out, but leave what migrations made: version table and partitions."""
    connection = await provision.connect(url)
    tables = await connection.fetch(
        "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables "
        "WHERE schemaname = $1 AND tablename <> 'alembic_version'",
        schema,
    )
    if tables:
        names = ", ".join(row["name"] for row in tables)
        await connection.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
    await connection.close()


def start(folder: Path) -> Stack:
    """Make the servers of `folder` run with all topics; ports are chosen once and kept."""
    with (
        exclusive(folder.parent / f"{folder.name}.lock"),
        exclusive(Path(tempfile.gettempdir()) / "csl-ports.lock"),
    ):
        known = (folder / "stack.json").exists()
        stack = Stack(folder, base=Stack.at(folder).base if known else ports.free_base(PORT_SPAN))
        stack.remember()
        stack.postgres.start()
        stack.kafka.start()
        provision.run(provision.create_topics(stack.bootstrap_servers, partitions=LOCAL_PARTITIONS))
    return stack


def _new_folder() -> Path:
    """Other users may pass through: PostgreSQL runs as one when we are root."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o711)
    _owner(folder).write(os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid())
    return folder / "stack"


def _owner(folder: Path) -> PidFile:
    """The pytest that a folder belongs to."""
    return PidFile(folder / "owner.pid")


def _sweep() -> None:
    """Stop what a killed pytest left behind; a folder whose pytest lives is left alone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _owner(folder).path.exists() and _owner(folder).process() is None:
            _stop(Stack.at(folder / "stack"))
            shutil.rmtree(folder, ignore_errors=True)


def _stop(stack: Stack) -> None:
    stack.kafka.stop()
    stack.postgres.stop()


@contextmanager
def private_stack() -> Iterator[TestStack]:
    """Servers that one test may stop and kill."""
    folder = _new_folder()
    own = TestStack(start(folder), "loop", private=True)
    try:
        own.create()
        yield own
    finally:
        own.stop()
        shutil.rmtree(folder.parent, ignore_errors=True)


@contextmanager
def shared_stack(run_folder: Path, worker: str) -> Iterator[TestStack]:
    """The servers of this pytest run. `run_folder` is common to its workers; the last one out stops them."""
    kept = os.environ.get(KEEP, "")
    folder = Path(kept).absolute() if kept else _agreed_folder(run_folder)
    own = TestStack(start(folder), f"test_{worker}_{os.getpid()}" if kept else f"test_{worker}")
    try:
        own.create()
        yield own
    finally:
        own.drop()
        if not kept:
            _leave(run_folder, folder)


def _agreed_folder(run_folder: Path) -> Path:
    """The first worker names a folder; each counts itself in."""
    with exclusive(run_folder / "stack.lock"):
        note = run_folder / "stack.json"
        folder, users = json.loads(note.read_text()) if note.exists() else (str(_new_folder()), 0)
        note.write_text(json.dumps([folder, users + 1]))
    return Path(folder)


def _leave(run_folder: Path, folder: Path) -> None:
    with exclusive(run_folder / "stack.lock"):
        note = run_folder / "stack.json"
        _, users = json.loads(note.read_text())
        note.write_text(json.dumps([str(folder), users - 1]))
        if users > 1:
            return
        note.unlink()
        _stop(Stack.at(folder))
        shutil.rmtree(folder.parent, ignore_errors=True)


def main(arguments: list[str]) -> None:
    """`start DIR` or `stop DIR`: a test stack that outlives pytest."""
    verb, folder = arguments[0], Path(arguments[1]).absolute()
    if verb == "start":
        folder.parent.mkdir(parents=True, exist_ok=True)
        sys.stdout.write(f"{start(folder).folder}\n")
    else:
        _stop(Stack.at(folder))


__all__ = ["SERVICES", "TestStack", "private_stack", "shared_stack"]

if __name__ == "__main__":
    main(sys.argv[1:])
