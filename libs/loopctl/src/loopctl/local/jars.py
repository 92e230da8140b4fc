"""Kafka's jars: fetched once a user by the committed lock of Maven coordinates, each checked by its sha256.

The lock is jgo's own format. They come from jgo's default repository, or from MAVEN_REPOSITORY_URL (a mirror); the
sums make the source a matter of trust no more.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from loopctl.errors import Problem
from loopctl.local.locking import exclusive
from loopctl.paths import REPOSITORY, user_cache

LOCK = REPOSITORY / "deploy" / "local" / "kafka.lock.toml"
DOWNLOADS_AT_ONCE = 8
TIMEOUT = 30
"""Seconds without an answer after which one download is given up."""
ATTEMPTS = 3

Progress = Callable[[int, int], None]
"""Called with (jars done, jars in all)."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    classifier: str
    sha256: str

    def path(self, cache: Path) -> Path:
        """Where Maven's layout keeps it."""
        tail = f"-{self.classifier}" if self.classifier else ""
        folder = cache.joinpath(*self.group.split("."), self.artifact, self.version)
        return folder / f"{self.artifact}-{self.version}{tail}.jar"


def read_lock(lock: Path = LOCK) -> list[Jar]:
    """The jars of the lock; every one has a sum, or the lock is refused."""
    entries = tomllib.loads(lock.read_text())["dependencies"]
    return [Jar(e["groupId"], e["artifactId"], e["version"], e.get("classifier", ""), e["sha256"]) for e in entries]


def classpath(progress: Progress = lambda _done, _all: None) -> list[Path]:
    """All jars, present and unaltered. Raises Problem when one cannot be had, or differs from the lock."""
    cache = user_cache() / "maven"
    cache.mkdir(parents=True, exist_ok=True)
    jars = read_lock()
    with exclusive(cache / ".lock"):  # two stacks that start at once fetch once
        missing = [jar for jar in jars if not _intact(jar, cache)]
        if missing:
            _fetch_all(missing, cache, progress)
    return [jar.path(cache) for jar in jars]


def _intact(jar: Jar, cache: Path) -> bool:
    path = jar.path(cache)
    return path.exists() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_all(jars: list[Jar], cache: Path, progress: Progress) -> None:
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        waiting = [pool.submit(_fetch, jar, cache) for jar in jars]
        for done, future in enumerate(as_completed(waiting), start=1):
            try:
                future.result()
            except Problem:
                for other in waiting:
                    other.cancel()
                raise
            progress(done, len(jars))


def _fetch(jar: Jar, cache: Path) -> None:
    """Download one jar through jgo; half a file of an interrupted run is thrown away first."""
    from jgo.maven import MavenContext

    mirror = os.environ.get("MAVEN_REPOSITORY_URL", "").rstrip("/")
    repositories = {"mirror": mirror} if mirror else None
    context = MavenContext(repo_cache=cache, remote_repos=repositories, timeout=TIMEOUT)
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact(jar.classifier)
    path = jar.path(cache)
    failure: Exception | None = None
    for _ in range(ATTEMPTS):
        path.unlink(missing_ok=True)
        try:
            artifact.resolve()
        except (
            OSError,
            RuntimeError,
        ) as error:  # requests' errors are OSErrors; jgo raises RuntimeError for 404
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise
            failure = error
            continue
        if _sha256(path) == jar.sha256:
            return
        path.unlink()
        raise Problem(
            f"{jar.artifact} {jar.version} came with another content than {LOCK.name} says",
            remedy="do not use it; check the Maven repository or mirror that it came from",
        )
    raise Problem(
        f"Kafka's jars could not be fetched ({jar.artifact} {jar.version}: {type(failure).__name__})",
        remedy="check the network or its proxy settings, or set MAVEN_REPOSITORY_URL to your mirror, "
        "or KAFKA_BOOTSTRAP_SERVERS to a broker of your own, and start again",
    ) from failure


def write_lock(coordinates: list[str], lock: Path = LOCK) -> None:
    """Resolve `coordinates` anew and write the lock (a maintainer's step: `python -m loopctl.local.jars`)."""
    from jgo.maven import MavenContext

    cache = user_cache() / "maven"
    context = MavenContext(repo_cache=cache)
    inputs, transitive = context.resolver.resolve([context.create_dependency(c) for c in coordinates])
    lines = [
        "# Kafka's jars, in jgo's lock format. Written by `python -m loopctl.local.jars`, from:",
        *(f"#   {coordinate}" for coordinate in coordinates),
    ]
    artifacts = {str(d.artifact): d.artifact for d in [*inputs, *transitive]}
    for _, artifact in sorted(artifacts.items()):
        lines += [
            "",
            "[[dependencies]]",
            f'groupId = "{artifact.groupId}"',
            f'artifactId = "{artifact.artifactId}"',
            f'version = "{artifact.version}"',
            f'sha256 = "{_sha256(artifact.resolve())}"',
        ]
    lock.write_text("\n".join(lines) + "\n")


KAFKA = "4.1.1"
LOG4J = "2.25.3"
COORDINATES = [
    f"org.apache.kafka:kafka_2.13:{KAFKA}",
    f"org.apache.kafka:kafka-clients:{KAFKA}",  # unpinned, a dependency's BOM pulls in an older one
    f"org.apache.logging.log4j:log4j-core:{LOG4J}",
    f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J}",
]

if __name__ == "__main__":
    write_lock(COORDINATES)
    sys.stdout.write(f"{LOCK}: {len(read_lock())} jars\n")
