"""What a person opens: the inboxes, a message, everything about a client or a case."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from loopctl.catcher.parts import Own, Parts
from loopctl.catcher.render import blocks_html
from loopctl.catcher.store import Caught

SHOWN = 60
"""Messages on one page."""
CHANNELS = {"slack": "Slack", "email": "E-mail", "crm": "CRM"}
EMAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups allow-popups-to-escape-sandbox"
)

templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(default=True)
)
templates.globals["channels"] = CHANNELS


def shown_time(at: str) -> str:
    return datetime.fromisoformat(at).strftime("%d %b %Y · %H:%M:%S UTC")


def initials(name: str) -> str:
    words = name.lstrip("#").split("@")[0].replace("-", ".").split(".")
    return "".join(word[:1] for word in words[:2]).upper() or "?"


def inbox_url(channel: str, inbox: str) -> str:
    return "/?" + urlencode({"channel": channel, "inbox": inbox})


templates.filters["shown_time"] = shown_time
templates.filters["initials"] = initials
templates.globals["inbox_url"] = inbox_url


def view(caught: Caught) -> dict[str, Any]:
    """What the template shows of one message."""
    more: dict[str, Any] = {"blocks": None}
    if caught.channel == "slack":
        more["blocks"] = blocks_html(caught.body, f"/messages/{caught.id}/press")
    return {**caught.as_json(), **more}


def page(own: Parts, title: str, where: dict[str, str], before: int | None, **more: Any) -> HTMLResponse:
    """Messages, newest first."""
    found = own.store.find(limit=SHOWN + 1, before=before, newest_first=True, where=where)
    query = more.get("query", {})
    older = "?" + urlencode({**query, "before": found[SHOWN - 1].id}) if len(found) > SHOWN else None
    return shown(
        own, "inbox.html.j2", title=title, items=[view(caught) for caught in found[:SHOWN]], older=older, **more
    )


def shown(own: Parts, template: str, **values: Any) -> HTMLResponse:
    """A page with its sidebar."""
    html = templates.get_template(template).render(inboxes=own.store.inboxes(), last_id=own.store.last_id(), **values)
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


router = APIRouter(include_in_schema=False)


@router.get("/")
async def front(own: Own, channel: str = "", inbox: str = "", before: int | None = None) -> HTMLResponse:
    where = {"channel": channel, "inbox": inbox}
    title = inbox or CHANNELS.get(channel, "Everything")
    return page(own, title, where, before, here=(channel, inbox), query={k: v for k, v in where.items() if v})


@router.get("/clients/{client_id}")
async def client(client_id: str, own: Own, before: int | None = None) -> HTMLResponse:
    return page(own, "What people were told about this client", {"client_id": client_id}, before, client=client_id)


@router.get("/cases/{case_id}")
async def case(case_id: str, own: Own, before: int | None = None) -> HTMLResponse:
    return page(own, "What people were told about this case", {"case_id": case_id}, before, case=case_id)


@router.get("/crm")
async def crm(own: Own) -> HTMLResponse:
    return shown(own, "crm.html.j2", title="The CRM now", companies=own.store.companies(), here=("crm", "*"))


@router.get("/messages/{id_}")
async def message(id_: int, own: Own) -> HTMLResponse:
    caught = own.store.get(id_)
    if caught is None:
        raise HTTPException(404, "no such message")
    here = (caught.channel, caught.inbox)
    return shown(own, "inbox.html.j2", title=caught.subject, items=[view(caught)], older=None, here=here)


@router.get("/messages/{id_}/html")
async def email(id_: int, own: Own) -> HTMLResponse:
    """The mail's own HTML; scripts, forms and remote pictures stay dead."""
    caught = own.store.get(id_)
    body = caught.body.get("html") or "" if caught else ""
    in_new_tab = body.replace("<head>", '<head><base target="_blank">', 1)
    return HTMLResponse(in_new_tab, headers={"Content-Security-Policy": EMAIL_POLICY})


@router.post("/messages/{id_}/press")
async def press(id_: int, request: Request, own: Own) -> RedirectResponse:
    action = (await request.body()).decode().partition("action=")[2].partition("&")[0]
    caught = own.store.get(id_)
    if caught is not None:
        await own.presser.press(caught, action)
    return RedirectResponse(request.headers.get("referer") or f"/messages/{id_}", status_code=303)
