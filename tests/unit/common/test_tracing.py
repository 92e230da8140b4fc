"""Tracing is off unless an endpoint is set; when it is on, the trace goes with what is written."""

from __future__ import annotations

from uuid import uuid4

import pytest
from common import outbox, tracing
from opentelemetry.sdk.trace import TracerProvider

from tests.support.events import login

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `setup` with an endpoint, but for the exporter: spans are dropped, the context is real."""
    monkeypatch.setattr(tracing, "_tracer", TracerProvider().get_tracer("probe"))


def test_off_by_default() -> None:
    with tracing.span("work", PARENT):
        assert tracing.current_traceparent() is None
    assert "traceparent" not in outbox.message(login(uuid4())).headers


def test_a_span_continues_its_parents_trace_into_the_outbox(traced: None) -> None:
    with tracing.span("work", PARENT):
        headers = outbox.message(login(uuid4())).headers
    assert headers["traceparent"].split("-")[1] == PARENT.split("-")[1]
    assert headers["traceparent"] != PARENT, "a child, not the parent itself"


def test_an_event_keeps_the_trace_it_came_with(traced: None) -> None:
    event = login(uuid4()).model_copy(update={"traceparent": PARENT})
    assert outbox.message(event).headers["traceparent"] == PARENT
