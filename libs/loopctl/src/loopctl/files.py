"""Small files that other programs read while we write them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_text(file: Path, content: str) -> None:
    """Replace a file at once, so that no reader sees half of it; only its owner may read it."""
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(content)
    temporary.replace(file)


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """The same for a JSON object."""
    write_text(file, json.dumps(content, indent=2) + "\n")
