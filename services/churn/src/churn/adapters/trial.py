"""A model that nobody here has loaded is tried in a process of its own, before it is stored.

XGBoost reads bytes in C++, where broken ones can end the process, or make it ask for all memory there is: of a good
model's bytes with a few of them changed, every tenth does. A model that passed is known by its sha256 from then on.
"""

from __future__ import annotations

import asyncio
import base64
import resource
import sys
from contextlib import suppress

import orjson

from churn.adapters.stored_model import BadModelError, StoredModel

PATIENCE = 60.0
"""Wall seconds; a model of this service's own takes two, most of them for importing XGBoost."""
CPU_SECONDS, MEMORY = 30, 4 << 30
"""What the trial may use."""
BAD = 3
"""Exit code of a trial that says on stdout what is wrong."""


async def attempt(stored: StoredModel) -> None:
    """Raises BadModelError for a model that cannot be loaded, or that gives no probabilities."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "churn.adapters.trial",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told, _ = await asyncio.wait_for(process.communicate(_packed(stored)), PATIENCE)
    except TimeoutError as error:
        raise BadModelError(f"the bytes are no model: reading them takes more than {PATIENCE:.0f} s") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):  # it has ended by now
                process.kill()
            await process.wait()
    if process.returncode == BAD:
        raise BadModelError(told.decode())
    if process.returncode:
        raise BadModelError(f"the bytes are no model: reading them ended the process ({process.returncode})")


def _packed(stored: StoredModel) -> bytes:
    return orjson.dumps(
        {
            "content": base64.b64encode(stored.content).decode(),
            "sha256": stored.sha256,
            "features": stored.features,
            "calibration": stored.calibration,
            "libraries": stored.libraries,
            "kind": stored.kind,
        }
    )


def _unpacked(packed: bytes) -> StoredModel:
    told = orjson.loads(packed)
    content = base64.b64decode(told["content"])
    return StoredModel(
        content, told["sha256"], tuple(told["features"]), told["calibration"], told["libraries"], told["kind"]
    )


def main() -> int:
    """Read a model on stdin and load it; what is wrong goes to stdout."""
    from churn.adapters import risk_model  # XGBoost: the service imports it with its first model

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    stored = _unpacked(sys.stdin.buffer.read())
    try:
        risk_model.unpack(stored)
    except BadModelError as error:
        wrong = str(error)
    except Exception as error:  # noqa: BLE001  (whatever a library makes of bytes that are no model)
        wrong = f"the bytes are no model: {error!r}"
    else:
        return 0
    sys.stdout.write(wrong[:1000])
    return BAD


if __name__ == "__main__":
    sys.exit(main())
