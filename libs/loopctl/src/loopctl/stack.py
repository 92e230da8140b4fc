"""One stack: a data folder, a range of ports, and what is known about both.

`DIR/stack.json` keeps what `loop up` was told (ports, outside servers), `DIR/endpoints.json` tells other programs
where things are, and `DIR/secrets.json` holds what they prove themselves with.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from loopctl.errors import Problem
from loopctl.files import write_json
from loopctl.local.kafka import Kafka
from loopctl.local.ports import LOCALHOST
from loopctl.local.postgres import DATABASE, Postgres
from loopctl.paths import REPOSITORY, SERVICES
from loopctl.provision import on_database, with_login
from loopctl.secrets import Secrets

DEFAULT_DATA = Path(".loop")
DEFAULT_BASE = 8100
OFFSETS = {"ingest": 1, "health": 2, "churn": 3, "escalation": 4, "notify": 5, "catcher": 10, "smtp": 25,
           "postgres": 32, "kafka": 92}  # fmt: skip
PORT_SPAN = 93
"""The highest offset in use (Kafka's controller)."""
LOCAL_PARTITIONS, PARTITIONS = 6, 12


@dataclass(frozen=True)
class Stack:
    """Where one stack lives. Make it with `Stack.at`, which reads what is known about the folder."""

    folder: Path
    base: int = DEFAULT_BASE
    database_url: str = ""
    """An outside PostgreSQL (its owner's URL); empty: the embedded one."""
    kafka_servers: str = ""
    """An outside Kafka; empty: the embedded one."""

    @classmethod
    def at(cls, data: Path | None = None, *, base: int | None = None) -> Stack:
        """The stack in `data` (or LOOP_DATA, or .loop), with the ports it has or is to get."""
        folder = (data or Path(os.environ.get("LOOP_DATA", "") or DEFAULT_DATA)).absolute()
        known = _read(folder / "stack.json")
        return cls(
            folder=folder,
            base=base if base is not None else int(known.get("base", DEFAULT_BASE)),
            database_url=os.environ.get("DATABASE_URL", "") or known.get("database_url", ""),
            kafka_servers=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "") or known.get("kafka_servers", ""),
        )

    @property
    def production(self) -> bool:
        """LOOP_ENVIRONMENT=production: services refuse what is fit for a local stack only."""
        return os.environ.get("LOOP_ENVIRONMENT", "") == "production"

    @property
    def partitions(self) -> int:
        """Of each topic about clients."""
        return PARTITIONS if self.production else LOCAL_PARTITIONS

    def exists(self) -> bool:
        """Whether `loop up` was ever here, or the environment names a stack that runs elsewhere (containers)."""
        return (self.folder / "stack.json").exists() or bool(self.database_url and self.kafka_servers)

    def need_exists(self) -> None:
        """Raises Problem where no stack was ever started."""
        if not self.exists():
            raise Problem(
                f"There is no stack in {self.folder}",
                remedy="start one with `loop up`, or name its folder with --data DIR (or LOOP_DATA)",
            )

    def port(self, name: str) -> int:
        return self.base + OFFSETS[name]

    def url(self, name: str) -> str:
        """Base URL of a service, or of the catcher."""
        return self.elsewhere(name) or f"http://{LOCALHOST}:{self.port(name)}"

    def elsewhere(self, name: str) -> str:
        """LOOP_INGEST_URL and its like: where a service runs that is not this stack's own process (containers)."""
        return os.environ.get(f"LOOP_{name.upper()}_URL", "").rstrip("/")

    @property
    def service_urls(self) -> dict[str, str]:
        return {service: self.url(service) for service in SERVICES}

    @property
    def clock_file(self) -> Path:
        return self.folder / "clock.json"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @cached_property
    def secrets(self) -> Secrets:
        return Secrets.load(self.folder / "secrets.json", configured_sources())

    @cached_property
    def postgres(self) -> Postgres:
        """The embedded server (also when an outside one is used: then it is never started)."""
        return Postgres(self.folder, self.port("postgres"), self.secrets.postgres)

    @cached_property
    def kafka(self) -> Kafka:
        return Kafka(self.folder, self.port("kafka"), LOCAL_PARTITIONS)

    @property
    def embedded_postgres(self) -> bool:
        return not self.database_url

    @property
    def embedded_kafka(self) -> bool:
        return not self.kafka_servers

    @property
    def owner_url(self) -> str:
        """PostgreSQL as the owner of the database, who makes roles and schemas."""
        return self.database_url or self.postgres.url

    @property
    def bootstrap_servers(self) -> str:
        return self.kafka_servers or self.kafka.bootstrap_servers

    def service_database_url(self, service: str, database: str = "") -> str:
        """PostgreSQL as one service's role; by default in the stack's database."""
        owner = on_database(self.owner_url, database) if database else self.owner_url
        return with_login(owner, service, self.secrets.roles[service])

    def endpoints(self) -> dict[str, Any]:
        """What DIR/endpoints.json says."""
        return {
            "services": self.service_urls,
            "postgres": self.owner_url,
            "kafka": self.bootstrap_servers,
            "catcher": self.url("catcher"),
            "smtp": f"{LOCALHOST}:{self.port('smtp')}",
        }

    def remember(self) -> None:
        """Write stack.json and endpoints.json (private: the database's URL carries its password)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.update(base=self.base, database_url=self.database_url, kafka_servers=self.kafka_servers)
        write_json(self.folder / "endpoints.json", self.endpoints())

    def known(self) -> dict[str, Any]:
        """What stack.json says."""
        return _read(self.folder / "stack.json")

    def update(self, **facts: Any) -> None:
        """Add to what stack.json says."""
        known = self.known()
        if known | facts != known:
            write_json(self.folder / "stack.json", known | facts)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise Problem(f"{file} is not readable JSON", remedy="mend it, or remove it and run `loop up`") from error
    return content if isinstance(content, dict) else {}


def configured_sources() -> list[str]:
    """Names of the sources, a file each in deploy/config/sources; each gets a signing secret."""
    return sorted(file.stem for file in (REPOSITORY / "deploy" / "config" / "sources").glob("*.yaml"))


__all__ = ["DATABASE", "DEFAULT_BASE", "PORT_SPAN", "Stack", "configured_sources"]
