"""`python -m common.contracts.export DIR`: writes what others need to read our events without our code.

DIR gets `schemas/<type>.json` (JSON Schema 2020-12 of a body), `asyncapi.json` (AsyncAPI 3) and `README.md`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.contracts import EVENTS
from common.contracts.base import Data, Event

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PRODUCERS = {
    "csl.client.events.v1": (
        "ingest",
        "What happened at our clients, from every source, in one form.",
    ),
    "csl.ingest.feeds.v1": ("ingest", "Whether each source still talks to us. Key and subject: its name."),
    "csl.health.scores.v1": ("health", "Scores, band changes, late milestones and early-warning signs."),
    "csl.churn.risk.v1": ("churn", "Risk with reasons, flags, and what people decided about them."),
    "csl.escalation.cases.v1": ("escalation", "Cases, their steps and deadlines."),
    "csl.notify.deliveries.v1": ("notify", "What became of each message to a person."),
}
_ABOUT = (
    "CloudEvents 1.0 in structured JSON on Kafka. Key: the client's id (of feed events: the source). "
    "Order of a client's events: time, knowntime, sequence, id. Delivery is at least once; "
    "a repeat carries the same id."
)
_DEAD = "What a service could not handle: the original bytes; headers say why, from where, which handler."
_INTRO = (
    "Written by `python -m common.contracts.export docs/events`; do not edit. Beside it: `schemas/`, a "
    "JSON Schema for each body, and `asyncapi.json`. Optional fields end in `?`."
)
Json = dict[str, Any]


def body_schema(body: type[Data]) -> Json:
    """JSON Schema of one event body."""
    schema = body.model_json_schema(by_alias=True)
    return {"$schema": _DIALECT, "$id": f"csl/schemas/{body.TYPE}.json", **schema}


def envelope_schema() -> Json:
    """JSON Schema of what surrounds every body: a CloudEvent with our extension attributes."""
    schema = Event[Data].model_json_schema(by_alias=True)
    schema["properties"]["origin"] = schema.pop("$defs")["Origin"] | {"default": "live"}
    schema["title"] = "CloudEvent"
    schema["properties"]["data"] = {
        "type": "object",
        "description": "The body, as `type` says.",
    }
    return schema


def asyncapi(version: str) -> Json:
    """The AsyncAPI 3 document: a channel for each topic, a message for each type."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Client Success Loop",
            "version": version,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "description": _ABOUT,
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {topic: _channel(topic) for topic in _PRODUCERS} | {"csl.dlq": _dead_letters()},
        "operations": {f"{topic}.send": _operation(topic) for topic in _PRODUCERS},
        "components": {
            "schemas": {"CloudEvent": envelope_schema()},
            "messages": {body.TYPE: _message(body) for body in EVENTS},
        },
    }


def _channel(topic: str) -> Json:
    types = [body.TYPE for body in EVENTS if topic == body.TOPIC]
    return {
        "address": topic,
        "description": _PRODUCERS[topic][1],
        "messages": {t: {"$ref": f"#/components/messages/{t}"} for t in types},
        "bindings": {"kafka": {"topic": topic}},
    }


def _dead_letters() -> Json:
    return {
        "address": "csl.{service}.dlq",
        "description": _DEAD,
        "parameters": {"service": {"description": "The service that gave up on the message."}},
        "messages": {"dead_letter": {"name": "dead_letter", "contentType": "application/octet-stream"}},
    }


def _operation(topic: str) -> Json:
    producer, description = _PRODUCERS[topic]
    return {
        "action": "send",
        "title": f"{producer} publishes",
        "description": description,
        "channel": {"$ref": f"#/channels/{topic}"},
    }


def _message(body: type[Data]) -> Json:
    return {
        "name": body.TYPE,
        "title": body.__name__,
        "summary": _summary(body),
        "contentType": "application/cloudevents+json",
        "headers": {
            "type": "object",
            "properties": {"ce_type": {"type": "string", "const": body.TYPE}},
        },
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEvent"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": body.TYPE},
                        "data": {"$ref": f"./schemas/{body.TYPE}.json"},
                    },
                },
            ]
        },
    }


def _summary(body: type[Data]) -> str:
    return " ".join((body.__doc__ or "").split())


def page() -> str:
    """The events on one page, for people."""
    lines = [
        "# Events",
        "",
        _INTRO,
    ]
    for topic, (producer, description) in _PRODUCERS.items():
        lines += ["", f"## `{topic}`", "", f"From **{producer}**. {description}", ""]
        lines += ["| type | says | data |", "|---|---|---|"]
        lines += [_row(body) for body in EVENTS if topic == body.TOPIC]
    return "\n".join(lines) + "\n"


def _row(body: type[Data]) -> str:
    fields = [f"{f.alias or name}{'' if f.is_required() else '?'}" for name, f in body.model_fields.items()]
    says = _summary(body).replace("|", "\\|")
    return f"| [`{body.TYPE}`](schemas/{body.TYPE}.json) | {says} | {', '.join(fields) or '–'} |"


def documents(version: str = "1") -> Mapping[str, str]:
    """Every file that belongs into DIR, by its path there."""
    files = {f"schemas/{body.TYPE}.json": _pretty(body_schema(body)) for body in EVENTS}
    return files | {"asyncapi.json": _pretty(asyncapi(version)), "README.md": page()}


def _pretty(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def main(argv: list[str] | None = None) -> None:
    """Write the documents into DIR; schemas of types that are no more are removed."""
    parser = argparse.ArgumentParser(prog="python -m common.contracts.export", description=__doc__)
    parser.add_argument("dir", type=Path, metavar="DIR")
    folder: Path = parser.parse_args(argv).dir
    files = documents()
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    for schema in (folder / "schemas").glob("*.json"):
        if f"schemas/{schema.name}" not in files:
            schema.unlink()


if __name__ == "__main__":
    main()
