"""`loop portfolio`: every client of the stack by MRR at risk, read over the services' APIs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Any

from ingest.domain.currencies import minor_units
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from loopctl import business_time
from loopctl.api import Api
from loopctl.console import say
from loopctl.stack import Stack

TREND = timedelta(days=30)
STEADY = 2.0
"""Points within which a score counts as steady."""
STYLES = {"green": "green", "amber": "yellow", "red": "red", "critical": "red", "at_risk": "yellow"}
ASKED_AT_ONCE = 8
WIDTH_OF_A_FILE = 180
"""Columns of the table where no terminal says how wide it is."""


@dataclass(frozen=True, slots=True)
class Row:
    """One client. MRR in its currency's minor units; at risk: MRR × risk, of a flag without a probability all of it."""

    client: str
    client_id: str
    tier: str
    mrr: int
    currency: str
    mrr_at_risk: int
    band: str
    score: float | None
    trend: float | None
    risk: float | None
    points: float | None
    flagged: bool
    simulated: bool
    reason: str
    case: str
    owner: str


def rows(stack: Stack) -> list[Row]:
    """Clients that are with us, most money at risk first; of one currency after another where there are several."""
    clients = [c for c in Api(stack, "health", ["health:read"]).items("/v1/clients", sort="name") if not c["test"]]
    risks = {risk["client_id"]: risk for risk in Api(stack, "churn", ["churn:read"]).items("/v1/risks")}
    cases = {case["client_id"]: case for case in _open_cases(stack)}
    trends = _trends(stack, [client["client_id"] for client in clients])
    found = [
        _row(client, risks.get(client["client_id"], {}), cases.get(client["client_id"]), trends[client["client_id"]])
        for client in clients
    ]
    return sorted(found, key=lambda row: (row.currency, -row.mrr_at_risk, -(row.risk or 0), row.score or 0, row.client))


def _open_cases(stack: Stack) -> Iterable[dict[str, Any]]:
    return Api(stack, "escalation", ["escalation:read"]).items("/v1/cases", state=["open", "paused"])


def _trends(stack: Stack, client_ids: list[str]) -> dict[str, float | None]:
    """How far each score moved in 30 days."""
    health = Api(stack, "health", ["health:read"])
    now = business_time.now(stack)

    def moved(client_id: str) -> float | None:
        span = {"from": (now - TREND).isoformat(), "resolution": "day", "mode": ["live", "historic"], "limit": 40}
        return trend(health.get(f"/v1/clients/{client_id}/health/history", **span)["items"])

    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        return dict(zip(client_ids, pool.map(moved, client_ids), strict=True))


def trend(items: list[dict[str, Any]]) -> float | None:
    """Last score − first one, of evaluations newest first; under the model of now, since trends never span models."""
    known = [item for item in items if item["score"] is not None]
    scores: list[float] = [item["score"] for item in known if item["model"] == known[0]["model"]]
    return scores[0] - scores[-1] if len(scores) > 1 else None


def _row(client: dict[str, Any], risk: dict[str, Any], case: dict[str, Any] | None, trend: float | None) -> Row:
    money = client["mrr"] or {"amount": 0, "currency": ""}
    probability, flag = risk.get("probability"), risk.get("flag")
    share = probability if probability is not None else float(flag is not None)
    reasons = [reason["text"] for reason in risk.get("reasons", ()) if reason["contribution"] > 0]
    worrying = share >= 0.2 or bool(flag) or (risk.get("points") or 0) >= risk.get("threshold", 1) / 2
    return Row(
        client=client["name"] or client["client_id"],
        client_id=client["client_id"],
        tier=client["tier"] or "",
        mrr=money["amount"],
        currency=money["currency"],
        mrr_at_risk=round(money["amount"] * share),
        band=client["band"] or "",
        score=client["score"],
        trend=trend,
        risk=probability,
        points=risk.get("points"),
        flagged=flag is not None,
        simulated=bool(risk.get("simulated")),
        reason=reasons[0] if reasons and worrying else "",
        case=_case(case),
        owner=client["csm_email"] or "",
    )


def _case(case: dict[str, Any] | None) -> str:
    """The step that is due next, or what is late."""
    if case is None:
        return ""
    waiting = sorted((s for s in case["steps"] if s["state"] != "done"), key=lambda s: str(s["due_at"]))
    if not waiting:
        return f"{case['state']}: all steps done"
    step = waiting[0]
    late = "BREACHED" if step["state"] == "breached" else "due"
    return f"{step['step']} {late} {step['due_at'][:16]}"


def as_csv(found: list[Row]) -> str:
    """One line a client, with a header; money in minor units."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [f.name for f in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in found)
    return out.getvalue().rstrip("\n")


def show(found: list[Row]) -> None:
    """A table for people."""
    if not found:
        say("No clients yet: `loop demo` plays a simulated portfolio, `loop import` and webhooks bring your own.")
        return
    table = Table(header_style="bold", pad_edge=False, caption=_caption(found), caption_justify="left")
    for name in ("client", "tier"):
        table.add_column(name, no_wrap=True)
    for name in ("MRR", "at risk", "score", "30 d", "risk"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("reason", "case", "owner"):
        table.add_column(name, overflow="fold", min_width=10)
    for row in found:
        table.add_row(*_cells(row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_OF_A_FILE)
    console.print(table)


def _cells(row: Row) -> tuple[str, ...]:
    style = STYLES.get(row.band, "dim")
    score = "–" if row.score is None else f"{row.score:.0f}"
    return (
        escape(row.client),
        row.tier,
        _money(row.mrr, row.currency),
        _money(row.mrr_at_risk, row.currency) if row.mrr_at_risk else "",
        f"[{style}]{row.band} {score}[/]",
        _arrow(row.trend),
        _risk(row),
        escape(row.reason),
        row.case,
        escape(row.owner.split("@")[0]),
    )


def _risk(row: Row) -> str:
    said = f"{row.risk:.0%}" if row.risk is not None else (f"{row.points:.0f} pts" if row.points else "")
    return f"[red]{said} ⚑[/]" if row.flagged else said


def _arrow(trend: float | None) -> str:
    if trend is None:
        return ""
    if abs(trend) < STEADY:
        return "→"
    return f"{'↗' if trend > 0 else '↘'} {trend:+.0f}"


def _money(amount: int, currency: str) -> str:
    return f"{amount / minor_units(currency):,.0f} {currency}" if currency else "–"


def _caption(found: list[Row]) -> str:
    """Totals, and where the numbers come from."""
    totals: dict[str, list[int]] = {}
    for row in found:
        total = totals.setdefault(row.currency, [0, 0])
        total[0] += row.mrr
        total[1] += row.mrr_at_risk
    money = "; ".join(f"{_money(risk, c)} of {_money(mrr, c)} MRR at risk" for c, (mrr, risk) in totals.items() if c)
    notes = [f"{len(found)} clients", money]
    if any(row.risk is None and row.points is not None for row in found):
        notes.append("pts: points of risk signs, no calibrated model in service; a flagged client's MRR counts whole")
    if any(row.simulated for row in found):
        notes.append("risks come from a model trained on simulated data")
    return ". ".join(note for note in notes if note) + "."
