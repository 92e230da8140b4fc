"""Alembic's environment of health."""

from common.migrations import run_env
from health.tables import metadata

run_env("health", metadata)
