"""What was measured on: a figure without its machine says nothing."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from loopctl import programs
from loopctl.paths import REPOSITORY
from loopctl.stack import Stack

SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes")


async def facts(stack: Stack) -> dict[str, Any]:
    """Processor, memory, versions, and that nothing was made fast by being unsafe."""
    connection = await asyncpg.connect(stack.owner_url)
    try:
        postgres = {name: await connection.fetchval(f"SHOW {name}") for name in SETTINGS}
    finally:
        await connection.close()
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgres": postgres,
        "kafka": _kafka(),
        "load_before": os.getloadavg()[0],
        "commit": _commit(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _kafka() -> str:
    lock = REPOSITORY / "deploy" / "local" / "kafka.lock.toml"
    lines = [line for line in lock.read_text().splitlines() if "kafka" in line and ":" in line]
    return next((part for line in lines for part in line.split(":") if part[:1].isdigit()), "unknown").strip('"')


def _commit() -> str:
    head = REPOSITORY / ".git" / "HEAD"
    if not head.exists():
        return "unknown"
    ref = head.read_text().strip().partition("ref: ")[2]
    file = REPOSITORY / ".git" / ref
    return file.read_text().strip()[:12] if ref and file.exists() else "unknown"


def cpu_seconds(stack: Stack) -> dict[str, float]:
    """CPU that each process of the stack has used so far, its children included."""
    running = {p.name: p.process() for p in programs.all_programs(stack)}
    running |= {"postgres": stack.postgres.process(), "kafka": stack.kafka.process()}
    used = {name: _used(process) for name, process in running.items() if process is not None}
    mine = psutil.Process().cpu_times()  # not our children: the stack's processes are among them
    return used | {"load": mine.user + mine.system}


def _used(process: psutil.Process) -> float:
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system
    return total
