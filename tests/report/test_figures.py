"""Figures: SVG that any page can hold, and the same picture in a terminal."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from spritedocs.report import Bars, Blocks, Figure, Lines, Measurement
from spritedocs.report.ticks import log_ticks, written

ALT = 'Two bars, <3 & 4> "quoted"'
SIX = Measurement.of("epoch_s_0", [2.0, 2.1, 1.9] * 2, "s", "none <at> all & so")
FEW = Measurement.of("epoch_s_4", [0.5, 0.52], "s")
FIGURES = {
    "bars": Bars(ALT, [SIX, FEW], [0, 5]),
    "bars of nothing": Bars(ALT, [Measurement.of("waiting", [0.0], "s")]),
    "lines": Lines(
        ALT, {"a <&>": [(0, SIX), (8, FEW)], "plain": [(2, 1.0), (8, 3.0)]}, "helpers", "s & more", "even"
    ),
    "lines on logarithms": Lines(
        ALT,
        {"many": [(10.0 ** (n / 4), 0.4 * 10.0 ** (n / 20)) for n in range(21)]},
        "µs",
        "×",
        "log",
        reference=(1.0, "break <even>"),
    ),
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
    assert any(found)
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


def test_a_figure_is_slim_and_its_numbers_are_whole() -> None:
    small = Measurement.of("making_ms", [0.060123, 0.060125, 0.060127] * 2, "ms")
    svg = Bars(ALT, [small]).svg()
    assert str(small) in " ".join(ElementTree.fromstring(svg).itertext())
    assert len(str(small)) > len("0.06 ms")
    assert "<g>" not in svg
    assert not re.search(r"\d\.\d{3}", re.sub(r">[^<]*<", "><", svg))


def test_bars_are_grey_without_helpers_then_purple_then_orange() -> None:
    svg = Bars(ALT, [SIX] * 6, range(6)).svg()
    assert re.findall(r"fill: var\(--sprite-series-(\d)\)", svg) == ["0", "1", "2", "3", "4", "1"]
    assert {*re.findall(r"fill: var\(--sprite-series-(\d)\)", Bars(ALT, [SIX, FEW]).svg())} == {"1"}


def test_blocks_of_a_colour_are_one_path_and_their_letters_share_a_style() -> None:
    rows = {"one": [0, 1, 2, 3] * 4, "two": [0, 1, 4, 5] * 4, "main": [-1] * 16}
    svg = Blocks(ALT, rows, names="ABCDEF").svg()
    paths = re.findall(r'd="([^"]*)"[^>]*stroke: var\(--sprite-(\S+)\);', svg)
    assert [(colour, path.count("M")) for path, colour in paths] == [
        ("series-1", 8 + 4),  # actor 4 has the first colour again
        ("series-2", 8 + 4),
        ("series-3", 4),
        ("series-4", 4),
        ("muted", 16),
    ]
    outlines = [outline for path, _ in paths for outline in re.findall(r"M[^z]*z", path)]
    assert len(set(outlines)) == 48
    assert all(re.fullmatch(r"M[\d.]+ [\d.]+H[\d.]+V[\d.]+H[\d.]+z", outline) for outline in outlines)
    assert "".join(t.strip() for t in ElementTree.fromstring(svg).itertext()).count("ABCD") == 4
    assert svg.count("<text") == 48 + 3
    assert svg.count("font-size") < 8
    assert len(svg) < 100 * 48


def test_a_block_stands_where_its_letter_does() -> None:
    svg = Blocks(ALT, {"one": [0, 1], "two": [1, 0]}, names="AB").svg()
    letters = {
        (float(x), float(y)): name for x, y, name in re.findall(r'x="([\d.]+)" y="([\d.]+)">([AB])<', svg)
    }
    for number, name in ((1, "A"), (2, "B")):
        [path] = re.findall(rf'd="([^"]*)"[^>]*series-{number}\)', svg)
        boxes = [tuple(map(float, box)) for box in re.findall(r"M([\d.]+) ([\d.]+)H([\d.]+)V([\d.]+)", path)]
        assert len(boxes) == 2
        for left, top, right, bottom in boxes:
            inside = [n for (x, y), n in letters.items() if left < x < right and top < y < bottom]
            assert inside == [name]


def test_terminal_bars_begin_in_one_column_and_are_to_scale() -> None:
    twice, once, nought = (Measurement.of(f"x{n}", [float(n)] * 6, "s", "x" * (n + 1)) for n in (2, 1, 0))
    lines = Bars(ALT, [twice, once, nought]).text().plain.splitlines()
    assert [line.index("█") for line in lines] == [4, 4, 4]
    assert [line.count("█") for line in lines] == [32, 16, 1]
    assert [line.split()[-2:] for line in lines] == [["2", "s"], ["1", "s"], ["0", "s"]]


def test_a_terminal_shows_bars_of_nothing_too() -> None:
    assert FIGURES["bars of nothing"].text().plain == "waiting █ about 0 s\n"


def test_lines_are_labelled_with_what_occurs_and_what_they_are_compared_with() -> None:
    even = [t.strip() for t in ElementTree.fromstring(FIGURES["lines"].svg()).itertext() if t.strip()]
    assert [tick for tick in even if tick in ("0", "2", "4", "8")][:3] == ["0", "2", "8"]
    assert {"a <&>", "plain", "helpers", "s & more"} <= set(even)


def test_logarithms_have_ticks_that_people_read() -> None:
    svg = FIGURES["lines on logarithms"].svg()
    texts = [t.strip() for t in ElementTree.fromstring(svg).itertext() if t.strip()]
    assert texts == [
        *("1", "10", "100", "1,000", "10,000", "100,000", "µs"),
        *("0", "1", "2", "3", "4", "×", "break <even>", "many"),
    ]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.4, 5, "0.5 1 2 4"),
        (0.9, 1.1, "0.5 1 2"),  # beyond the ends, where there would be one or none
        (1.2, 1.9, "1 2"),
        (0.03, 0.4, "0.05 0.1 0.2"),
        (60, 900, "100 200 500"),
        (3, 40000, "10 100 1,000 10,000"),
        (1, 1e12, "1 100 10,000 1m 100m 10,000m 1,000,000m"),
    ],
)
def test_ticks_are_round_and_few(low: float, high: float, ticks: str) -> None:
    assert " ".join(written(tick).replace(" million", "m") for tick in log_ticks(low, high)) == ticks


def test_an_interval_is_a_band_about_its_line() -> None:
    def heights(y: Measurement | float) -> set[str]:
        svg = Lines(ALT, {"one": [(0, y), (1, y)]}, "x", "y").svg()
        [band] = re.findall(r'href="#(\S+)"[^>]*fill-opacity', svg)
        [outline] = re.findall(rf'id="{band}" d="([^"]*)"', svg)
        return set(re.findall(r"[ML] \S+ (\S+)", outline))

    assert len(heights(SIX)) == 2
    assert len(heights(SIX.median)) == 1


def test_terminal_lines_share_a_scale_and_tell_first_and_last() -> None:
    rising, flat = [(n, float(n)) for n in (1, 4, 7)], [(n, 7.0) for n in (1, 4, 7)]
    lines = Lines(ALT, {"up": rising, "flat": flat}, "helpers", "items/s").text().plain.splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["up", "▂▅█"], ["flat", "███"]]
    assert lines[0].endswith("1 → 7")
    assert lines[2].strip() == "items/s; helpers: 1, 4, 7"


def test_terminal_lines_rise_and_may_be_level() -> None:
    text = FIGURES["lines on logarithms"].text().plain.splitlines()[0].split()[1]
    assert (text[0], text[-1]) == ("▂", "█")
    assert list(text) == sorted(text)
    level = Lines(ALT, {"level": [(0, 0.0), (1, 0.0)]}, "x", "y").text().plain
    assert "██" in level


@pytest.mark.parametrize("series", [{}, {"none": []}])
def test_lines_without_points_are_refused(series: dict[str, list[tuple[float, float]]]) -> None:
    with pytest.raises(ValueError, match="a figure of lines needs points"):
        Lines(ALT, series, "x", "y")


def test_a_long_name_of_an_axis_is_written_in_several_lines() -> None:
    label = "items in the order of their arrival; same letter, same random draw"
    for figure in (Blocks(ALT, {"a": [0]}, x_label=label), Bars(ALT, [FEW], x_label=label)):
        lines = [text for text in ElementTree.fromstring(figure.svg()).itertext() if "letter" in text]
        assert len(lines) == 1
        assert len(lines[0]) <= 40


def test_terminal_blocks_name_who_did_what_in_order() -> None:
    text = Blocks(ALT, {"a": [0, 1], "long": [-1, 0]}, names=["ann", "bob"], main="me").text().plain
    assert [line.split() for line in text.splitlines()] == [["a", "ann", "bob"], ["long", "me", "ann"]]
    assert len({line.index(name) for line, name in zip(text.splitlines(), ("ann", "me"), strict=True)}) == 1
