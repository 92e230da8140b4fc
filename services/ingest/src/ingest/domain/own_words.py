"""The words that a writer has added: mail drags quotes, signatures, disclaimers, code and links along."""

from __future__ import annotations

import re

MAX_CHARS = 20_000
"""More is a log file, not a message."""
FAREWELL_LINES = 8
"""After a farewell come a name and a title; where more follows, it was none ("Thanks," at the beginning)."""
HEADERS_WITHIN = 4
_QUOTE_HEAD = re.compile(
    r"^\s*(?:On .{4,200} wrote:|Am .{4,200} schrieb .{0,100}:|Le .{4,200} a écrit ?:|El .{4,200} escribió:"
    r"|Il .{4,200} ha scritto:|Op .{4,200} schreef .{0,100}:|Em .{4,200} escreveu:|Den .{4,200} skrev .{0,100}:"
    r"|-{2,} ?(?:Original|Forwarded) [Mm]essage ?-{2,}.*|-{2,} ?(?:Ursprüngliche Nachricht|Message d'origine) ?-{2,}"
    r"|Begin forwarded message:|_{10,}|##- .* -##)\s*$"
)
_WRAPPED_HEAD = re.compile(r"^\s*(?:On|Am|Le|El|Il|Op|Em|Den) .{4,200}$")
"""Gmail breaks a long `On … wrote:` in two."""
_HEADER = re.compile(r"^\s*\*?(?:From|Von|De|Da|Van|Från)\s?:\*? .+$")
_SECOND_HEADER = re.compile(r"^\s*\*?(?:Sent|Date|To|Subject|Gesendet|Datum|An|Betreff|Envoyé|À|Objet)\s?:\*? .*$")
_SIGNATURE = re.compile(r"^\s*(?:-- ?|—|Sent from my \w+.*|Sent from (?:Outlook|Mail) .*|Get Outlook for .*)$")
_FAREWELL = re.compile(
    r"^\s*(?:(?:best|kind|warm|kindest|warmest)(?: regards| wishes)?|all the best|regards|rgds|br|cheers|sincerely"
    r"|yours(?: sincerely| truly| faithfully)?|(?:many )?thanks(?: (?:and|&) (?:best |kind )?regards| in advance)?"
    r"|thank you|thx|mit freundlichen grüßen|(?:viele|beste|liebe) grüße|mfg|cordialement|bien à vous|saludos|un saludo"
    r"|cordiali saluti|met vriendelijke groet(?:en)?|atenciosamente|med vänlig hälsning)\s*[,.!]?\s*$",
    re.IGNORECASE,
)
_DISCLAIMER = re.compile(
    r"^\s*(?:confidentiality notice|disclaimer\b|this (?:e-?mail|message|communication)(?: message)?(?: and| \(| is"
    r"| may| contains)|the information (?:contained )?in this (?:e-?mail|message)|diese e-mail (?:enthält|ist))",
    re.IGNORECASE,
)
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_INLINE = re.compile(r"`[^`\n]{1,200}`")
_URL = re.compile(r"(?:https?://|www\.)\S+")
_TRACE = re.compile(
    r"^(?:\s*at \S+\(.*|Traceback \(.*|\s*File \".*\", line \d+.*|\s*[\w.]+(?:Error|Exception)\b.*|\s{4,}\S.*)$"
)


def bare(text: str) -> str:
    """The writer's own new words: without quoted replies, signature, disclaimer, code and links."""
    text = _INLINE.sub(" ", _FENCED.sub("\n", text[:MAX_CHARS].replace("\r\n", "\n")))
    lines = text.split("\n")
    lines = lines[: _end_of_own(lines)]
    kept = [line for line in lines if not line.lstrip().startswith(">") and not _TRACE.match(line)]
    return _URL.sub(" ", "\n".join(kept)).strip()


def _end_of_own(lines: list[str]) -> int:
    """Where the writer's own words end: at a quote's head, a disclaimer, or a signature after some words."""
    end = next((n for n, line in enumerate(lines) if _quotes(lines, n) or _DISCLAIMER.match(line)), len(lines))
    said = False
    for n, line in enumerate(lines[:end]):
        closes = _FAREWELL.match(line) and sum(bool(rest.strip()) for rest in lines[n + 1 : end]) <= FAREWELL_LINES
        if said and (closes or _SIGNATURE.match(line)):
            return n
        said = said or (bool(line.strip()) and not line.lstrip().startswith(">"))
    return end


def _quotes(lines: list[str], n: int) -> bool:
    line, following = lines[n], lines[n + 1 : n + 1 + HEADERS_WITHIN]
    if _QUOTE_HEAD.match(line):
        return True
    if _HEADER.match(line):
        return any(_SECOND_HEADER.match(other) for other in following)
    return bool(following and _WRAPPED_HEAD.match(line) and _QUOTE_HEAD.match(f"{line} {following[0]}"))
