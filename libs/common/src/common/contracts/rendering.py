"""The JSON of an event, written from its parts: what `Event.to_json` makes, without building an `Event` first.

For history, which comes by the hundred thousand. A test holds it against `Event.to_json`, byte for byte.
"""

from __future__ import annotations

from datetime import datetime

from common.contracts.base import Origin


def instant(value: datetime) -> str:
    """A moment in UTC as the envelope writes it."""
    return f"{value.isoformat()[:-6]}Z"


def rendered(
    id: str,  # noqa: A002  (CloudEvents' own word)
    source: str,
    type: str,  # noqa: A002  (CloudEvents' own word)
    subject: str,
    time: str,
    knowntime: str,
    origin: Origin,
    sequence: int,
    data: str,
    claimedtime: str | None = None,
) -> str:
    """CloudEvents structured JSON. `data` is the body as JSON; all other text is free of what JSON escapes."""
    claimed = f',"claimedtime":"{claimedtime}"' if claimedtime else ""
    return (
        f'{{"specversion":"1.0","id":"{id}","source":"{source}","type":"{type}","subject":"{subject}","time":"{time}",'
        f'"datacontenttype":"application/json","dataschema":"csl/schemas/{type}.json","knowntime":"{knowntime}",'
        f'"origin":"{origin.value}","sequence":{sequence},"data":{data}{claimed}}}'
    )
