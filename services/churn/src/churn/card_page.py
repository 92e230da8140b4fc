"""A model card's Markdown as a page: headings, paragraphs, lists and tables, all that the cards use."""

from __future__ import annotations

import re
from html import escape

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1c2230;"
    "background:#fff}table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #cfd5e1;padding:.3rem .7rem;"
    "text-align:left}th{background:#f2f4f8}code{background:#f2f4f8;padding:.1rem .25rem}"
    "@media(prefers-color-scheme:dark){body{color:#e4e8f0;background:#161a22}th,code{background:#232a37}"
    "td,th{border-color:#3a4356}}"
)


def html(markdown: str) -> str:
    """A complete page; whatever the card's words are, they stay words."""
    blocks = [block for block in re.split(r"\n\s*\n", markdown.strip()) if block]
    title = escape(blocks[0].lstrip("# ")) if blocks else "Model card"
    body = "\n".join(_block(block) for block in blocks)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>{body}</body></html>'
    )


def _block(block: str) -> str:
    heading = re.match(r"(#{1,3}) (.+)", block)
    if heading:
        level = len(heading[1])
        return f"<h{level}>{_inline(heading[2])}</h{level}>"
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
