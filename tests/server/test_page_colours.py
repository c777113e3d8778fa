"""What stands on what can be read: the contrasts of the page's colours, computed from its style sheet."""

import re
from pathlib import Path

import pytest

from spoolq.server import page

STYLE = Path(page.__file__).with_name("page").joinpath("colours.css").read_text(encoding="utf-8")
COLOURS = {
    name: pair for name, *pair in re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", STYLE)
}
THEMES = {"light": 0, "dark": 1}

#: Text on its ground: 4.5 to 1 (WCAG 2.2, 1.4.3).
TEXT = [
    *((text, ground) for text in ("text", "dim", "link") for ground in ("ground", "surface", "log")),
    *(
        (text, ground)
        for text in ("text", "dim")
        for ground in ("grey-soft", "orange-soft", "red-soft", "blue-soft", "hit")
    ),
    *((state, f"{state}-soft") for state in ("green", "red", "orange", "blue", "grey")),
    *((state, ground) for state in ("green", "red", "grey") for ground in ("ground", "surface")),
    ("link", "blue-soft"),
    ("on-strong", "strong"),
    *((name, "log") for name in COLOURS if name.startswith("ansi-")),
]
#: What must be seen to be used, and bars of a chart: 3 to 1 (WCAG 2.2, 1.4.11).
SHAPES = [
    *(("edge", ground) for ground in ("ground", "surface")),
    *(("focus", ground) for ground in ("ground", "surface", "log", "blue-soft")),
    ("strong", "grey-soft"),
    *((name, ground) for name in COLOURS if name.startswith("series-") for ground in ("ground", "surface")),
]


def luminance(colour):
    """The relative luminance of `#rrggbb` (WCAG 2.2)."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """The contrast of two colours, from 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_measure_is_the_known_one():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_every_colour_is_one_of_the_sheet():
    # Given all style sheets, When they are searched for colours, Then only this one has any, a light and a dark of each
    sources = Path(page.__file__).with_name("page").glob("*.css")
    others = {path.name: path.read_text(encoding="utf-8") for path in sources if path.name != "colours.css"}
    assert {
        name: re.findall(r"#[0-9a-f]{3,8}\b", text)
        for name, text in others.items()
        if re.search(r"#[0-9a-f]{3,8}\b", text)
    } == {}
    used = {name for text in others.values() for name in re.findall(r"var\(--([\w-]+)\)", text)}
    assert used == set(COLOURS), "a colour that is not there, or that nothing uses"


def test_every_colour_is_held_to_something():
    held = {name for pair in TEXT + SHAPES for name in pair}
    assert set(COLOURS) - held == {"line"}, "`line` only parts what is next to each other"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("pair", "least"), [*((pair, 4.5) for pair in TEXT), *((pair, 3.0) for pair in SHAPES)], ids=str
)
def test_what_stands_on_what_can_be_read(theme, pair, least):
    # Given two colours that meet, When their contrast is computed, Then it is enough
    one, other = (COLOURS[name][THEMES[theme]] for name in pair)
    assert contrast(one, other) >= least, f"{pair[0]} on {pair[1]}: {contrast(one, other):.2f}"
