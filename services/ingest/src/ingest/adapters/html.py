"""HTML mail and comments as the text that a reader sees."""

from __future__ import annotations

import re
import warnings

from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning
from bs4.exceptions import ParserRejectedMarkup

_LOOKS_LIKE_HTML = re.compile(
    r"<(?:/?(?:p|div|br|html|body|span|table|blockquote|pre|code|ul|li|a|b|i|strong|em)\b|!doctype)", re.IGNORECASE
)
_NOT_SAID = ("script", "style", "pre", "code", "blockquote", "head", "title")
_QUOTES = ("gmail_quote", "moz-cite-prefix", "yahoo_quoted", "zd-quoted")
_TAG = re.compile(r"<[^<>]{0,2000}>")
MAX_CHARS = 100_000

warnings.filterwarnings("ignore", category=MarkupResemblesLocatorWarning)


def visible(text: str) -> str:
    """Plain text as it is; HTML without code, quotes and markup. Never raises: markup of strangers is often broken."""
    if not _LOOKS_LIKE_HTML.search(text):
        return text
    try:
        return _rendered(text[:MAX_CHARS])
    except (RecursionError, ParserRejectedMarkup, AssertionError):
        return _TAG.sub(" ", text[:MAX_CHARS])


def _rendered(text: str) -> str:
    soup = BeautifulSoup(text, "html.parser")
    for tag in soup.find_all(_NOT_SAID):
        tag.decompose()
    for name in _QUOTES:
        for tag in soup.find_all(class_=name):
            tag.decompose()
    for tag in soup.find_all(["br", "p", "div", "li", "tr"]):
        tag.insert_after("\n")
    return soup.get_text()
