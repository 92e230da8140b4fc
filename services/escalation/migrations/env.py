"""Alembic's environment of escalation."""

from common.migrations import run_env
from escalation.tables import metadata

run_env("escalation", metadata)
