"""Make `.venv` as requirements.lock says: every package by its hash, our own packages editable.

Run by any Python that is there (`make setup`), before anything is installed; so it uses the standard library only, and
syntax that an old Python can read, to be able to say that it is too old.
"""
# ruff: noqa: UP031, PERF401, RUF005, S603 - an old Python must be able to read this

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
LOCK = os.path.join(ROOT, "requirements.lock")
STAMP = os.path.join(VENV, ".installed")
OLDEST = (3, 11)
NEED_MB = 2500
SIGN_OF_LIFE = 10
"""Seconds after which a step that is still at work says so."""


def main():
    os.chdir(ROOT)
    if sys.version_info < OLDEST:
        fail(
            "Python %d.%d is too old: install Python 3.11 or newer, or name one: make up PYTHON=/path/to/python3"
            % sys.version_info[:2]
        )
    if "--lock" in sys.argv:
        return lock()
    if installed() == wanted():
        return None
    need_space()
    create_venv()
    install_locked()
    install_ours()
    with open(STAMP, "w") as file:
        file.write(wanted())
    return None


def members():
    """Folders of our own packages, `common` first."""
    found = []
    for group in ("libs", "services"):
        for name in sorted(os.listdir(os.path.join(ROOT, group))):
            if os.path.exists(os.path.join(ROOT, group, name, "pyproject.toml")):
                found.append(os.path.join(group, name))
    return found


def wanted():
    """What the environment is made from: changes when the lock, a package's metadata or Python does."""
    digest = hashlib.sha256(("%s %s %d" % ((ROOT,) + sys.version_info[:2])).encode())
    for path in [LOCK] + [os.path.join(member, "pyproject.toml") for member in members()]:
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def installed():
    """What it was made from; empty when it is missing or broken."""
    try:
        with open(STAMP) as file:
            made_from = file.read()
        subprocess.run([PYTHON, "-c", ""], check=True, capture_output=True)
        return made_from
    except (OSError, subprocess.CalledProcessError):
        return ""


def need_space():
    free = shutil.disk_usage(ROOT).free >> 20
    if free < NEED_MB:
        fail("The disk has %d MB left and the installation needs %d MB: free some space" % (free, NEED_MB))


def create_venv():
    if working_venv():
        return
    with Step("Python environment"):
        done = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], capture_output=True, text=True)
    if done.returncode != 0:
        said = done.stdout + done.stderr
        if "ensurepip" in said or "No module named" in said:
            fail(
                "This Python has no venv module: install it (Debian, Ubuntu: apt install python%d.%d-venv)"
                % sys.version_info[:2]
            )
        fail("The environment .venv could not be made (%s): check the rights and the space here" % last_line(said))


def working_venv():
    """Whether .venv holds a Python of this very version, and pip (others make environments without it)."""
    asked = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
    try:
        told = subprocess.run([PYTHON, "-c", asked], capture_output=True, text=True)
    except OSError:
        return False
    return told.stdout.strip() == "%d.%d" % sys.version_info[:2]


def install_locked():
    """uv first, itself from the lock: it is ten times as fast. pip does it where uv has no build."""
    with Step("Installer"):
        has_uv = install_uv()
    with Step("Packages"):
        if has_uv and run([uv(), "pip", "install", "-q", "--python", PYTHON, "--require-hashes", "-r", LOCK]) is None:
            return
        failure = run([PYTHON, "-m", "pip", "install", "-q", "--require-hashes", "-r", LOCK])
        if failure is not None:
            no_registry(failure)


def install_uv():
    with open(LOCK) as file:
        block = re.search(r"^uv==.*\n(?:[ \t]+.*\n)*", file.read(), re.MULTILINE)
    if block is None:
        return False
    only = os.path.join(VENV, "uv.lock.txt")
    with open(only, "w") as file:
        file.write(block.group(0))
    failure = run([PYTHON, "-m", "pip", "install", "-q", "--require-hashes", "--no-deps", "-r", only])
    return failure is None and os.path.exists(uv())


def uv():
    return os.path.join(VENV, "bin", "uv")


def install_ours():
    """Editable and without dependencies: those are in the lock, with their hashes."""
    arguments = []
    for member in members():
        arguments += ["-e", member]
    with Step("Our packages"):
        failure = None
        if os.path.exists(uv()):
            failure = run(
                [uv(), "pip", "install", "-q", "--python", PYTHON, "--no-deps", "--no-build-isolation"] + arguments
            )
            if failure is None:
                return
        failure = run([PYTHON, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"] + arguments)
        if failure is not None:
            fail("Our own packages could not be installed (%s)" % last_line(failure))


def run(command):
    """None when it went well, else what it said. uv is told of the index that pip is configured for."""
    environment = dict(os.environ)
    if command[0] == uv() and not any(name in environment for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX")):
        index = pip_index()
        if index:
            environment["UV_DEFAULT_INDEX"] = index
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return None if done.returncode == 0 else (done.stderr or done.stdout or "no reason given")


def pip_index():
    if os.environ.get("PIP_INDEX_URL"):
        return os.environ["PIP_INDEX_URL"]
    done = subprocess.run([PYTHON, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def no_registry(said):
    if "No space left" in said or "os error 28" in said:
        fail("The disk is full: free some space, then run it again")
    if "hash" in said.lower() and "mismatch" in said.lower():
        fail(
            "A package came with another content than requirements.lock says: do not use it, check the registry (%s)"
            % last_line(said)
        )
    fail(
        "The packages could not be fetched (%s): check the network, the proxy, or the index that pip is configured for"
        % last_line(said)
    )


def lock():
    """Run the command that the first lines of the lock hold, then lock Kafka's jars."""
    with open(LOCK) as file:
        command = file.read().split("\n", 2)[1].lstrip("# ").split()
    for arguments in ([uv()] + command[1:] + ["--upgrade", "-q"], [PYTHON, "-m", "loopctl.local.jars"]):
        if subprocess.run(arguments, env=dict(os.environ, UV_CUSTOM_COMPILE_COMMAND=" ".join(command))).returncode:
            fail("The lock could not be written")


def last_line(said):
    lines = [line.strip() for line in said.strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason given"


def fail(sentence):
    sys.stderr.write(sentence.rstrip(".") + ".\n")
    sys.exit(1)


class Step:
    """Says how long something took, and that it is still at work."""

    def __init__(self, name):
        self.name = name
        self.done = threading.Event()

    def __enter__(self):
        self.began = time.monotonic()
        self.ticker = threading.Thread(target=self.tick)
        self.ticker.daemon = True
        self.ticker.start()

    def tick(self):
        while not self.done.wait(SIGN_OF_LIFE):
            self.say("  %-20s … %.0f s" % (self.name, time.monotonic() - self.began))

    def __exit__(self, kind, error, trace):
        self.done.set()
        self.ticker.join()
        if kind is None:
            self.say("  %-20s ready (%.1f s)" % (self.name, time.monotonic() - self.began))

    @staticmethod
    def say(line):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
