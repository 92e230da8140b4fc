"""Alembic environment of the schema `ingest`."""

from common.migrations import run_env
from ingest.tables import metadata

run_env("ingest", metadata)
