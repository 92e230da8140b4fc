"""Bodies of CRMs in their documented shape, in values of our own."""

from __future__ import annotations

from typing import Any

ACCOUNT, CONTACT, DEAL, CASE = "001xx000003D8i1AAC", "003xx000004TmiQAAS", "006xx000001SvWYAA0", "500xx000000bVbMAAU"


DAY = 1_772_442_000_000
"""2026-03-02T09:00:00Z in milliseconds."""


def change(kind: str, change_type: str, fields: dict[str, Any] | None = None, **header: Any) -> dict[str, Any]:
    ids = {"Account": ACCOUNT, "Contact": CONTACT, "Opportunity": DEAL, "Case": CASE}
    told_by = {"entityName": kind, "changeType": change_type, "recordIds": [ids.get(kind, "a0Bxx0000000001AAA")],
               "commitTimestamp": DAY, "transactionKey": "t-1", "sequenceNumber": 1, **header}  # fmt: skip
    return {"ChangeEventHeader": told_by, **(fields or {})}


def soap(*things: tuple[str, str, dict[str, str]], org: str = "00Dxx0000001gEREAY", head: str = "") -> bytes:
    """(notification id, type, fields) …"""
    shown = "".join(
        f'<Notification><Id>{key}</Id><sObject xsi:type="sf:{kind}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
        + "".join(f"<sf:{name}>{value}</sf:{name}>" for name, value in fields.items())
        + "</sObject></Notification>"
        for key, kind, fields in things
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<soapenv:Envelope'
        ' xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
        f'<OrganizationId>{org}</OrganizationId><SessionId xsi:nil="true"/>{shown}</notifications>'
        "</soapenv:Body></soapenv:Envelope>"
    ).encode()


def v2(entity: str, action: str, data: Any, previous: Any = None, **meta: Any) -> dict[str, Any]:
    about = {"action": action, "entity": entity, "id": "9f6c-1", "timestamp": "2026-03-02T09:00:00.000Z",
             "version": "2.0", "change_source": "app", "user_id": "77", **meta}  # fmt: skip
    return {"meta": about, "data": data, "previous": previous}


def v1(thing: str, action: str, current: Any, previous: Any = None, **meta: Any) -> dict[str, Any]:
    about = {"action": action, "object": thing, "id": 7, "timestamp": 1772442000, "v": 1, "user_id": 77, **meta}
    return {"v": 1, "event": f"{action}.{thing}", "meta": about, "current": current, "previous": previous, "retry": 0}


CUSTOM = {
    "company_properties": {"name": "name", "a1": "tier", "b2": "mrr", "c3": "key_features", "d4": "seats"},
    "company_refs": {"e5": "stripe:customer"},
    "options": {"a1": {"17": "Enterprise"}, "c3": {"13": "reports", "14": "automation"}},
}


WRAPPED = {"a1": {"id": 17, "type": "enum"}, "b2": {"type": "monetary", "value": 200, "currency": "EUR"},
           "c3": {"type": "set", "values": [{"id": 13}, {"id": 14}]}, "d4": {"type": "double", "value": 12},
           "e5": {"type": "varchar", "value": "cus_9"}}  # fmt: skip


PLAIN = {"a1": "17", "b2": 200, "b2_currency": "EUR", "c3": "13", "d4": 12, "e5": "cus_9"}


def activity(**changes: Any) -> dict[str, Any]:
    return {"id": 2, "type": "meeting", "org_id": 7, "person_id": 8, "deal_id": None, "owner_id": 77, "done": False,
            "due_date": "2026-03-05", "due_time": "14:30", "duration": "00:45", **changes}  # fmt: skip
