"""Ports: which are free, and who has one that should be."""

from __future__ import annotations

import os
import socket

import psutil

from loopctl.errors import Problem
from loopctl.local.processes import wait_until

LOCALHOST = "127.0.0.1"
PATIENCE = 3.0
FIRST_BASE, LAST_BASE, BASE_STEP = 20_000, 32_000, 200


def listening(port: int, host: str = LOCALHOST) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def free(port: int) -> bool:
    """Whether we could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
        return True


def need_free(port: int, purpose: str) -> None:
    """Raises Problem that names the holder of a taken port, where the system tells.

    A program killed just now may hold its port until its last thread is gone: that is waited for.
    """
    if not wait_until(lambda: free(port), seconds=PATIENCE):
        raise Problem(
            f"Port {port}, meant for {purpose}, is taken{_holder(port)}",
            remedy="stop that program, or start this stack elsewhere, e.g. with `loop up --ports 9100`",
        )


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if address and address.port == port and connection.pid and connection.status == psutil.CONN_LISTEN:
                process = psutil.Process(connection.pid)
                return f" by {process.name()} (pid {connection.pid})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass  # only root sees other users' sockets on some systems: then the port number has to do
    return ""


def free_base(span: int) -> int:
    """A base such that `base … base + span` are free now; below the range from which the system picks.

    Where to begin looking depends on the process, so that two that look at the same moment find different ones.
    """
    count = (LAST_BASE - FIRST_BASE) // BASE_STEP
    for nth in range(count):
        base = FIRST_BASE + (os.getpid() + nth) % count * BASE_STEP
        if all(free(base + offset) for offset in range(span + 1)):
            return base
    raise Problem(f"No free range of ports between {FIRST_BASE} and {LAST_BASE}", remedy="stop some other stack")
