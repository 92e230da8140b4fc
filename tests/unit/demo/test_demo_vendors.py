"""What the simulated vendors post means, in ingest's own reading, what happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from ingest.domain.statement import Ignored, Statement
from ingest.sources import VENDORS, load_sources
from loopctl.demo import script
from loopctl.demo.behaviour import INTERNAL, Happening
from loopctl.demo.population import PLAY, present
from loopctl.demo.portfolio import HERO, world_name
from loopctl.demo.vendors import Post, noise, told

CONFIG = Path(__file__).parents[3] / "deploy" / "config"
BEGAN = datetime(2026, 5, 4, 12, tzinfo=UTC)
WORLD = present(world_name(7, 1), BEGAN, 12)


@pytest.fixture(scope="module")
def sources() -> dict[str, Any]:
    return dict(load_sources(CONFIG))


def read(post: Post, sources: dict[str, Any]) -> list[Statement]:
    """The statements that ingest makes of a post."""
    vendor, config = VENDORS[sources[post.source].vendor], sources[post.source]
    found: list[Statement] = []
    for event in vendor.split(post.body, {}, config):
        meant = vendor.interpret(event, config)
        assert isinstance(meant, list), f"{post.source} ignores {event.kind}: {meant}"
        found += meant
    return found


def in_the_play() -> list[tuple[int, int, Happening]]:
    return [
        (number, place, happening)
        for number in range(len(WORLD.members))
        for place, happening in enumerate(WORLD.happenings(number))
        if BEGAN <= happening.at < BEGAN + PLAY and happening.source != INTERNAL
    ]


def test_every_webhook_of_the_play_says_what_happened(sources: dict[str, Any]) -> None:
    for number, place, happening in in_the_play():
        who = WORLD.members[number]
        statements = read(told(who, happening, f"life:{place}"), sources)
        ref = statements[0].refs[0]
        assert who.refs[happening.source] == ref.id or happening.source == "hubspot"
        if happening.source == "hubspot":
            continue
        (said,) = statements
        assert said.data is not None
        assert f"csl.client.{happening.name}.v1" == said.data.TYPE
        body = said.data.model_dump(mode="json", exclude_none=True)
        for field, value in happening.data.items():
            if field not in ("author", "status"):
                assert body[field] == value, (happening.name, field)
        assert said.text == happening.text
        assert said.time is not None
        assert abs((said.time - happening.at).total_seconds()) < 1


def test_the_sponsor_leaves_and_another_comes_in_hubspots_words(sources: dict[str, Any]) -> None:
    hero = WORLD.members[HERO]
    left = next(b for b in script.decline(hero, BEGAN) if b.name == "sponsor_left")
    (gone,) = read(told(hero, left.happening, "story:left"), sources)
    assert gone.contact is not None
    assert gone.contact.left
    comes = next(b for b in script.rescue(hero, BEGAN, BEGAN) if b.name == "sponsor_named")
    said = read(told(hero, comes.happening, "story:named"), sources)
    assert {s.contact.role for s in said if s.contact} >= {"sponsor"}
    assert any(ref.kind == "company" and ref.id == hero.refs["hubspot"] for s in said for ref in s.refs)


def test_noise_shows_that_a_feed_lives_and_says_nothing(sources: dict[str, Any]) -> None:
    for nth, murmur in enumerate(noise(BEGAN, BEGAN + timedelta(hours=12))):
        if murmur.source == INTERNAL:
            continue
        post = told(WORLD.members[1], murmur, f"noise:{nth}")
        vendor, config = VENDORS[sources[post.source].vendor], sources[post.source]
        (event,) = vendor.split(post.body, {}, config)
        meant = vendor.interpret(event, config)
        assert isinstance(meant, Ignored)
        assert not meant.unknown


def test_sending_again_is_a_vendors_retry() -> None:
    """After a restart the world is made anew; bytes and ids are the same."""
    again = present(world_name(7, 1), BEGAN, 12)
    for number, place, happening in in_the_play():
        twin = again.happenings(number)[place]
        post, repeat = (
            told(WORLD.members[number], happening, f"life:{place}"),
            told(again.members[number], twin, f"life:{place}"),
        )
        assert post == repeat


def test_no_two_happenings_share_a_vendors_id() -> None:
    keys = []
    for number, place, happening in in_the_play():
        body = orjson.loads(told(WORLD.members[number], happening, f"life:{place}").body)
        first = body[0] if isinstance(body, list) else body
        keys.append((happening.source, first.get("messageId") or first.get("eventId") or first.get("id") or str(body)))
    assert len(keys) == len(set(keys))
