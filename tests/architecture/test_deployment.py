"""What containers are told is what services understand, and what an operator may set is documented."""

from __future__ import annotations

import json
import re
from importlib import import_module
from typing import Any

import yaml

from tests.architecture.source import ROOT, SERVICES

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
VARIABLE = re.compile(r"\$\{(\w+)")


def fields(service: str) -> set[str]:
    settings = import_module(f"{service}.settings").Settings
    return {f"{service.upper()}_{name.upper()}" for name in settings.model_fields}


def offered() -> set[str]:
    """Variables of .env.example; most are commented out, since everything has a local default."""
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", EXAMPLE, re.MULTILINE))


def test_every_variable_of_a_container_is_a_setting_of_its_service() -> None:
    unknown = {service: set(COMPOSE["services"][service]["environment"]) - fields(service) for service in SERVICES}
    assert unknown == {service: set() for service in SERVICES}


def test_every_variable_that_compose_reads_is_in_the_example() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    hidden = {"CSL_VERSION", "KAFKA_CLUSTER_ID", "KAFKA_HEAP_OPTS"}
    own_urls = {f"{service.upper()}_PUBLIC_URL" for service in SERVICES if service != "ingest"}
    assert set(VARIABLE.findall(text)) - offered() - hidden - own_urls == set()


def test_every_source_that_takes_posts_has_a_secret_in_containers() -> None:
    shipped = (ROOT / "deploy" / "config" / "sources").glob("*.yaml")
    posting = {file.stem for file in shipped if "csv" not in yaml.safe_load(file.read_text(encoding="utf-8"))}
    given = set(json.loads(VARIABLE.sub("", COMPOSE["services"]["ingest"]["environment"]["INGEST_WEBHOOK_SECRETS"])))
    assert posting - given == set()


def test_the_operators_container_reaches_every_service_and_signs_as_vendors_do() -> None:
    tool, services = COMPOSE["services"]["loop"]["environment"], COMPOSE["services"]
    ports = {service: services[service]["environment"][f"{service.upper()}_PORT"] for service in SERVICES}
    assert {name: url for name, url in tool.items() if name.endswith("_URL") and name.startswith("LOOP_")} == {
        f"LOOP_{service.upper()}_URL": f"http://{service}:{port}" for service, port in ports.items()
    }
    assert tool["INGEST_WEBHOOK_SECRETS"] == services["ingest"]["environment"]["INGEST_WEBHOOK_SECRETS"]


def test_lock_files_of_npm_name_no_address() -> None:
    locks = [file for file in (ROOT / "tests").rglob("package-lock.json") if "node_modules" not in file.parts]
    assert locks
    assert [file.name for file in locks if "://" in file.read_text(encoding="utf-8")] == []


def test_every_service_variable_of_the_example_exists() -> None:
    known = set().union(*map(fields, SERVICES)) | {f"{service.upper()}_DATABASE_PASSWORD" for service in SERVICES}
    ours = {name for name in offered() if name.split("_")[0].lower() in SERVICES}
    assert ours - known == set()


def test_services_run_without_rights_on_a_read_only_disk() -> None:
    for service in (*SERVICES, "migrate"):
        container = COMPOSE["services"][service]
        assert container["read_only"] is True
        assert container["cap_drop"] == ["ALL"]
        assert container["tmpfs"] == ["/tmp"]
    dockerfile = (ROOT / "deploy" / "docker" / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)


def test_everything_that_is_waited_for_says_when_it_is_ready() -> None:
    for name, container in COMPOSE["services"].items():
        assert "healthcheck" in container or name in {"migrate", "loop"}, name
        for needed, how in container.get("depends_on", {}).items():
            assert how["condition"] in {"service_healthy", "service_completed_successfully"}, (name, needed)


def test_containers_are_published_on_this_machine_only() -> None:
    ports = [port for container in COMPOSE["services"].values() for port in container.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("${CSL_BIND:-127.0.0.1}:")] == []


def test_all_services_are_scraped() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    targets = {target for job in config["scrape_configs"] for target in job["static_configs"][0]["targets"]}
    assert targets == {
        f"{service}:{COMPOSE['services'][service]['environment'][f'{service.upper()}_PORT']}" for service in SERVICES
    }
