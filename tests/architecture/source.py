"""What the guards read: every Python file of ours, and the full names behind the short ones in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICES = ("ingest", "health", "churn", "escalation", "notify")
TREES = ("libs", "services", "tests", "deploy")
SKIPPED = {"__pycache__", ".venv", ".loop", "node_modules"}


@dataclass(frozen=True)
class Source:
    """One file. `path` is relative to the repository and decides which rules hold for it."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def names(self) -> dict[str, str]:
        """Local name → what it stands for, e.g. `sleep` → `asyncio.sleep` after `from asyncio import sleep`."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    def full_name(self, node: ast.AST) -> str | None:
        """`datetime.datetime.now` of the expression `dt.now`, where `dt` is an import; None for anything else."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.names:
            return None
        return ".".join([self.names[node.id], *reversed(parts)])

    def within(self, *folders: str) -> bool:
        return any(self.path.startswith(folder) for folder in folders)

    @property
    def is_migration(self) -> bool:
        return "/migrations/" in self.path

    @property
    def is_domain(self) -> bool:
        return any(self.within(f"services/{name}/src/{name}/domain") for name in SERVICES)

    def at(self, node: ast.AST, says: str) -> str:
        """A violation, as an editor can jump to it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {says}"


def sources() -> list[Source]:
    """Every Python file of the repository."""
    return [Source(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in python_files()]


def python_files() -> Iterator[Path]:
    for tree in TREES:
        for path in sorted((ROOT / tree).rglob("*.py")):
            if not SKIPPED & set(path.parts):
                yield path
