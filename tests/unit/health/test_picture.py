"""The picture of a score: the same bytes for the same data, readable by eye and ear, and nothing from elsewhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from health.picture import DARK, LIGHT, TONES, Picture, Point, svg

PICTURES = Path(__file__).parent / "pictures"
UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=90)
BANDS = [("green", 1280), ("amber", 960), ("red", 0)]
FOUR = [("healthy", 1280), ("stable", 960), ("at_risk", 640), ("critical", 0)]
SVG = "{http://www.w3.org/2000/svg}"


def point(day: int, score: int | None, band: str = "amber", model: str = "loop", version: int = 1) -> Point:
    return Point(SINCE + timedelta(days=day), score, band, model, version)


def drawn(points, *, name="Northwind Labs", bands=BANDS, confidence=870) -> Picture:
    return Picture(name, points, bands, confidence, SINCE, UNTIL)


def handed_off() -> Picture:
    """Up in onboarding, handed off, a gap, down again, another version, today."""
    points = [point(day, 900 + 7 * day, model="onboarding") for day in range(0, 30, 3)]
    points += [point(day, 1400 - 4 * day, "green") for day in range(30, 50, 4)]
    points += [point(50, None, "unknown"), point(54, 1180), point(58, 1150)]
    points += [point(day, 1300 - 9 * day, version=2) for day in range(60, 88, 3)]
    return drawn([*points, point(89, 470, "red", version=2)], name="Müller & Söhne <GmbH>")


def lines(picture: Picture) -> list[str]:
    return re.findall(r'<polyline class="trend".* points="([^"]*)"', svg(picture))


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_the_same_data_give_the_same_bytes(theme: str):
    """Kept in `pictures`, to look at: a change of them is a change of what people see."""
    assert svg(handed_off(), theme) == (PICTURES / f"handed_off.{theme}.svg").read_text()


def test_lines_never_span_models_and_turns_are_marked():
    picture = handed_off()
    text = svg(picture)
    assert len(lines(picture)) == 4  # onboarding, loop before and after the gap, loop v2
    assert text.count("stroke-dasharray") == 2
    labels = [node.text for node in ElementTree.fromstring(text).iter(f"{SVG}text")]
    assert {"loop", "loop v2"} <= set(labels)


def test_of_turns_close_together_the_last_is_named():
    published = [point(day, 1300) for day in range(60)]
    taken_back = [point(60, 900, version=2), *(point(day, 1300) for day in range(61, 89))]
    text = svg(drawn([*published, *taken_back]))
    assert text.count("stroke-dasharray") == 2
    above = [node for node in ElementTree.fromstring(text).iter(f"{SVG}text") if node.get("y") == "48"]
    assert [node.text for node in above] == ["loop v1"]


def test_it_says_in_words_what_it_shows():
    tree = ElementTree.fromstring(svg(handed_off()))
    assert tree.get("role") == "img"
    assert tree.get("aria-labelledby") == "title desc"
    assert tree.findtext(f"{SVG}title") == "Health of Müller & Söhne <GmbH>: 29 of 100, red"
    said = tree.findtext(f"{SVG}desc")
    assert said is not None
    assert said.startswith("Model loop v2, confidence 87%. −18.1 points since 2 May 2026.")  # of this model only
    assert "Model loop v1 since 2 Apr 2026." in said


def test_names_are_escaped_and_nothing_comes_from_elsewhere():
    nasty = '"><script>alert(1)</script>&<style>@import url(//x)</style>'
    text = svg(drawn([point(1, 800)], name=nasty))
    tree = ElementTree.fromstring(text)
    assert {node.tag.removeprefix(SVG) for node in tree.iter()} <= {
        "svg", "title", "desc", "style", "rect", "text", "line", "polyline", "circle"
    }  # fmt: skip
    assert not re.search(r"href|url\(|@import|<script", text.replace("url(//x)", "").replace("@import", "", 2))
    assert len(list(tree.iter(f"{SVG}style"))) == 1


def test_a_client_without_a_score_and_one_seen_once():
    nothing = svg(drawn([point(80, None, "unknown")], confidence=0))
    assert "no score, unknown" in nothing
    assert "circle" not in nothing
    once = svg(drawn([point(80, 1500, "healthy", "experience")], bands=FOUR))
    assert "93 of 100, healthy" in once
    assert "polyline" not in once


def test_a_score_just_below_a_band_is_not_shown_in_it():
    assert "79 of 100" in svg(drawn([point(80, 1279)]))


def test_themes_name_the_same_colours_for_every_band():
    assert LIGHT.keys() == DARK.keys()
    assert set(TONES.values()) <= LIGHT.keys()
    both = svg(handed_off(), "auto")
    assert "prefers-color-scheme:dark" in both
    assert "prefers-color-scheme" not in svg(handed_off(), "dark")


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_words_are_readable_on_their_ground(colours: dict[str, str]):
    """WCAG AA: text of any size has a contrast of 4.5 to its ground."""
    for tone in ("ink", "soft", *set(TONES.values())):
        assert contrast(colours[tone], colours["ground"]) >= 4.5, tone


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        r, g, b = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
