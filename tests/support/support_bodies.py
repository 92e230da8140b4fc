"""Bodies of Intercom and Jira in their documented shape, in values of our own."""

from __future__ import annotations

from typing import Any

SECONDS = 1_772_442_000


def notice(topic: str, item: Any, **more: Any) -> dict[str, Any]:
    return {"type": "notification_event", "id": "notif_1", "topic": topic, "created_at": SECONDS,
            "delivery_attempts": 1, "data": {"type": "notification_event_data", "item": item}, **more}  # fmt: skip


def part(author: str, body: str | None = "<p>Still broken!</p>", at: int = SECONDS - 60) -> dict[str, Any]:
    return {
        "id": "p-1",
        "part_type": "comment",
        "body": body,
        "created_at": at,
        "author": {"type": author, "id": "c-1"},
    }


def conversation(*parts: dict[str, Any], begun_by: str = "user", **more: Any) -> dict[str, Any]:
    """As since 2.0: `source` and `contacts`."""
    return {
        "type": "conversation", "id": "215", "created_at": SECONDS - 600, "state": "open", "priority": "not_priority",
        "source": {"id": "m-1", "subject": "Help", "body": "<p>It fails</p>",
                   "author": {"type": begun_by, "id": "c-1"}},
        "contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": "c-1", "external_id": "24"}]},
        "conversation_parts": {"type": "conversation_part.list", "conversation_parts": list(parts)}, **more,
    }  # fmt: skip


def ticket(**more: Any) -> dict[str, Any]:
    return {"type": "ticket", "id": "300", "category": "Customer", "company_id": "co-1", "created_at": SECONDS - 900,
            "ticket_state": {"category": "resolved"}, "contacts": {"contacts": [{"id": "c-1"}]}, **more}  # fmt: skip


def person(**more: Any) -> dict[str, Any]:
    return {"type": "contact", "id": "c-1", "external_id": "24", "role": "user", "name": "Ada Okafor",
            "email": "ada@acme.example", **more}  # fmt: skip


def issue(**fields: Any) -> dict[str, Any]:
    return {
        "id": "10040", "key": "SUP-41",
        "fields": {"project": {"key": "SUP"}, "summary": "Export fails", "created": "2026-03-02T08:00:00.000+0000",
                   "updated": "2026-03-02T09:00:00.000+0000", "priority": {"name": "Highest"},
                   "status": {"name": "In Progress", "statusCategory": {"key": "indeterminate"}}, **fields},
    }  # fmt: skip


def event(name: str | None, shown: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    named = {"webhookEvent": name} if name else {}
    return {"timestamp": SECONDS * 1000, **named, "issue": shown or issue(), **more}


def changed(*fields: str) -> dict[str, Any]:
    return {"changelog": {"id": "1", "items": [{"field": field, "fieldId": field} for field in fields]}}


CUSTOMER = {"accountId": "qm:1", "accountType": "customer", "displayName": "Ada", "emailAddress": "ada@acme.example"}


AGENT = {"accountId": "557:2", "accountType": "atlassian", "emailAddress": "maya@ours.example"}


FIELD = {
    "client_field": "customfield_10050",
    "client_field_kind": "hubspot:company",
    "clients": {"Acme Inc": "stripe:customer:cus_9"},
}
