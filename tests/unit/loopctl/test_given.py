"""What the operator gives (environment, .env) reaches the services, and keeps the catcher out of their way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from loopctl import given, lifecycle, programs
from loopctl.errors import Problem
from loopctl.stack import Stack


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "given.env"
    file.write_text("")
    monkeypatch.setenv("LOOP_ENV_FILE", str(file))
    return file


@pytest.fixture
def stack(tmp_path: Path, env_file: Path) -> Stack:
    return Stack(tmp_path / "stack", base=29_000)


def test_without_anything_given_notify_speaks_to_the_catcher(stack: Stack):
    environment = programs.service_environment(stack, "notify")
    assert environment["NOTIFY_SLACK_BASE_URL"] == "http://127.0.0.1:29010/slack/api/"
    assert environment["NOTIFY_SMTP_PORT"] == "29025"
    assert not given.speaks_to_people()
    assert lifecycle._is_new(stack)


def test_with_a_slack_token_notify_speaks_to_slack_and_no_demo_plays(stack: Stack, env_file: Path):
    env_file.write_text("NOTIFY_SLACK_TOKEN=xoxb-real\nNOTIFY_SLACK_SIGNING_SECRET=real\n")
    environment = programs.service_environment(stack, "notify")
    assert environment["NOTIFY_SLACK_TOKEN"] == "xoxb-real"
    assert environment["NOTIFY_SLACK_SIGNING_SECRET"] == "real"
    assert "NOTIFY_SLACK_BASE_URL" not in environment
    assert environment["NOTIFY_SMTP_PORT"] == "29025"
    assert not lifecycle._is_new(stack)


def test_the_environment_wins_over_the_file(env_file: Path, monkeypatch: pytest.MonkeyPatch):
    env_file.write_text("CSL_JWT_SECRET=from-the-file\n")
    monkeypatch.setenv("CSL_JWT_SECRET", "from-the-environment")
    assert given.variables()["CSL_JWT_SECRET"] == "from-the-environment"


def test_ports_and_servers_are_the_stacks_own_whatever_is_given(stack: Stack, env_file: Path):
    env_file.write_text("HEALTH_PORT=1\nHEALTH_DATABASE_URL=postgresql://elsewhere/x\n")
    environment = programs.service_environment(stack, "health")
    assert environment["HEALTH_PORT"] == "29002"
    assert "127.0.0.1:29032/loop" in environment["HEALTH_DATABASE_URL"]


def test_secrets_of_webhooks_are_merged_and_loop_send_signs_with_the_newest(stack: Stack, env_file: Path):
    env_file.write_text('INGEST_WEBHOOK_SECRETS={"hubspot": ["new", "old"]}\nSTRIPE_WEBHOOK_SECRET=whsec_x\n')
    secrets = json.loads(programs.service_environment(stack, "ingest")["INGEST_WEBHOOK_SECRETS"])
    assert secrets["hubspot"] == ["new", "old"]
    assert secrets["stripe"] == ["whsec_x"]
    assert len(secrets["zendesk"]) == 1
    assert stack.secrets.webhooks["hubspot"] == "new"


def test_unreadable_secrets_say_how_to_write_them(env_file: Path):
    env_file.write_text("INGEST_WEBHOOK_SECRETS=hubspot\n")
    with pytest.raises(Problem, match="write JSON"):
        given.webhook_secrets()
