"""Procedures are data: files become versions, and every case keeps the one it began with."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from common.contracts import client
from escalation import service

from tests.support.escalation_stack import EscalationStack


@pytest.fixture
def folder(escalation: EscalationStack, tmp_path: Path) -> Path:
    """A copy of the shipped configuration, to be changed."""
    shutil.copytree(escalation.settings.config_dir / "sop", tmp_path / "sop")
    return tmp_path


def change(folder: Path, hours: float, *, name: str = "churn-risk", tiers: tuple[str, ...] = ()) -> None:
    """Write the shipped procedure with another first deadline."""
    content = yaml.safe_load((folder / "sop" / "churn-risk.yaml").read_text())
    content["sop"] = name
    content["opens_for"]["tiers"] = list(tiers)
    content["steps"][0]["due_hours"] = hours
    (folder / "sop" / f"{name}.yaml").write_text(yaml.safe_dump(content))


async def versions(escalation: EscalationStack) -> dict[tuple[str, int], bool]:
    async with escalation.http() as http:
        items = (await http.get("/v1/sops")).json()["items"]
    return {(one["sop"], one["version"]): one["active"] for one in items}


async def test_an_unchanged_file_makes_no_new_version(escalation: EscalationStack, folder: Path):
    await service.take_over_files(escalation.database, folder, escalation.clock)
    assert await versions(escalation) == {("churn-risk", 1): True}


async def test_a_changed_file_is_the_next_version_and_open_cases_keep_theirs(escalation: EscalationStack, folder: Path):
    before, after = uuid4(), uuid4()
    await escalation.flag(before)
    change(folder, 2)
    await service.take_over_files(escalation.database, folder, escalation.clock)
    await escalation.flag(after)
    assert (await escalation.case_of(before))["sop_version"] == 1
    assert (await escalation.case_of(after))["sop_version"] == 2
    change(folder, 4)
    await service.take_over_files(escalation.database, folder, escalation.clock)
    assert await versions(escalation) == {("churn-risk", 1): True, ("churn-risk", 2): False}


async def test_a_procedure_for_a_tier_goes_before_the_general_one(escalation: EscalationStack, folder: Path):
    change(folder, 1.5, name="strategic", tiers=("strategic",))
    await service.take_over_files(escalation.database, folder, escalation.clock)
    big, small = uuid4(), uuid4()
    await escalation.say(client.ClientRegistered(tier="strategic", refs=()), big)
    await escalation.say(client.ClientRegistered(tier="core", refs=()), small)
    await escalation.flag(big)
    await escalation.flag(small)
    assert (await escalation.case_of(big))["sop"] == "strategic"
    assert (await escalation.case_of(small))["sop"] == "churn-risk"


async def test_a_removed_file_retires_its_procedure(escalation: EscalationStack, folder: Path):
    (folder / "sop" / "churn-risk.yaml").unlink()
    await service.take_over_files(escalation.database, folder, escalation.clock)
    assert await versions(escalation) == {("churn-risk", 1): False}


async def test_publishing_over_http_stands_until_the_file_changes(escalation: EscalationStack, folder: Path):
    async with escalation.http() as http:
        content = (await http.get("/v1/sops")).json()["items"][0]["content"]
    content["steps"][0]["due_hours"] = 3
    async with escalation.http("escalation:write") as http:
        assert (await http.post("/v1/sops", json=content)).status_code == 403
    async with escalation.http("escalation:admin") as http:
        answer = await http.post("/v1/sops", json=content)
        assert (answer.status_code, answer.json()["version"]) == (201, 2)
        content["steps"][0]["due_soon_hours"] = 9
        assert (await http.post("/v1/sops", json=content)).status_code == 422
    await service.take_over_files(escalation.database, folder, escalation.clock)
    assert (await versions(escalation))["churn-risk", 2] is True
    change(folder, 2)
    await service.take_over_files(escalation.database, folder, escalation.clock)
    assert (await versions(escalation))["churn-risk", 3] is True
