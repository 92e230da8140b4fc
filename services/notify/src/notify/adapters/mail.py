"""E-mail by aiosmtplib: HTML and text from templates, a stable Message-ID, headers that nothing can break out of."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path

import aiosmtplib
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from notify.domain.attempt import NotSent, Sent
from notify.domain.message import Message, number, one_line
from notify.domain.rules import Tone
from notify.repository.queue import Claimed
from notify.settings import Settings

COLOURS = {Tone.CRITICAL: "#c62f2f", Tone.WARNING: "#c77700", Tone.INFO: "#2f5fc6", Tone.GOOD: "#2b8a4b"}
WORDS = {Tone.CRITICAL: "Act now", Tone.WARNING: "Needs attention", Tone.INFO: "For you", Tone.GOOD: "Good news"}
POLICY = SMTP.clone(max_line_length=320)
"""Subjects stay on one line: folded ones gain a space in some mail programs (RFC 5322 allows 998 characters)."""
GOOD_SCORE, FAIR_SCORE = 80, 60

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
    autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_environment.filters["number"] = number


def score_colour(score: float) -> str:
    if score >= GOOD_SCORE:
        return "#2b8a4b"
    return "#d99100" if score >= FAIR_SCORE else "#c62f2f"


_environment.globals["score_colour"] = score_colour


def html_of(message: Message) -> str:
    return _render("message.html.j2", message)


def text_of(message: Message) -> str:
    return _render("message.txt.j2", message)


def _render(template: str, message: Message) -> str:
    return _environment.get_template(template).render(
        message=message, colour=COLOURS[message.tone], word=WORDS[message.tone]
    )


def message_id(claimed: Claimed, domain: str) -> str:
    """The same for every attempt, so that a mail system that got it twice can tell."""
    return f"<{claimed.delivery_id}@{domain}>"


def compose(claimed: Claimed, message: Message, *, sender: str, at: datetime) -> EmailMessage:
    """The mail, ready to send. `at` is wall time."""
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    mail = EmailMessage(policy=POLICY)
    mail["From"] = sender
    mail["To"] = claimed.recipient
    mail["Subject"] = one_line(message.title)
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = message_id(claimed, domain)
    thread = claimed.case_id or claimed.client_id
    if thread is not None:
        # All mails of a case (or a client) hang on one root, which need not exist: mail programs thread by it.
        mail["References"] = f"<thread.{thread}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-CSL-Delivery"] = str(claimed.delivery_id)
    mail["X-CSL-Rule"] = claimed.rule
    if claimed.client_id is not None:
        mail["X-CSL-Client"] = str(claimed.client_id)
    if claimed.case_id is not None:
        mail["X-CSL-Case"] = str(claimed.case_id)
    mail.set_content(text_of(message))
    mail.add_alternative(html_of(message), subtype="html")
    return mail


class MailSender:
    """One connection a mail: a few a minute need no more."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, claimed: Claimed, message: Message, *, at: datetime) -> Sent:
        """Raises NotSent."""
        settings = self._settings
        try:
            mail = compose(claimed, message, sender=settings.mail_from, at=at)
        except (ValueError, IndexError) as error:
            raise NotSent(f"no mail can be addressed like this: {error}", permanent=True) from error
        try:
            # As bytes: the library would fold the headers its own way.
            await aiosmtplib.send(
                mail.as_bytes(),
                sender=parseaddr(settings.mail_from)[1],
                recipients=[claimed.recipient],
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_user or None,
                password=settings.smtp_password.get_secret_value() or None,
                use_tls=settings.smtp_tls == "tls",
                start_tls=settings.smtp_tls == "starttls",
                timeout=settings.send_timeout_seconds,
            )
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise refused(error) from error
        return Sent({"message_id": str(mail["Message-ID"])})


def refused(error: Exception) -> NotSent:
    """What the mail server's word means for the delivery: 4xx passes, 5xx does not (RFC 5321, 4.2.1)."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPConnectResponseError):
        return NotSent(f"the mail server does not serve now: {error.code} {error.message}", target_down=True)
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        reason = f"the mail server refused our login: {error.code} {error.message}"
        return NotSent(reason, permanent=error.code >= 500, target_down=error.code < 500)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        permanent = error.code >= 500
        down = error.code == 421
        return NotSent(f"the mail server refused: {error.code} {error.message}", permanent=permanent, target_down=down)
    if isinstance(error, aiosmtplib.SMTPConnectError | aiosmtplib.SMTPConnectTimeoutError | ConnectionRefusedError):
        return NotSent(f"the mail server cannot be reached: {error}", target_down=True)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return NotSent(f"the mail server cannot do what is configured: {error}", permanent=True)
    return NotSent(f"the mail server did not answer: {type(error).__name__}: {error}", uncertain=True, target_down=True)
