"""The programs of a stack beside the two servers: five services, the catcher, and the demo while it plays."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from loopctl import given
from loopctl.errors import Problem
from loopctl.local import ports
from loopctl.local.processes import PidFile, spawn, stop, tail, wait_until
from loopctl.paths import REPOSITORY, SERVICES, SIGNING_SECRET
from loopctl.stack import Stack

READY_SECONDS = 180.0
"""Long, for an overloaded machine; a process that died is noticed at once."""
ANSWER_SECONDS = 20.0
"""A process that runs but answers nobody for so long is started anew by `loop up`."""
STOP_SECONDS = 15.0
UNWANTED = ("PYTHONDONTWRITEBYTECODE",)
"""Variables that services do not inherit: without cached bytecode each start would compile all libraries anew."""


@dataclass(frozen=True)
class Program:
    """One process of ours: what starts it and how one sees that it works."""

    stack: Stack
    name: str
    command: list[str]
    environment: dict[str, str]
    ready_path: str = ""
    """Path that answers 200 when it can do its work; empty: running is enough."""

    @property
    def pid_file(self) -> PidFile:
        return PidFile(self.stack.folder / "run" / f"{self.name}.pid")

    @property
    def log(self) -> Path:
        return self.stack.logs / f"{self.name}.log"

    def process(self) -> psutil.Process | None:
        return self.pid_file.process()

    def start(self) -> bool:
        """Start it if it does not run; False if it did. Raises Problem when its port is taken."""
        if self.process() is not None:
            return False
        if self.ready_path:
            ports.need_free(self.stack.port(self.name), self.name)
        environment = {name: value for name, value in self.environment.items() if name not in UNWANTED}
        self.pid_file.write(spawn(self.command, log=self.log, env=environment, cwd=REPOSITORY))
        return True

    def stop(self) -> None:
        process = self.process()
        if process is not None:
            stop(process, seconds=STOP_SECONDS)
        self.pid_file.remove()

    def ready(self) -> bool:
        return self.waits_for() == ""

    def answers(self) -> bool:
        """Whether its event loop lives."""
        return not self.ready_path or get(self.stack.url(self.name) + "/healthz") is not None

    def waits_for(self) -> str:
        """Why it is not ready, in its own words; empty when it is."""
        if self.process() is None:
            return "it does not run"
        return self.lacks() if self.ready_path else ""

    def lacks(self) -> str:
        """The same by its answer alone, wherever it runs."""
        answer = get(self.stack.url(self.name) + self.ready_path)
        if answer is None:
            return "it does not answer yet"
        status, body = answer
        return "" if status < 300 else _reasons(body) or f"it answers {status}"


def get(url: str, timeout: float = 3.0) -> tuple[int, str] | None:
    """Status and body; None when nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a local address needs no proxy
    try:
        with opener.open(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError:
        return None


def _reasons(body: str) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        checks: dict[str, Any] = json.loads(body)
        checks = checks.get("checks", checks)
        return "; ".join(f"{name}: {word}" for name, word in checks.items() if word not in ("ok", True, 503))
    return ""


def service(stack: Stack, name: str) -> Program:
    """One of the five, API and worker in one process."""
    command = [sys.executable, "-m", f"{name}.main", "all"]
    return Program(stack, name, command, service_environment(stack, name), "/readyz")


def service_environment(stack: Stack, name: str) -> dict[str, str]:
    """Environment of a service: what the stack decides wins; the rest may come from the environment or .env."""
    prefix = name.upper()
    defaults = {**_defaults(stack), **_own_defaults(stack, name)}
    decided = {
        "PORT": str(stack.port(name)),
        "HOST": ports.LOCALHOST,
        "DATABASE_URL": stack.service_database_url(name),
        "KAFKA_BOOTSTRAP_SERVERS": stack.bootstrap_servers,
    }
    if not stack.production:
        decided["CLOCK_FILE"] = str(stack.clock_file)
    if name == "ingest":
        ours = {source: [secret] for source, secret in stack.secrets.webhooks.items()}
        decided["WEBHOOK_SECRETS"] = json.dumps(ours | given.webhook_secrets())
    return {
        **{f"{prefix}_{key}": value for key, value in defaults.items()},
        **given.variables(),
        **{f"{prefix}_{key}": value for key, value in decided.items()},
    }


def _defaults(stack: Stack) -> dict[str, str]:
    return {
        "ENVIRONMENT": "production" if stack.production else "local",
        "JWT_SECRET": stack.secrets.jwt,
        "CONFIG_DIR": str(REPOSITORY / "deploy" / "config"),
    }


def _own_defaults(stack: Stack, name: str) -> dict[str, str]:
    """What one service alone needs; locally its outside world is the catcher."""
    own = {"PUBLIC_URL": stack.url(name), "CONSUMER_INSTANCE": f"{name}-local"}
    if name == "ingest":
        own["SECRETS_KEY"] = stack.secrets.ingest_secrets_key
    if name == "notify" and not stack.production:
        catcher = stack.url("catcher")
        own |= {
            "SLACK_BASE_URL": f"{catcher}/slack/api/",
            "SLACK_TOKEN": "xoxb-local-catcher",
            "SLACK_CHANNEL": "#client-success",
            "SLACK_SIGNING_SECRET": stack.secrets.slack_signing,
            "SMTP_HOST": ports.LOCALHOST,
            "SMTP_PORT": str(stack.port("smtp")),
            "MAIL_FROM": "Client Success Loop <loop@localhost.example>",
            "HUBSPOT_BASE_URL": f"{catcher}/hubspot",
            "HUBSPOT_TOKEN": "local-catcher",
            "LINKS_BASE": catcher,
            "LEASE_SECONDS": "15",
        }
        told = given.variables()
        for name_given, not_the_catchers in given.OUTSIDE_WORLD.items():
            if told.get(name_given):
                own = {key: value for key, value in own.items() if key not in not_the_catchers}
    return own


def catcher(stack: Stack) -> Program:
    """Slack, mail server and CRM of a local stack in one, with a page that shows what people would have received."""
    command = [
        sys.executable, "-m", "loopctl.catcher",
        "--host", ports.LOCALHOST, "--http-port", str(stack.port("catcher")),
        "--smtp-port", str(stack.port("smtp")), "--data", str(stack.folder / "catcher"),
        "--interactions-url", f"{stack.url('notify')}/v1/slack/interactions",
    ]  # fmt: skip
    # not as an argument: those are seen by everybody on the machine, and one of 64 secrets begins with a dash
    environment = dict(os.environ) | {SIGNING_SECRET: stack.secrets.slack_signing}
    return Program(stack, "catcher", command, environment, "/healthz")


def demo(stack: Stack) -> Program:
    """The demo portfolio, playing in the background."""
    command = [sys.executable, "-m", "loopctl.demo", "play", "--data", str(stack.folder)]
    return Program(stack, "demo", command, dict(os.environ) | {"PYTHONUNBUFFERED": "1"})


def all_programs(stack: Stack) -> list[Program]:
    """Everything that `loop up` keeps running, in the order in which it starts."""
    return [catcher(stack), *(service(stack, name) for name in installed_services())]


def installed_services() -> list[str]:
    """The services that this checkout has."""
    return [name for name in SERVICES if (REPOSITORY / "services" / name / "src" / name / "main.py").exists()]


def wait_ready(program: Program, told: Any) -> None:
    """Wait until it is ready. Raises Problem with the end of its log when it dies or takes too long."""

    def ready_or_dead() -> bool:
        if program.process() is None:
            return True
        missing = program.waits_for()
        told.waits_for = f"{program.name}: {missing}"
        return not missing

    in_time = wait_until(ready_or_dead, seconds=READY_SECONDS, poll=0.1)
    if program.process() is None:
        raise Problem(
            f"{program.name} ended right after its start; its log {program.log} ends:\n{tail(program.log)}\n",
            remedy="mend what the log says and run `loop up` again",
        )
    if not in_time:
        raise Problem(
            f"{program.name} is not ready after {READY_SECONDS:.0f} s ({program.waits_for()})",
            remedy=f"look at `loop doctor` and `loop logs {program.name}`",
        )
