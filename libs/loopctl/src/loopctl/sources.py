"""Sources through ingest's own API: which talk to us, and with which secrets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loopctl.api import Api, reason
from loopctl.errors import Problem, WrongUsage
from loopctl.secrets import remember_rotation
from loopctl.stack import Stack

ISSUERS = frozenset(
    ["calendly", "delighted", "hubspot", "intercom", "paddle", "slack", "standardwebhooks", "stripe", "zendesk"]
)
"""Vendors (or names, of mapped sources) that issue the secret themselves; with the others the operator chooses it."""
SHORT = 100


@dataclass(frozen=True, slots=True)
class Rotated:
    """What was done to a source's secrets."""

    source: str
    active: int
    added: bool = False
    retired: int = 0

    def as_json(self) -> dict[str, Any]:
        return {"source": self.source, "active": self.active, "added": self.added, "retired": self.retired}

    def as_text(self) -> str:
        if self.retired:
            return f"{self.source}: the old secret is retired; one is in force."
        if self.active == 1:
            return f"{self.source}: one secret is in force; there is no old one to retire."
        what = "a new secret is in force beside the old one" if self.added else "this secret was in force already"
        return f"{self.source}: {what}. When the vendor signs with it: loop sources rotate {self.source} --finish"


def listed(stack: Stack) -> list[dict[str, Any]]:
    """Every configured source, by name."""
    return list(Api(stack, "ingest", ["ingest:read"]).items("/v1/sources"))


def as_line(source: dict[str, Any]) -> str:
    """State, last accepted, counts; below it what is wrong."""
    counts = source["counts"]
    told = ", ".join(f"{counts[name]} {name}" for name in sorted(counts) if name not in {"posts", "refused", "unknown"})
    last = (source["last_accepted_at"] or "never")[:19]
    state = source["state"] if source["connected"] else "no secret"
    lines = [f"{source['name']:<16} {source['vendor']:<14} {state:<10} {last:<20} {told}".rstrip()]
    if source["last_refusal"]:
        lines.append(f"    refused {counts.get('refused', 0)}, last {source['last_refused_at'][:19]}: "
                     f"{source['last_refusal'][:SHORT]}")  # fmt: skip
    if source["mapping_failures"]["count"]:
        failures = source["mapping_failures"]
        lines.append(f"    unreadable {failures['count']} ({failures['open']} open): {failures['last'] or ''}"[:160])
    if source["unknown_types"]:
        kinds = ", ".join(f"{kind['type']} ({kind['count']})" for kind in source["unknown_types"][:5])
        lines.append(f"    unknown types: {kinds}")
    enrichment = source.get("enrichment")
    if enrichment and (enrichment["missing"] or enrichment["failure"]):
        missing = ", ".join(f"{count} {kind}" for kind, count in sorted(enrichment["missing"].items()))
        why = enrichment["failure"] or ("" if enrichment["token"] else "no token: INGEST_ENRICHMENT_TOKENS")
        lines.append(f"    not fetched: {missing or 'nothing'}" + (f" ({why[:SHORT]})" if why else ""))
    return "\n".join(lines)


def need(stack: Stack, name: str) -> dict[str, Any]:
    """The source. Raises WrongUsage where none has this name."""
    found = {source["name"]: source for source in listed(stack)}
    if name not in found:
        raise WrongUsage(f"{name!r} is no configured source; there are {', '.join(sorted(found))}")
    return found[name]


def rotate(stack: Stack, name: str, secret: str) -> Rotated:
    """Add a secret beside the newest one; `loop send` signs with it from now on. Raises WrongUsage for a bad one."""
    api = Api(stack, "ingest", ["ingest:admin"])
    answer = api.call("POST", f"/v1/sources/{name}/secrets", json={"secret": secret})
    if answer.status_code == 422:
        raise WrongUsage(f"ingest does not take this secret: {reason(answer)}")
    told = api.good(answer).json()
    file = stack.folder / "secrets.json"
    if file.exists():
        remember_rotation(file, name, secret)
    return Rotated(name, len(_active(told["secrets"])), added=told["added"])


def finish(stack: Stack, name: str) -> Rotated:
    """Retire all but the newest secret. Raises Problem where the source lives from the environment."""
    api = Api(stack, "ingest", ["ingest:admin", "ingest:read"])
    active = _active(api.get(f"/v1/sources/{name}/secrets")["items"])
    if not active:
        raise Problem(f"{name} was never rotated", remedy=f"add its new secret first: loop sources rotate {name}")
    for old in active[1:]:
        api.good(api.call("DELETE", f"/v1/sources/{name}/secrets/{old['id']}"))
    return Rotated(name, 1, retired=len(active) - 1)


def _active(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["retired_at"] is None]
