"""A model card's Markdown as a page: headings, paragraphs, lists, tables and plots, all that the cards use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

_STYLE = (
    "body{font:16px/1.55 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1f2933;"
    "background:#fff}p,ul{max-width:50rem}h2{margin-top:2.2rem;border-top:1px solid #e4e7eb;padding-top:1.2rem}"
    "table{border-collapse:collapse;margin:1rem 0;font-size:.9em;display:block;overflow-x:auto}"
    "td,th{border:1px solid #cfd5e1;padding:.3rem .7rem;text-align:left;font-variant-numeric:tabular-nums}"
    "td:first-child{min-width:7rem}"
    "td+td,th{white-space:nowrap}th,code{background:#f2f4f8}code{padding:.1rem .25rem;overflow-wrap:anywhere}"
    "img{max-width:100%;height:auto;display:block;margin:1rem 0}"
    "@media(prefers-color-scheme:dark){body{color:#eef1f4;background:#14181d}th,code{background:#232a37}"
    "td,th,h2{border-color:#3a4356}}"
)
_PLOT = re.compile(r"!\[([^\]]*)\]\[([\w-]+)\]")
_PICTURE = re.compile(r"\[([\w-]+)\]: (data:image/svg\+xml;base64,[A-Za-z0-9+/=]+)")


def html(markdown: str) -> str:
    """A complete page; whatever the card's words are, they stay words, and its pictures are nothing but pictures."""
    blocks = [block for block in re.split(r"\n\s*\n", markdown.strip()) if block]
    pictures = {found[1]: found[2] for found in map(_PICTURE.fullmatch, blocks) if found}
    title = escape(blocks[0].lstrip("# ")) if blocks else "Model card"
    body = "\n".join(_block(block, pictures) for block in blocks if not _PICTURE.fullmatch(block))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>"
    )


def _block(block: str, pictures: Mapping[str, str]) -> str:
    heading = re.match(r"(#{1,3}) (.+)", block)
    if heading:
        level = len(heading[1])
        return f"<h{level}>{_inline(heading[2])}</h{level}>"
    plot = _PLOT.fullmatch(block)
    if plot and plot[2] in pictures:
        return f'<img alt="{escape(plot[1])}" src="{pictures[plot[2]]}">'
    lines = block.splitlines()
    if lines[0].startswith("|"):
        return _table(lines)
    if lines[0].startswith("- "):
        return "<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in lines) + "</ul>"
    return f"<p>{_inline(' '.join(lines))}</p>"


def _table(lines: list[str]) -> str:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    head = "".join(f"<th>{_inline(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>" for row in rows[2:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _inline(text: str) -> str:
    safe = escape(text)
    safe = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", safe)
    return re.sub(r"`(.+?)`", r"<code>\1</code>", safe)
