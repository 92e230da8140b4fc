"""`loop doctor` says when churn speaks with another model than the one that somebody put into service."""

from __future__ import annotations

from typing import Any

import pytest
from loopctl import examination


def found(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> list[examination.Finding]:
    class Api:
        def __init__(self, *_: Any) -> None:
            pass

        def get(self, path: str, **_: Any) -> dict[str, Any]:
            assert path == "/v1/models"
            return answer

    monkeypatch.setattr(examination, "Api", Api)
    return examination._model(None)  # type: ignore[arg-type]  # only handed on


def test_a_refused_model_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch):
    [finding] = found(monkeypatch, {"items": [], "refused": "the stored bytes do not have their sha256"})
    assert "do not have their sha256" in finding.what
    assert "model-refused" in finding.remedy


@pytest.mark.parametrize("answer", [{"items": []}, {"items": [], "refused": None}])
def test_nothing_is_said_of_a_model_that_speaks(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]):
    assert not found(monkeypatch, answer)
