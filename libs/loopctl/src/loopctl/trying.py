"""`loop sources try`: what a source's file makes of a body. Needs no running stack and stores nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.clock import SystemClock
from ingest import interpret
from ingest.config import Source
from ingest.domain.arrival import Item
from ingest.domain.statement import Statement
from ingest.reading import make_reader
from ingest.sources import load_source

from loopctl.errors import WrongUsage
from loopctl.sending import unwrap

ROWS = 20
"""Lines of a table that are shown."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What would become of it."""

    lines: list[str] = field(default_factory=list)
    readable: bool = True

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def body(config_dir: Path, name: str, file: Path) -> Tried:
    """A webhook's body, with its headers if the file has them. Raises WrongUsage for a wrong or missing source file."""
    source = _source(config_dir, name)
    raw, headers = unwrap(file.read_bytes(), source.kept_headers)
    said = interpret.arrival(
        source,
        raw,
        {key.lower(): value for key, value in headers.items()},
        SystemClock().wall(),
        make_reader(config_dir),
    )
    if said.unreadable is not None:
        return Tried([f"quarantined: {said.unreadable}"], readable=False)
    lines = [line for item in said.items for line in _item(item)]
    return Tried(lines or ["it holds no events"], not any(item.broken for item in said.items))


def table(config_dir: Path, name: str, file: Path) -> Tried:
    """The first rows of a CSV as the lines of its import, and every row that would not be taken. Raises WrongUsage."""
    from loopctl.spreadsheets import Spreadsheet

    sheet, shown, lines = Spreadsheet(file, config_dir / "sources" / f"{name}.yaml"), 0, list[str]()
    for block, _ in sheet.blocks(0):
        for line in block.splitlines():
            if line.strip() and shown < ROWS:
                shown += 1
                lines.append(line.decode())
    lines += [f"row {told['row']} {told['outcome']}: {told['reason']}" for told in sheet.report.told]
    lines.append(f"{sheet.rows} rows, {sheet.report.refused} refused, {sheet.report.skipped} skipped")
    return Tried(lines, readable=sheet.report.refused == 0)


def _source(config_dir: Path, name: str) -> Source:
    file = config_dir / "sources" / f"{name}.yaml"
    if not file.exists():
        raise WrongUsage(f"there is no {file.name} in {file.parent}")
    try:
        return load_source(file)
    except ValueError as wrong:
        raise WrongUsage(str(wrong)) from wrong


def _item(item: Item) -> list[str]:
    head = f"{item.kind} (key {item.key})"
    if item.broken is not None:
        return [f"{head}: quarantined: {item.broken}"]
    if item.ignored is not None:
        return [f"{head}: {'UNKNOWN kind' if item.unknown else 'ignored'}: {item.ignored}"]
    return [f"{head}:", *(line for statement in item.statements for line in _statement(statement))]


def _statement(said: Statement) -> list[str]:
    who = ", else ".join([*([str(said.client_id)] if said.client_id else []), *map(str, said.refs)])
    lines = [f"  {_what(said)}", f"    of {who}"]
    if said.links:
        lines.append(f"    links {', '.join(map(str, said.links))}")
    if said.hints:
        lines.append(f"    hints {', '.join(f'{name} {hint}' for name, hint in said.hints.items())}")
    lines.append(f"    at {said.time.isoformat() if said.time else 'the receipt'}")
    return lines


def _what(said: Statement) -> str:
    if said.contact is not None:
        told: dict[str, Any] = {name: getattr(said.contact, name) for name in said.contact.__slots__}
        return f"contact {json.dumps({name: value for name, value in told.items() if value}, ensure_ascii=False)}"
    if said.data is None:
        return "links only"
    data = said.data.model_dump(mode="json", exclude_none=True, by_alias=True)
    return f"{said.data.TYPE.split('.')[2]} {json.dumps(data, ensure_ascii=False)}"
