"""`loop status`: which parts of a stack run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psutil
from common.clock import SystemClock

from loopctl import business_time, playing, programs
from loopctl.local import ports
from loopctl.stack import Stack


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the stack."""

    name: str
    place: str
    process: psutil.Process | None
    waits_for: str
    """Why it is not ready; empty when it is."""
    optional: bool = False
    elsewhere: bool = False
    """Not ours to start and stop."""

    @property
    def good(self) -> bool:
        return not self.waits_for or (self.optional and self.process is None)

    @property
    def state(self) -> str:
        if self.elsewhere:
            return "running" if self.good else "away"
        if self.process is None:
            return "stopped"
        return "running" if self.good else "not ready"


def parts(stack: Stack) -> list[Part]:
    """Servers first, then the programs."""
    found = [
        _server(stack, "postgres", stack.postgres.process, stack.postgres.ready, embedded=stack.embedded_postgres),
        _server(stack, "kafka", stack.kafka.process, stack.kafka.ready, embedded=stack.embedded_kafka),
    ]
    contained = any(stack.elsewhere(service) for service in programs.installed_services())
    for program in programs.all_programs(stack):
        if stack.elsewhere(program.name):
            found.append(Part(program.name, stack.url(program.name), None, program.lacks(), elsewhere=True))
        elif not contained or program.process() is not None:
            found.append(Part(program.name, stack.url(program.name), program.process(), program.waits_for()))
    if contained:
        return found
    demo = programs.demo(stack)
    if playing.should_play(stack) or demo.process() is not None:
        found.append(Part("demo", "", demo.process(), demo.waits_for(), optional=True))
    return found


def _server(
    stack: Stack,
    name: str,
    process: Callable[[], psutil.Process | None],
    ready: Callable[[], bool],
    *,
    embedded: bool,
) -> Part:
    if not embedded:
        return _outside(name, stack.bootstrap_servers if name == "kafka" else stack.owner_url)
    running = process()
    waits_for = "it does not run" if running is None else "" if ready() else "it does not answer yet"
    return Part(name, f"127.0.0.1:{stack.port(name)}", running, waits_for)


def _outside(name: str, place: str) -> Part:
    """A server of the operator's own: it is enough that somebody listens there."""
    address = urlsplit(place if "://" in place else f"kafka://{place.split(',')[0]}")
    host, port = address.hostname or ports.LOCALHOST, address.port or 5432
    missing = "" if ports.listening(port, host) else f"{host}:{port} does not answer"
    return Part(name, f"{host}:{port} (your own)", None, missing, elsewhere=True)


def as_json(stack: Stack, found: list[Part]) -> dict[str, Any]:
    return {
        "data": str(stack.folder),
        "business_time": business_time.now(stack).isoformat(),
        "parts": [
            {
                "name": part.name,
                "state": part.state,
                "at": part.place,
                "pid": part.process.pid if part.process else None,
                "waits_for": part.waits_for,
            }
            for part in found
        ],
    }


def as_text(stack: Stack, found: list[Part]) -> str:
    lines = [f"Stack in {stack.folder}, business time {business_time.now(stack):%Y-%m-%d %H:%M:%S} UTC"]
    for part in found:
        pid, age, memory = _of_process(part.process)
        lines.append(f"  {part.name:<12}{part.state:<11}{pid:>8}{age:>8}{memory:>9}  {part.place}".rstrip())
        if part.process is not None and part.waits_for:
            lines.append(f"               {part.waits_for}")
    return "\n".join(lines)


def _of_process(process: psutil.Process | None) -> tuple[str, str, str]:
    if process is None:
        return "", "", ""
    try:
        seconds = int(SystemClock().wall().timestamp() - process.create_time())
        memory = process.memory_info().rss >> 20
    except psutil.NoSuchProcess:
        return "", "", ""
    age = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
    return str(process.pid), age, f"{memory} MB"
