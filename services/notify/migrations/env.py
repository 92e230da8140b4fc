"""Alembic's environment: everything is in common.migrations."""

from common.migrations import run_env
from notify.tables import metadata

run_env("notify", metadata)
