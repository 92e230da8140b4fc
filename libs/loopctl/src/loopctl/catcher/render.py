"""Block Kit as HTML, close to how Slack shows it. Everything is escaped first; only our own tags are put in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup, escape

LINK = re.compile(r"&lt;((?:https?|mailto):[^|&\s]+(?:&amp;[^|&\s]+)*)(?:\|(.*?))?&gt;")
MENTION = re.compile(r"&lt;([@#!][^|&]*)(?:\|(.*?))?&gt;")
EDGE = r"(?<![\w*_~`]){0}(?=\S)([^{0}\n]+?)(?<=\S){0}(?![\w*_~`])"
STYLES = [(re.compile(EDGE.format(re.escape(mark))), tag) for mark, tag in (("*", "b"), ("_", "i"), ("~", "s"))]
CODE = re.compile(r"`([^`\n]+)`")


def mrkdwn(text: str) -> Markup:
    """Slack's mark-up: `*bold*`, `_italic_`, `~strike~`, code, `<url|text>`, lines.

    Slack's own escapes (&amp; &lt; &gt;) stand for characters; bare < > are its commands.
    """
    parts: list[str] = []
    # Slack's three escapes become private characters, so that they do not turn into commands.
    hidden = text.replace("&lt;", "\ue000").replace("&gt;", "\ue001").replace("&amp;", "\ue002")
    for line in str(escape(hidden)).split("\n"):
        html = LINK.sub(lambda m: f'<a href="{m[1]}" rel="noreferrer">{m[2] or m[1]}</a>', line)
        html = MENTION.sub(lambda m: f'<span class="mention">{m[2] or m[1]}</span>', html)
        html = CODE.sub(r"<code>\1</code>", html)
        for pattern, tag in STYLES:
            html = pattern.sub(rf"<{tag}>\1</{tag}>", html)
        if html.startswith("&amp;gt; "):
            html = f"<blockquote>{html[9:]}</blockquote>"
        parts.append(html)
    joined = "<br>".join(parts)
    shown = joined.replace("\ue000", "&lt;").replace("\ue001", "&gt;").replace("\ue002", "&amp;")
    return Markup(shown)  # noqa: S704  (escaped above; only our own tags were added)


def text_of(value: Mapping[str, Any]) -> Markup:
    raw = str(value.get("text", ""))
    return mrkdwn(raw) if value.get("type") == "mrkdwn" else Markup("<br>").join(raw.split("\n"))


def _header(block: Mapping[str, Any], _: str) -> Markup:
    return Markup('<div class="b-header">{}</div>').format(text_of(block["text"]))


def _section(block: Mapping[str, Any], _: str) -> Markup:
    html = Markup("")
    if "text" in block:
        html += Markup('<div class="b-section">{}</div>').format(text_of(block["text"]))
    if block.get("fields"):
        items = Markup("").join(Markup("<div>{}</div>").format(text_of(field)) for field in block["fields"])
        html += Markup('<div class="b-fields">{}</div>').format(items)
    return html


def _context(block: Mapping[str, Any], _: str) -> Markup:
    items = Markup(" &nbsp; ").join(text_of(item) for item in block["elements"] if item.get("type") != "image")
    return Markup('<div class="b-context">{}</div>').format(items)


def safe_url(url: str) -> str:
    """Only what a browser may open from a message."""
    return url if url.startswith(("https://", "http://", "mailto:")) else "#"


def _actions(block: Mapping[str, Any], press: str) -> Markup:
    buttons = Markup("")
    for button in block["elements"]:
        style = button.get("style", "")
        if button.get("url"):
            buttons += Markup('<a class="b-button {}" href="{}" rel="noreferrer">{}</a>').format(
                style, safe_url(button["url"]), text_of(button["text"])
            )
        else:
            buttons += Markup('<button class="b-button {}" name="action" value="{}">{}</button>').format(
                style, button.get("action_id", ""), text_of(button["text"])
            )
    return Markup('<form class="b-actions" method="post" action="{}">{}</form>').format(press, buttons)


SHOWN: dict[str, Callable[[Mapping[str, Any], str], Markup]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "divider": lambda _block, _press: Markup("<hr>"),
}


def blocks_html(message: Mapping[str, Any], press: str) -> Markup:
    """`press` is where a pressed button is posted."""
    blocks = message.get("blocks") or []
    if not blocks:
        return mrkdwn(str(message.get("text", "")))
    return Markup("").join(SHOWN[block["type"]](block, press) for block in blocks if block["type"] in SHOWN)
