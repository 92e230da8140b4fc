"""Processes, pid files, secrets, Java and the lock of jars."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from loopctl.errors import Problem
from loopctl.local import jars, java, ports, postgres
from loopctl.local.processes import PidFile, need_free_space, spawn, stop, tail
from loopctl.secrets import Secrets

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(600)",
]


def test_a_spawned_process_has_a_session_of_its_own_and_is_found_again(tmp_path: Path):
    pid_file = PidFile(tmp_path / "run" / "sleeper.pid")
    pid_file.write(spawn(SLEEP, log=tmp_path / "sleeper.log"))
    process = pid_file.process()
    assert process is not None
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    assert stop(process, seconds=10)
    assert pid_file.process() is None


def test_a_pid_that_now_belongs_to_another_process_is_not_ours(tmp_path: Path):
    pid_file = PidFile(tmp_path / "other.pid")
    pid_file.path.write_text(json.dumps({"pid": os.getpid(), "started": psutil.Process().create_time() - 100}))
    assert pid_file.process() is None


@pytest.mark.parametrize("content", ["", "no json", "{}", '{"pid": "x"}', '{"pid": 999999999, "started": 1}'])
def test_an_unusable_pid_file_means_that_nothing_runs(tmp_path: Path, content: str):
    (tmp_path / "x.pid").write_text(content)
    assert PidFile(tmp_path / "x.pid").process() is None


def test_who_does_not_end_when_asked_is_made_to(tmp_path: Path):
    log = tmp_path / "log"
    process = psutil.Process(spawn(STUBBORN, log=log))
    while not tail(log).startswith("on"):
        assert process.is_running()
    assert not stop(process, seconds=0.5)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_taken_port_is_named_with_its_holder():
    with socket.socket() as held:
        held.bind((ports.LOCALHOST, 0))
        held.listen()
        port = held.getsockname()[1]
        with pytest.raises(Problem, match=rf"Port {port}, meant for Kafka, is taken.*--ports"):
            ports.need_free(port, "Kafka")


def test_a_nearly_full_disk_is_refused_before_anything_starts(tmp_path: Path):
    need_free_space(tmp_path, megabytes=1)
    with pytest.raises(Problem, match="free some space"):
        need_free_space(tmp_path, megabytes=1 << 40)


def test_secrets_are_made_once_kept_and_private(tmp_path: Path):
    file = tmp_path / "secrets.json"
    first = Secrets.load(file, ["hubspot"])
    again = Secrets.load(file, ["hubspot", "stripe"])
    assert again.jwt == first.jwt
    assert again.roles == first.roles
    assert again.webhooks["hubspot"] == first.webhooks["hubspot"] != again.webhooks["stripe"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(json.loads(file.read_text())["webhooks"]) == {"hubspot", "stripe"}


@pytest.mark.parametrize(
    ("release", "major"),
    [('JAVA_VERSION="17.0.15"', 17), ('JAVA_VERSION="25"', 25), ('JAVA_VERSION="1.8.0_402"', 8), ("", None)],
)
def test_the_version_of_a_java_is_read_from_its_release_file(tmp_path: Path, release: str, major: int | None):
    (tmp_path / "bin").mkdir()
    (tmp_path / "release").write_text(release)
    assert java.major_version(tmp_path / "bin" / "java") == major


def test_an_old_java_home_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    (tmp_path / "release").write_text('JAVA_VERSION="11.0.2"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(Problem, match=r"is Java 11 and Kafka needs 17.*KAFKA_BOOTSTRAP_SERVERS"):
        java.find_java()


def test_no_java_at_all_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(java, "_from_wheel", lambda: None)
    with pytest.raises(Problem, match=r"no Java runtime.*install a Java 17"):
        java.find_java()


def test_every_jar_of_the_lock_has_a_checksum_and_none_is_there_twice():
    locked = jars.read_lock()
    assert {jar.artifact for jar in locked} >= {"kafka_2.13", "kafka-clients", "log4j-core"}
    assert {jar.version for jar in locked if jar.group == "org.apache.kafka"} == {jars.KAFKA}
    assert all(len(jar.sha256) == 64 for jar in locked)
    assert len({(jar.group, jar.artifact) for jar in locked}) == len(locked)


def test_a_registry_that_is_away_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("MAVEN_REPOSITORY_URL", "http://127.0.0.1:9/maven")
    with pytest.raises(Problem, match=r"could not be fetched.*MAVEN_REPOSITORY_URL"):
        jars.classpath()


def test_a_jar_with_another_content_than_locked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    wrong = jars.Jar("org.apache.kafka", "kafka-clients", jars.KAFKA, "", "0" * 64)
    repository = tmp_path / "repository"
    file = wrong.path(repository)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"something else")
    with _served(repository) as url:
        monkeypatch.setenv("MAVEN_REPOSITORY_URL", url)
        with pytest.raises(Problem, match="another content"):
            jars._fetch(wrong, tmp_path / "cache")
    assert not wrong.path(tmp_path / "cache").exists()


def _served(folder: Path):
    """A Maven repository over HTTP, for a while."""
    import functools
    import threading
    from contextlib import contextmanager
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    @contextmanager
    def serve():
        server = ThreadingHTTPServer((ports.LOCALHOST, 0), functools.partial(Quiet, directory=str(folder)))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{ports.LOCALHOST}:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()

    return serve()


def test_the_server_of_root_needs_a_path_that_it_may_walk(tmp_path: Path):
    import pwd

    nobody = pwd.getpwnam("nobody")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert not postgres.reachable(closed / "data", nobody)
    assert postgres.reachable(Path("/usr/bin"), nobody)


def test_loop_starts_fast_enough_to_be_typed():
    """Heavy libraries are imported by the commands that need them, not by `loop --help`."""
    asked = "import sys, loopctl.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    heavy = {"sqlalchemy", "fastapi", "aiokafka", "xgboost", "sklearn", "numpy", "alembic", "asyncpg", "httpx"}
    assert not heavy & set(done.stdout.split())
