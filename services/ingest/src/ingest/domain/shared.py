"""Domains that many share, so that they say nothing about whose a person or a web page is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SharedDomains:
    """Free mail, access providers, site builders. Lower case, without `www.`."""

    names: frozenset[str] = frozenset()
    parents: frozenset[str] = frozenset()
    """Domains whose every subdomain belongs to somebody else."""

    def __contains__(self, domain: str) -> bool:
        if domain in self.names:
            return True
        labels = domain.split(".")
        return any(".".join(labels[n:]) in self.parents for n in range(1, len(labels)))
