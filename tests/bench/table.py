"""The README's tables of bench figures, each written from its results between two markers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "signal_to_score.json"
README = Path(__file__).parents[2] / "README.md"
END = "<!-- /bench -->"


def rendered(results: Path = RESULTS) -> str:
    """Markdown: the steady stream, the rise, and what it ran on."""
    content = json.loads(results.read_text())
    rows = [content["steady"], *content["rise"]]
    lines = [
        "| webhooks/s | seconds | p50 ms | p95 ms | p99 ms | lost | doubled | accepted in, p95 ms |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(_row(row) for row in rows),
        "",
        f"Highest rate with p95 < 1 s: {_highest(content)}. {_machine(content)}",
    ]
    return "\n".join(lines)


def _highest(content: dict[str, Any]) -> str:
    rate = content["highest_rate"]
    return f"{rate:,}/s" if rate else "none of these, on a machine as busy as this was"


def _row(row: dict[str, Any]) -> str:
    cells = (
        f"{row['rate']:,}",
        f"{row['events'] / row['rate']:.0f}",
        f"{row['p50']:,.0f}",
        f"{row['p95']:,.0f}",
        f"{row['p99']:,.0f}",
        str(row["lost"]),
        str(row["doubled"]),
        f"{row['accept_p95']:,.0f}",
    )
    return f"| {' | '.join(cells)} |"


def _machine(content: dict[str, Any]) -> str:
    return f"{content['clients']} clients; five services; {on(content['machine'])}"


def on(about: dict[str, Any]) -> str:
    """What it was measured on."""
    postgres = about["postgres"]
    return (
        f"{about['cores']} cores ({about['processor']}), {about['memory_gb']:.0f} GB, "
        f"shared by everything that ran: the load itself, Kafka {about['kafka']}, "
        f"PostgreSQL {postgres['server_version'].split()[0]} (fsync {postgres['fsync']}); "
        f"load average {about['load_before']:.1f} before; {about['measured_at'][:10]}."
    )


def into_readme(name: str, markdown: str, readme: Path = README) -> None:
    """Replace what stands between the markers of this name. Raises ValueError where they are missing."""
    begin, text = f"<!-- bench:{name} -->", readme.read_text()
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{readme} lacks {begin} … {END}")
    readme.write_text(f"{before}{begin}\n{markdown}\n{END}{after}")


if __name__ == "__main__":
    into_readme("signal_to_score", rendered())
    sys.exit(0)
