"""A golden that was released is never edited and never removed: somebody's program was written against it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = "tests/contract/golden"


def git(repository: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=test", "-c", "user.email=test@ours.example", *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout


def broken_promises(repository: Path) -> list[str]:
    """Goldens of any release (tags `v…`) that are different now, or gone."""
    broken = []
    for tag in git(repository, "tag", "--list", "v*").split():
        for path in git(repository, "ls-tree", "-r", "--name-only", tag, FOLDER).split():
            now = repository / path
            if not now.exists() or now.read_text(encoding="utf-8") != git(repository, "show", f"{tag}:{path}"):
                broken.append(f"{path} is not what it was in {tag}")
    return broken


def test_released_goldens_are_as_they_were() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no git history here")
    assert broken_promises(ROOT) == []


def test_an_edited_and_a_removed_golden_are_seen(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    for name in ("kept", "edited", "removed"):
        (folder / f"{name}.json").write_text("{}\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "Release"], ["tag", "v0.1.0"]):
        git(tmp_path, *command)
    (folder / "added.json").write_text("{}\n")
    assert broken_promises(tmp_path) == []
    (folder / "edited.json").write_text("[]\n")
    (folder / "removed.json").unlink()
    assert [line.split()[0].rsplit("/", 1)[1] for line in broken_promises(tmp_path)] == ["edited.json", "removed.json"]
