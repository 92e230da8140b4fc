"""What a person opens: the inboxes, a message, everything about a client or a case."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from loopctl.catcher.press import Presser
from loopctl.catcher.render import blocks_html
from loopctl.catcher.store import Caught, Store

SHOWN = 60
"""Messages on one page."""
CHANNELS = {"slack": "Slack", "email": "E-mail", "crm": "CRM"}
EMAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups"

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


class Pages:
    def __init__(self, store: Store) -> None:
        self.store = store

    def page(self, title: str, where: dict[str, str], before: int | None, **more: Any) -> HTMLResponse:
        found = self.store.find(limit=SHOWN + 1, before=before, newest_first=True, where=where)
        query = more.get("query", {})
        older = "?" + urlencode({**query, "before": found[SHOWN - 1].id}) if len(found) > SHOWN else None
        html = templates.get_template("inbox.html.j2").render(
            title=title,
            items=[view(caught) for caught in found[:SHOWN]],
            older=older,
            inboxes=self.store.inboxes(),
            last_id=self.store.last_id(),
            **more,
        )
        return HTMLResponse(html, headers={"Cache-Control": "no-store"})


def router(store: Store, presser: Presser) -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    pages = Pages(store)

    @routes.get("/")
    async def front(channel: str = "", inbox: str = "", before: int | None = None) -> HTMLResponse:
        where = {"channel": channel, "inbox": inbox}
        title = inbox or CHANNELS.get(channel, "Everything")
        return pages.page(title, where, before, here=(channel, inbox), query={k: v for k, v in where.items() if v})

    @routes.get("/clients/{client_id}")
    async def client(client_id: str, before: int | None = None) -> HTMLResponse:
        return pages.page("What people were told about this client", {"client_id": client_id}, before, client=client_id)

    @routes.get("/cases/{case_id}")
    async def case(case_id: str, before: int | None = None) -> HTMLResponse:
        return pages.page("What people were told about this case", {"case_id": case_id}, before, case=case_id)

    @routes.get("/crm")
    async def crm() -> HTMLResponse:
        html = templates.get_template("crm.html.j2").render(
            title="The CRM now",
            companies=store.companies(),
            inboxes=store.inboxes(),
            last_id=store.last_id(),
            here=("crm", "*"),
        )
        return HTMLResponse(html, headers={"Cache-Control": "no-store"})

    @routes.get("/messages/{id_}")
    async def message(id_: int) -> HTMLResponse:
        return pages.page("One message", {}, id_ + 1) if store.get(id_) is None else _one(pages, id_)

    @routes.get("/messages/{id_}/html")
    async def email(id_: int) -> HTMLResponse:
        """The mail's own HTML; scripts, forms and remote pictures stay dead."""
        caught = store.get(id_)
        body = caught.body.get("html") or "" if caught else ""
        return HTMLResponse(body, headers={"Content-Security-Policy": EMAIL_POLICY})

    @routes.post("/messages/{id_}/press")
    async def press(id_: int, request: Request) -> RedirectResponse:
        action = (await request.body()).decode().partition("action=")[2].partition("&")[0]
        caught = store.get(id_)
        if caught is not None:
            await presser.press(caught, action)
        return RedirectResponse(request.headers.get("referer") or f"/messages/{id_}", status_code=303)

    return routes


def _one(pages: Pages, id_: int) -> HTMLResponse:
    caught = pages.store.get(id_)
    assert caught is not None  # noqa: S101  (the caller looked)
    html = templates.get_template("inbox.html.j2").render(
        title=caught.subject,
        items=[view(caught)],
        older=None,
        inboxes=pages.store.inboxes(),
        last_id=pages.store.last_id(),
        here=(caught.channel, caught.inbox),
    )
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})
