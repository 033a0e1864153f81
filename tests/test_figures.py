"""Figures: SVG that any page can hold, and the same picture in a terminal."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from spritedocs.figures import Bars, Blocks, Figure
from spritedocs.measurement import Measurement

ALT = 'Two bars, <3 & 4> "quoted"'
SIX = Measurement.of("epoch_s_0", [2.0, 2.1, 1.9] * 2, "s", "none <at> all & so")
FEW = Measurement.of("epoch_s_4", [0.5, 0.52], "s")
FIGURES = {
    "bars": Bars(ALT, [SIX, FEW], [0, 5]),
    "bars of nothing": Bars(ALT, [Measurement.of("waiting", [0.0], "s")]),
    "blocks": Blocks(ALT, {"first <&>": [0, 1, 2, 3, 4], "second": [-1, -1]}, x_label="batch & more"),
}


@pytest.fixture(params=FIGURES)
def figure(request: pytest.FixtureRequest) -> Figure:
    return FIGURES[request.param]


def identifiers(svg: str) -> set[str]:
    return set(re.findall(r'\bid="([^"]+)"', svg))


def test_the_svg_is_valid_and_says_in_words_what_it_shows(figure: Figure) -> None:
    root = ElementTree.fromstring(figure.svg())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == ALT
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    assert width > height > 0


def test_the_svg_is_one_line_without_style_metadata_or_comments(figure: Figure) -> None:
    svg = figure.svg()
    assert "\n" not in svg
    for unwanted in ("<style", "<metadata", "<!--", "<?xml", "<!DOCTYPE", "font-family", "matplotlib"):
        assert unwanted not in svg


def test_every_colour_is_the_pages(figure: Figure) -> None:
    svg = figure.svg()
    assert not re.findall(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b|rgb\(", svg)
    assert "var(--sprite-ink)" in svg


def test_ids_are_referred_to_found_and_shared_with_no_other_figure() -> None:
    found = [identifiers(figure.svg()) for figure in FIGURES.values()]
    assert all(found)
    assert len(set.union(*found)) == sum(map(len, found))
    for figure in FIGURES.values():
        referred = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', figure.svg()))
        assert referred == identifiers(figure.svg())


def test_a_figure_is_drawn_the_same_twice(figure: Figure) -> None:
    assert figure.svg() == figure.svg()


def test_the_text_of_a_figure_stays_text(figure: Figure) -> None:
    text = " ".join(ElementTree.fromstring(FIGURES["bars"].svg()).itertext())
    assert "none <at> all & so" in text
    assert str(SIX) in text
    assert "epoch_s_4" in text


def test_terminal_bars_begin_in_one_column_and_are_to_scale() -> None:
    twice, once, nought = (Measurement.of(f"x{n}", [float(n)], "s", "x" * (n + 1)) for n in (2, 1, 0))
    lines = Bars(ALT, [twice, once, nought]).text().plain.splitlines()
    assert [line.index("█") for line in lines] == [4, 4, 4]
    assert [line.count("█") for line in lines] == [32, 16, 1]
    assert [line.split()[-2:] for line in lines] == [["2", "s"], ["1", "s"], ["0", "s"]]


def test_a_terminal_shows_bars_of_nothing_too() -> None:
    assert FIGURES["bars of nothing"].text().plain == "waiting █ 0 s\n"


def test_terminal_blocks_name_who_did_what_in_order() -> None:
    text = Blocks(ALT, {"a": [0, 1], "long": [-1, 0]}, names=["ann", "bob"], main="me").text().plain
    assert [line.split() for line in text.splitlines()] == [["a", "ann", "bob"], ["long", "me", "ann"]]
    assert len({line.index(name) for line, name in zip(text.splitlines(), ("ann", "me"), strict=True)}) == 1
