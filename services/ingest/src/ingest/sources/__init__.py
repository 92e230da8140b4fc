"""One module a vendor: verify a post, split its body into source events, map each to statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from ingest import located
from ingest.config import Source
from ingest.domain.statement import Ignored, SourceEvent, Statement
from ingest.sources import (
    calendly,
    hubspot,
    intercom,
    jira,
    mapped,
    pipedrive,
    salesforce,
    segment,
    slack,
    stripe,
    typeform,
    zendesk,
)
from ingest.sources.replies import Reply
from ingest.sources.signatures import Request


class Vendor(Protocol):
    """What a vendor's module offers. `config` is the source's own typed configuration."""

    def verify(self, request: Request, secret: bytes, now: datetime, config: Any) -> None:
        """Raises Refusal unless the vendor signed this with `secret`; `now` is wall time."""

    def split(self, body: bytes, headers: Mapping[str, str], config: Any) -> list[SourceEvent]:
        """The events of a body. Raises Unreadable."""

    def join(self, bodies: Sequence[Mapping[str, Any]]) -> bytes:
        """The reverse of split for what remains after an erasure."""

    def interpret(self, event: SourceEvent, config: Any) -> list[Statement] | Ignored:
        """What the event says in our words. Raises Unreadable where it breaks its own shape."""


class Replying(Protocol):
    """A vendor that wants an answer of its own instead of ours."""

    def __call__(self, body: bytes) -> Reply | None:
        """Said once the post is durable; None: ours will do."""


@dataclass(frozen=True, slots=True)
class Known:
    """A vendor's module, the class of its sources' configuration, and how it wants to be answered."""

    module: Vendor
    settings: type[Source]
    reply: Replying | None = None


CATALOGUE: Mapping[str, Known] = {
    "calendly": Known(calendly, calendly.CalendlySource),
    "hubspot": Known(hubspot, hubspot.HubspotSource),
    "intercom": Known(intercom, intercom.IntercomSource),
    "jira": Known(jira, jira.JiraSource),
    "mapped": Known(mapped, mapped.MappedSource),
    "pipedrive": Known(pipedrive, pipedrive.PipedriveSource),
    "salesforce": Known(salesforce, salesforce.SalesforceSource, salesforce.reply),
    "segment": Known(segment, segment.SegmentSource),
    "slack": Known(slack, slack.SlackSource, slack.reply),
    "stripe": Known(stripe, stripe.StripeSource),
    "typeform": Known(typeform, typeform.TypeformSource),
    "zendesk": Known(zendesk, zendesk.ZendeskSource),
}
VENDORS: Mapping[str, Vendor] = {name: known.module for name, known in CATALOGUE.items()}


def load_sources(directory: Path) -> dict[str, Source]:
    """Every `sources/<name>.yaml`. A service with a wrong one does not start.

    Raises ValueError naming file, line and rule, or OSError.
    """
    return {file.stem: load_source(file) for file in sorted((directory / "sources").glob("*.yaml"))}


def load_source(file: Path) -> Source:
    """One file. Raises ValueError with file, line and rule of each fault."""
    text = file.read_text()
    written = located.read(file.name, text)
    known = CATALOGUE.get(str(written.get("vendor")))
    if known is None:
        raise located.WrongFile(file.name, text, [(("vendor",), f"is one of {', '.join(sorted(CATALOGUE))}")])
    try:
        return known.settings.model_validate({**written, "name": file.stem})
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)
        told = [(error["loc"], error["msg"].removeprefix("Value error, ")) for error in errors]
        raise located.WrongFile(file.name, text, told) from invalid
    except located.Faults as faults:
        raise located.WrongFile(file.name, text, faults.found) from faults
