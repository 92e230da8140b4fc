"""The metrics that our code defines, read from its source."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from tests.architecture.source import Source

SUFFIXES = {
    "Counter": ("",),
    "Gauge": ("",),
    "Histogram": ("_bucket", "_count", "_sum"),
    "Summary": ("_count", "_sum"),
    "Info": ("_info",),
    "Enum": ("",),
}
EVERYWHERE = frozenset({"job", "instance", "le"})
"""Labels that Prometheus adds."""


@dataclass(frozen=True)
class Metric:
    """One definition."""

    name: str
    kind: str
    labels: frozenset[str]
    where: str

    @property
    def series(self) -> list[str]:
        return [self.name + suffix for suffix in SUFFIXES[self.kind]]


def definitions(sources: Iterable[Source]) -> list[Metric]:
    """Every metric of `prometheus_client` that the code makes."""
    found = []
    for source in sources:
        if source.within("tests/"):
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call):
                kind = (source.full_name(node.func) or "").removeprefix("prometheus_client.")
                if kind in SUFFIXES and node.args and isinstance(node.args[0], ast.Constant):
                    found.append(Metric(str(node.args[0].value), kind, _labels(node), source.at(node, kind)))
    return found


def _labels(call: ast.Call) -> frozenset[str]:
    given = [k.value for k in call.keywords if k.arg == "labelnames"] or call.args[2:3]
    names = given[0].elts if given and isinstance(given[0], ast.List | ast.Tuple) else []
    return frozenset(str(name.value) for name in names if isinstance(name, ast.Constant))
