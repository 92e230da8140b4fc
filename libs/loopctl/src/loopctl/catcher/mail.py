"""A mail server that takes everything and delivers nothing (aiosmtpd), except where it is asked to fail."""

from __future__ import annotations

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from loopctl.catcher.faults import Fault, Faults
from loopctl.catcher.store import Caught, Store

REFUSED_PEOPLE = ("bounce@",)
"""Mailboxes that do not exist, so that tests can meet a 550."""
OWN_HEADERS = {"delivery_id": "X-CSL-Delivery", "client_id": "X-CSL-Client", "case_id": "X-CSL-Case"}
SIZE_LIMIT = 10 << 20


class MailCatcher:
    """The hooks that aiosmtpd calls; its names are fixed."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self.store = store
        self.faults = faults

    async def handle_RCPT(  # noqa: N802  (aiosmtpd's name and signature)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.lower().startswith(REFUSED_PEOPLE):
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  (aiosmtpd's name)
        fault = self.faults.take("email")
        if fault and (answer := refused(fault)):
            return answer
        if fault is None or fault.kind == "hang_after":
            self._keep(envelope)
        if fault is None:
            return "250 2.0.0 Queued"
        await asyncio.sleep(fault.hang_seconds)
        return "421 4.4.2 Timeout, closing"

    def _keep(self, envelope: Envelope) -> None:
        raw = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        parsed = message_from_bytes(raw, policy=policy.default)
        assert isinstance(parsed, EmailMessage)  # noqa: S101  (policy.default promises it)
        body: dict[str, Any] = {
            "from": str(parsed["From"] or envelope.mail_from),
            "to": [str(address) for address in envelope.rcpt_tos],
            "headers": {name: str(value) for name, value in parsed.items()},
            "text": _part(parsed, "plain"),
            "html": _part(parsed, "html"),
            "size": len(raw),
        }
        own = {field: str(parsed[header]) if parsed[header] else None for field, header in OWN_HEADERS.items()}
        for address in envelope.rcpt_tos:
            self.store.add(
                Caught(
                    "email",
                    address.lower(),
                    str(parsed["Subject"] or ""),
                    body,
                    delivery_id=own["delivery_id"],
                    client_id=own["client_id"],
                    case_id=own["case_id"],
                )
            )


def _part(message: EmailMessage, subtype: str) -> str:
    part = message.get_body(preferencelist=(subtype,))
    return str(part.get_content()) if part is not None else ""


def refused(fault: Fault) -> str | None:
    answers = {
        "rate_limited": f"451 4.7.1 Too many messages, try again in {fault.retry_after} seconds",
        "server_error": "421 4.3.0 Service not available",
        "unauthorized": "535 5.7.8 Authentication credentials invalid",
        "rejected": "550 5.1.1 No such mailbox",
        "missing_scope": "550 5.7.1 Sender not allowed",
    }
    return answers.get(fault.kind)


async def serve(store: Store, faults: Faults, host: str, port: int) -> asyncio.Server:
    """Listen on the running loop; several connections at once."""
    hooks = MailCatcher(store, faults)
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        return SMTP(hooks, hostname="catcher.local", enable_SMTPUTF8=True, data_size_limit=SIZE_LIMIT, loop=loop)

    return await loop.create_server(protocol, host=host, port=port)
