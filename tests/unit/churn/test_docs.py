"""The table of features in docs/churn.md is the table in the code.

Write it anew after a change with `python tests/unit/churn/test_docs.py`.
"""

from __future__ import annotations

from pathlib import Path

from churn.domain.features import FEATURES

PAGE = Path(__file__).parents[3] / "docs" / "churn.md"
HEAD = "| feature | family | reason | | what it is |\n|---|---|---|---|---|\n"
SIGNS = {1: "+", -1: "−", 0: ""}


def table() -> str:
    rows = [f"| `{f.name}` | {f.family} | `{f.reason}` | {SIGNS[f.direction]} | {f.doc} |" for f in FEATURES]
    return HEAD + "\n".join(rows) + "\n"


def test_every_feature_is_in_the_docs_as_the_code_describes_it():
    assert table() in PAGE.read_text(encoding="utf-8"), "run `python tests/unit/churn/test_docs.py`"


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8").split(HEAD)[0]
    PAGE.write_text(before + table(), encoding="utf-8")
