"""OpenTelemetry, off unless an endpoint is set; `traceparent` (W3C) travels through outbox and Kafka headers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()
_tracer: trace.Tracer | None = None


def setup(service: str, endpoint: str) -> None:
    """Export spans by OTLP over HTTP to `endpoint`; an empty one leaves tracing off."""
    global _tracer
    if not endpoint:
        return
    provider = TracerProvider(resource=Resource.create({"service.name": f"csl-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    _tracer = provider.get_tracer("csl")


@contextmanager
def span(name: str, traceparent: str | None = None, **attributes: str | int) -> Iterator[None]:
    """A span, child of `traceparent` where given; nothing while tracing is off."""
    if _tracer is None:
        yield
        return
    parent = _propagator.extract({"traceparent": traceparent}) if traceparent else None
    with _tracer.start_as_current_span(name, context=parent, attributes=attributes):
        yield


def current_traceparent() -> str | None:
    """The header value for what is written now, or None while tracing is off."""
    if _tracer is None:
        return None
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")
