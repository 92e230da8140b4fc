"""Alembic's environment of churn."""

from churn.tables import metadata
from common.migrations import run_env

run_env("churn", metadata)
