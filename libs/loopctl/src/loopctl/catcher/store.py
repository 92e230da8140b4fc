"""What was caught, kept in one SQLite file so that it survives restarts. All SQL of the catcher is here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from common.clock import SystemClock

Channel = Literal["slack", "email", "crm"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS caught (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    channel TEXT NOT NULL,
    inbox TEXT NOT NULL,
    subject TEXT NOT NULL,
    delivery_id TEXT,
    client_id TEXT,
    case_id TEXT,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS caught_inbox ON caught (channel, inbox, id);
CREATE INDEX IF NOT EXISTS caught_delivery ON caught (delivery_id);
CREATE INDEX IF NOT EXISTS caught_client ON caught (client_id, id);
CREATE TABLE IF NOT EXISTS companies (id TEXT PRIMARY KEY, properties TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS properties (name TEXT PRIMARY KEY, definition TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS slack_names (id TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pressed (caught_id INTEGER NOT NULL, action TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (caught_id, action));
"""

CLOCK = SystemClock()
FILTERS = ("channel", "inbox", "delivery_id", "client_id", "case_id")


@dataclass(frozen=True, slots=True)
class Caught:
    """One message or write-back as it arrived. `inbox` is where a person would look for it."""

    channel: Channel
    inbox: str
    subject: str
    body: Mapping[str, Any]
    delivery_id: str | None = None
    client_id: str | None = None
    case_id: str | None = None
    id: int = 0
    at: str = ""
    pressed: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def wall_now() -> str:
    """RFC 3339, UTC, milliseconds."""
    return CLOCK.wall().isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Store:
    """Single-threaded: one event loop owns it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "caught.sqlite3", isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def add(self, caught: Caught) -> int:
        row = self._db.execute(
            "INSERT INTO caught (at, channel, inbox, subject, delivery_id, client_id, case_id, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                caught.at or wall_now(),
                caught.channel,
                caught.inbox,
                caught.subject,
                caught.delivery_id,
                caught.client_id,
                caught.case_id,
                json.dumps(caught.body),
            ),
        )
        return int(row.lastrowid or 0)

    def replace_body(self, id_: int, body: Mapping[str, Any]) -> None:
        self._db.execute("UPDATE caught SET body = ? WHERE id = ?", (json.dumps(body), id_))

    def get(self, id_: int) -> Caught | None:
        found = self._rows("WHERE c.id = ?", (id_,), "", 1)
        return found[0] if found else None

    def find(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
        where: Mapping[str, str] | None = None,
    ) -> list[Caught]:
        """Messages with `after` < id < `before`; `where` takes the names in FILTERS."""
        clauses = ["c.id > ?"]
        parameters: list[Any] = [after]
        if before is not None:
            clauses.append("c.id < ?")
            parameters.append(before)
        for name in FILTERS:
            if where and where.get(name):
                clauses.append(f"c.{name} = ?")
                parameters.append(where[name])
        order = "DESC" if newest_first else "ASC"
        return self._rows("WHERE " + " AND ".join(clauses), parameters, f"ORDER BY c.id {order}", limit)

    def _rows(self, where: str, parameters: Iterable[Any], order: str, limit: int) -> list[Caught]:
        pressed = "(SELECT group_concat(action, ' ') FROM pressed p WHERE p.caught_id = c.id) AS pressed"
        query = f"SELECT c.*, {pressed} FROM caught c {where} {order} LIMIT ?"  # noqa: S608  (our own clauses)
        rows = self._db.execute(query, (*parameters, limit))
        return [
            Caught(
                channel=row["channel"],
                inbox=row["inbox"],
                subject=row["subject"],
                body=json.loads(row["body"]),
                delivery_id=row["delivery_id"],
                client_id=row["client_id"],
                case_id=row["case_id"],
                id=row["id"],
                at=row["at"],
                pressed=tuple((row["pressed"] or "").split()),
            )
            for row in rows
        ]

    def inboxes(self) -> list[dict[str, Any]]:
        """Every inbox with its number of messages and its newest id."""
        rows = self._db.execute(
            "SELECT channel, inbox, count(*) AS messages, max(id) AS last_id FROM caught"
            " GROUP BY channel, inbox ORDER BY channel DESC, inbox"
        )
        return [dict(row) for row in rows]

    def last_id(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM caught").fetchone()[0])

    def press(self, id_: int, action: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO pressed VALUES (?, ?, ?)", (id_, action, wall_now()))

    def clear(self, where: Mapping[str, str]) -> int:
        """Forget what was caught (all of it, or what the filters name); says how much."""
        named = [name for name in FILTERS if where.get(name)]
        clause = " AND ".join(f"{name} = ?" for name in named) or "1 = 1"
        gone = self._db.execute(
            f"DELETE FROM caught WHERE {clause}",  # noqa: S608  (column names are ours)
            [where[name] for name in named],
        ).rowcount
        self._db.execute("DELETE FROM pressed WHERE caught_id NOT IN (SELECT id FROM caught)")
        return gone

    # The CRM's own memory: a company keeps the properties that were written.

    def company(self, id_: str) -> dict[str, Any]:
        row = self._db.execute("SELECT properties FROM companies WHERE id = ?", (id_,)).fetchone()
        return dict(json.loads(row["properties"])) if row else {}

    def companies(self) -> list[dict[str, Any]]:
        rows = self._db.execute("SELECT * FROM companies ORDER BY updated_at DESC")
        return [
            {"id": row["id"], "updated_at": row["updated_at"], "properties": json.loads(row["properties"])}
            for row in rows
        ]

    def write_company(self, id_: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        kept = self.company(id_) | dict(properties)
        self._db.execute(
            "INSERT INTO companies VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE"
            " SET properties = excluded.properties, updated_at = excluded.updated_at",
            (id_, json.dumps(kept), wall_now()),
        )
        return kept

    def forget_companies(self) -> None:
        self._db.execute("DELETE FROM companies")

    def property_names(self) -> dict[str, dict[str, Any]]:
        rows = self._db.execute("SELECT name, definition FROM properties")
        return {row["name"]: json.loads(row["definition"]) for row in rows}

    def change_property(self, name: str, changes: Mapping[str, Any]) -> dict[str, Any] | None:
        """The definition as it is now; None if there is none of this name."""
        definition = self.property_names().get(name)
        if definition is None:
            return None
        changed = {**definition, **changes, "name": name}
        self._db.execute("UPDATE properties SET definition = ? WHERE name = ?", (json.dumps(changed), name))
        return changed

    def define_property(self, definition: Mapping[str, Any]) -> bool:
        """False when there is one of that name already."""
        row = self._db.execute(
            "INSERT OR IGNORE INTO properties VALUES (?, ?)", (definition["name"], json.dumps(definition))
        )
        return row.rowcount == 1

    # Slack ids are derived from names; the way back is remembered.

    def remember_name(self, id_: str, name: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO slack_names VALUES (?, ?)", (id_, name))

    def slack_channels(self) -> list[tuple[str, str]]:
        """(id, name) of the channels seen so far, direct messages not among them."""
        rows = self._db.execute("SELECT id, name FROM slack_names WHERE id LIKE 'C%' ORDER BY name")
        return [(row["id"], row["name"]) for row in rows]

    def name_of(self, id_: str) -> str | None:
        row = self._db.execute("SELECT name FROM slack_names WHERE id = ?", (id_,)).fetchone()
        return str(row["name"]) if row else None
