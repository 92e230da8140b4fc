"""A real Apache Kafka broker in KRaft mode: broker and controller in one process of this machine's Java."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from loopctl.errors import Problem
from loopctl.local import ports
from loopctl.local.jars import Progress, classpath
from loopctl.local.java import find_java
from loopctl.local.processes import PidFile, kill, need_free_space, spawn, stop, tail, wait_until

CONTROLLER_OFFSET = 1
"""The controller listens on the port after the broker's."""
START_SECONDS = 180.0
"""Long, for an overloaded machine; a broker that died is noticed at once."""
STOP_SECONDS = 15.0
NEED_MB = 1024
HEAP_MB = 512
RETENTION_HOURS = 30 * 24

LOGGING = """\
Configuration:
  Appenders:
    Console:
      name: STDOUT
      target: SYSTEM_OUT
      PatternLayout: {pattern: "%d{ISO8601} %-5p %m (%c{1})%n"}
  Loggers:
    Root: {level: WARN, AppenderRef: [{ref: STDOUT}]}
    Logger:
      - {name: kafka.server.KafkaRaftServer, level: INFO}
      - {name: org.apache.kafka.common.utils.AppInfoParser, level: WARN}
"""


@dataclass(frozen=True)
class Kafka:
    """One broker and its log folder under the stack's folder."""

    folder: Path
    port: int
    partitions: int = 6
    """Of topics that make themselves; ours are made with a number of their own."""
    overrides: dict[str, str] = field(default_factory=dict)

    @property
    def bootstrap_servers(self) -> str:
        return f"{ports.LOCALHOST}:{self.port}"

    @property
    def home(self) -> Path:
        return self.folder / "kafka"

    @property
    def log(self) -> Path:
        return self.folder / "logs" / "kafka.log"

    @property
    def pid_file(self) -> PidFile:
        return PidFile(self.folder / "run" / "kafka.pid")

    def process(self) -> psutil.Process | None:
        """The running broker, or None."""
        return self.pid_file.process()

    def ready(self) -> bool:
        """Whether it accepts connections (it opens its port last, when it is unfenced)."""
        return ports.listening(self.port)

    def start(self, progress: Progress = lambda _done, _all: None) -> bool:
        """Make it run and answer; False if it already did. Raises Problem."""
        running = self.process()
        if running is not None and self.ready():
            return False
        if running is None:
            self._launch(progress)
        if not wait_until(self._up_or_dead, seconds=START_SECONDS) or self.process() is None:
            raise Problem(
                f"Kafka did not start; its log {self.log} ends:\n{tail(self.log)}\n",
                remedy="mend what the log says and run `loop up` again",
            )
        return True

    def stop(self) -> None:
        process = self.process()
        if process is not None:
            stop(process, seconds=STOP_SECONDS)
        self.pid_file.remove()

    def kill(self) -> None:
        """Kill −9."""
        process = self.process()
        if process is not None:
            kill(process)

    def _up_or_dead(self) -> bool:
        return self.process() is None or self.ready()

    def _launch(self, progress: Progress) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        need_free_space(self.home, megabytes=NEED_MB)
        ports.need_free(self.port, "Kafka")
        ports.need_free(self.port + CONTROLLER_OFFSET, "Kafka's controller")
        java = find_java()
        self._configure()
        command = self._java(java, classpath(progress))
        if not (self.home / "data" / "meta.properties").exists():
            self._format(command)
        pid = spawn([*command, "kafka.Kafka", str(self.home / "server.properties")], log=self.log)
        self.pid_file.write(pid)

    def _java(self, java: Path, jars: list[Path]) -> list[str]:
        return [
            str(java),
            f"-Xms{HEAP_MB // 2}m",
            f"-Xmx{HEAP_MB}m",
            "-XX:+UseSerialGC",  # a small heap on few cores
            "-XX:+ExitOnOutOfMemoryError",
            "-Xshare:auto",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self.home / 'log4j2.yaml'}",
            "-cp",
            os.pathsep.join(str(jar) for jar in jars),
        ]

    def _configure(self) -> None:
        """Written anew at each start: the ports may have changed and the release may have other settings."""
        lines = [f"{name}={value}" for name, value in (self._properties() | self.overrides).items()]
        (self.home / "server.properties").write_text("# Written by `loop up`.\n" + "\n".join(lines) + "\n")
        (self.home / "log4j2.yaml").write_text(LOGGING)

    def _properties(self) -> dict[str, str]:
        controller = f"{ports.LOCALHOST}:{self.port + CONTROLLER_OFFSET}"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.home / "data"),
            "num.partitions": str(self.partitions),
            "auto.create.topics.enable": "false",  # a misspelt topic is an error, not a topic
            "log.retention.hours": str(RETENTION_HOURS),
            "log.segment.bytes": str(128 << 20),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",  # offsets are kept in Postgres; this is for groups only
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "2",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "broker.session.timeout.ms": "3000",  # back in 11 s after a kill, not 18
            "broker.heartbeat.interval.ms": "500",
            "controlled.shutdown.enable": "false",  # there is no other broker to hand partitions to
            "num.network.threads": "2",
            "num.io.threads": "4",
        }

    def _format(self, command: list[str]) -> None:
        """Give the empty log folder its cluster id."""
        shutil.rmtree(self.home / "data", ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().lstrip("-") or "A"
        done = subprocess.run(
            [*command, "kafka.tools.StorageTool", "format", "-t", cluster.ljust(22, "A"), "-c",
             str(self.home / "server.properties")],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            raise Problem(
                f"Kafka could not prepare {self.home / 'data'} ({_end_of(done)})",
                remedy="check the rights and the space there, or choose another place with --data DIR",
            )


def _end_of(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr or done.stdout).strip()[-300:]
