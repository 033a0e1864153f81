"""Figures: SVG that any page can hold, and the same picture in a terminal."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from drawings import boxes, hidden, outside, svg_of, words

from spritedocs.report import Bars, Blocks, Dots, Figure, Lines, Measurement
from spritedocs.report.direct_labels import side_by_side, spread
from spritedocs.report.ticks import log_ticks, written

ALT = 'Two bars, <3 & 4> "quoted"'
SIX = Measurement.of("epoch_s_0", [2.0, 2.1, 1.9] * 2, "s", "none <at> all & so")
FEW = Measurement.of("epoch_s_4", [0.5, 0.52], "s")
NAME = "a name that is so long that nobody would give it to anything, and yet somebody did"


def about(number: float, label: str = "") -> Measurement:
    return Measurement.of("x", [0.95 * number, number, 1.05 * number] * 2, "s", label)


ORDERS = [about(10.0**n, f"of the order {n}") for n in range(-3, 4)]
NOTHING = Measurement.of("waiting", [0.0] * 6, "s")
FLAT = {name: [(x, y) for x in (0, 50, 100)] for name, y in (("a", 1.0), ("b", 1.01), ("c", 1.005))}
FIGURES = {
    "bars": Bars(ALT, [SIX, FEW], [0, 5]),
    "bars of nothing": Bars(ALT, [Measurement.of("waiting", [0.0], "s")]),
    "bars of six orders": Bars(ALT, [*ORDERS, NOTHING]),
    "bars below nothing": Bars(ALT, [about(-2.0), about(3.0)]),
    "bars with long names": Bars(ALT, [about(12.5, f"{NAME} {n}") for n in range(3)]),
    "dots": Dots(ALT, [*ORDERS, NOTHING]),
    "one dot": Dots(ALT, [FEW]),
    "dots of nothing": Dots(ALT, [NOTHING]),
    "dots with long names": Dots(ALT, [about(12.5, f"{NAME} {n}") for n in range(3)]),
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
    "lines on two logarithms": Lines(
        ALT,
        {
            name: [(0, 1.0), *((n, about(n**power)) for n in (1, 2, 4, 8))]
            for name, power in (("waiting", 1), ("png", 0.3))
        },
        "helpers",
        "times as fast",
        "log-log",
        mark=(2, "usable cores"),
        ideal="ideal",
    ),
    "lines over six orders": Lines(
        ALT,
        {"a": [(10.0**n, about(10.0 ** (n - 3))) for n in range(7)], "zero": [(1, 0.0), (2, 5.0)]},
        "x",
        "s",
        "log-log",
    ),
    "lines on each other": Lines(
        ALT, FLAT | {"d": [(0, 1.0), (100, 9.0)]}, "%", "MB", groups={"c": 2, "d": 0}
    ),
    "lines of one point": Lines(ALT, {"alone": [(4, 2.0)]}, "helpers", "s", "even"),
    "lines of nothing": Lines(ALT, {"idle": [(1, 0.0), (2, 0.0)]}, "helpers", "s"),
    "lines with long names": Lines(
        ALT, {f"{n}, {NAME}": [(0, 1.0), (1, n / 9)] for n in range(4)}, NAME, NAME, reference=(0.3, NAME)
    ),
    "blocks": Blocks(ALT, {"first <&>": [0, 1, 2, 3, 4], "second": [-1, -1]}, x_label="batch & more"),
    "many blocks": Blocks(ALT, {NAME[:40]: [*range(12)] * 5, "short": [1]}, x_label=NAME),
    "blocks with long names": Blocks(
        ALT, {"one": [0, 1, -1] * 5}, ["a step of the model", "b"], "the main process"
    ),
}


@pytest.fixture(params=FIGURES)
def figure(request: pytest.FixtureRequest) -> Figure:
    return FIGURES[request.param]


def identifiers(svg: str) -> set[str]:
    return set(re.findall(r'\bid="([^"]+)"', svg))


def test_the_svg_is_valid_and_says_in_words_what_it_shows(figure: Figure) -> None:
    root = ElementTree.fromstring(svg_of(figure))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == ALT
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    assert width > height > 0


def test_the_svg_is_one_line_without_style_metadata_or_comments(figure: Figure) -> None:
    svg = svg_of(figure)
    assert "\n" not in svg
    for unwanted in ("<style", "<metadata", "<!--", "<?xml", "<!DOCTYPE", "font-family", "matplotlib"):
        assert unwanted not in svg


def test_every_colour_is_the_pages(figure: Figure) -> None:
    svg = svg_of(figure)
    assert not re.findall(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b|rgb\(", svg)
    assert "var(--sprite-ink)" in svg


def test_ids_are_referred_to_found_and_shared_with_no_other_figure() -> None:
    found = [identifiers(svg_of(figure)) for figure in FIGURES.values()]
    assert any(found)
    assert len(set.union(*found)) == sum(map(len, found))
    for figure in FIGURES.values():
        referred = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg_of(figure)))
        assert referred == identifiers(svg_of(figure))


@pytest.mark.parametrize("name", ["bars", "dots", "lines", "blocks"])
def test_a_figure_is_drawn_the_same_twice(name: str) -> None:
    assert FIGURES[name].svg() == svg_of(FIGURES[name])


def test_the_text_of_a_figure_stays_text() -> None:
    text = " ".join(ElementTree.fromstring(svg_of(FIGURES["bars"])).itertext())
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


@pytest.mark.parametrize("wide", [False, True])
def test_letters_stand_side_by_side_within_the_picture(figure: Figure, wide: bool) -> None:
    assert len(boxes(figure, wide)) > 1
    assert (hidden(figure, wide), outside(figure, wide)) == ([], [])


def test_a_figure_is_drawn_for_a_phone_and_for_a_wide_column(figure: Figure) -> None:
    narrow, wide = (ElementTree.fromstring(svg_of(figure, wide)) for wide in (False, True))
    assert [(root.get("class"), root.get("display")) for root in (narrow, wide)] == [
        ("sprite-svg sprite-narrow", "none"),
        ("sprite-svg sprite-wide", None),  # which is what shows without the stylesheet
    ]
    for root, size in ((narrow, "12"), (wide, "14")):
        _, _, width, _ = map(float, (root.get("viewBox") or "").split())
        assert width == {"12": 328, "14": 760}[size]
        sizes = re.findall(r"font-size: (\d+)", ElementTree.tostring(root, "unicode"))
        assert set(sizes) == {size}


def test_bars_are_grey_without_helpers_then_purple_then_orange() -> None:
    svg = Bars(ALT, [SIX] * 7, range(7)).svg()
    assert re.findall(r"fill: var\(--sprite-series-(\d)\)", svg) == ["0", "1", "2", "3", "4", "5", "1"]
    assert {*re.findall(r"fill: var\(--sprite-series-(\d)\)", Bars(ALT, [SIX, FEW]).svg())} == {"1"}


def test_blocks_of_a_colour_are_one_path_and_their_letters_share_a_style() -> None:
    rows = {"one": [0, 1, 2, 3] * 4, "two": [0, 1, 4, 5] * 4, "main": [-1] * 16}
    svg = Blocks(ALT, rows, names="ABCDEF").svg()
    paths = re.findall(r'd="([^"]*)"[^>]*stroke: var\(--sprite-(\S+)\);', svg)
    assert [(colour, path.count("M")) for path, colour in paths] == [
        ("series-1", 8 + 4),  # actor 4 has the first colour again
        ("series-3", 8 + 4),  # orange is not a helper's
        ("series-4", 4),
        ("series-5", 4),
        ("muted", 16),
    ]
    outlines = [outline for path, _ in paths for outline in re.findall(r"M[^z]*z", path)]
    assert len(set(outlines)) == 48
    assert all(re.fullmatch(r"M[\d.]+ [\d.]+H[\d.]+V[\d.]+H[\d.]+z", outline) for outline in outlines)
    assert "".join(t.strip() for t in ElementTree.fromstring(svg).itertext()).count("ABCD") == 4
    assert svg.count("<text") == 48 + 3
    assert svg.count("font-size") < 8
    assert len(svg) < 100 * 48


@pytest.mark.parametrize("wide", [False, True])
def test_a_block_stands_where_its_letter_does(wide: bool) -> None:
    figure = Blocks(ALT, {"one": [0, 1] * 30, "two": [1, 0]}, names="AB")
    letters = [box for box in boxes(figure, wide) if box.text in ("A", "B")]
    for number, name in ((1, "A"), (3, "B")):
        [path] = re.findall(rf'd="([^"]*)"[^>]*series-{number}\)', svg_of(figure, wide))
        found = [tuple(map(float, box)) for box in re.findall(r"M([\d.]+) ([\d.]+)H([\d.]+)V([\d.]+)", path)]
        assert len(found) == 31
        for left, top, right, bottom in found:
            inside = [
                at.text
                for at in letters
                if left < (at.left + at.right) / 2 < right and top < (at.top + at.bottom) / 2 < bottom
            ]
            assert inside == [name]


def test_a_row_of_blocks_is_folded_where_it_is_too_long() -> None:
    figure = FIGURES["many blocks"]
    for wide in (False, True):
        numbers = [box for box in boxes(figure, wide) if box.text == "11"]
        assert len(numbers) == 5
        assert len({box.top for box in numbers}) > 1
    assert len({box.top for box in boxes(figure, False)}) > len({box.top for box in boxes(figure, True)})


def test_terminal_bars_begin_in_one_column_and_are_to_scale() -> None:
    twice, once, nought = (Measurement.of(f"x{n}", [float(n)] * 6, "s", "x" * (n + 1)) for n in (2, 1, 0))
    lines = Bars(ALT, [twice, once, nought]).text().plain.splitlines()
    assert [line.index("█") for line in lines] == [4, 4, 4]
    assert [line.count("█") for line in lines] == [32, 16, 1]
    assert [line.split()[-2:] for line in lines] == [["2", "s"], ["1", "s"], ["0", "s"]]


def test_a_terminal_shows_bars_of_nothing_too() -> None:
    assert FIGURES["bars of nothing"].text().plain == "waiting █ about 0 s\n"


def test_names_of_bars_stand_above_them_where_there_is_no_room_beside() -> None:
    for wide, beside in ((True, True), (False, False)):
        found = words(FIGURES["bars"], wide)  # whose longest name has 18 letters
        assert (str(SIX) in found) is beside
        assert (f"{SIX.label}: {SIX}" in found) is not beside
    long = " ".join(words(FIGURES["bars with long names"]))
    assert f"{NAME} 2: {about(12.5)}" in long


def test_dots_are_apart_by_their_logarithms() -> None:
    figure = Dots(ALT, ORDERS)
    xs = [float(x) for x in re.findall(r'<use xlink:href="[^"]*" x="([\d.]+)"', svg_of(figure))]
    assert len(xs) == 7
    steps = [after - before for before, after in pairwise(xs)]
    assert max(steps) - min(steps) < 0.05
    assert words(figure)[:7] == ["0.001", "0.01", "0.1", "1", "10", "100", "1,000"]


def test_what_is_nothing_has_no_dot_and_says_so() -> None:
    assert {"waiting", "0 s"} <= set(words(FIGURES["dots"]))
    assert "<use" not in svg_of(FIGURES["dots of nothing"])
    first, last = Dots(ALT, [about(1.0, "a"), NOTHING]).text().plain.splitlines()
    assert ("●" in first, "●" in last) == (True, False)


def test_terminal_dots_are_apart_by_their_logarithms() -> None:
    lines = Dots(ALT, ORDERS).text().plain.splitlines()
    places = [line.index("●") for line in lines]
    steps = {after - before for before, after in pairwise(places)}
    assert max(steps) - min(steps) <= 1
    assert min(steps) > 2


def test_lines_are_labelled_with_what_occurs_and_what_they_are_compared_with() -> None:
    even = words(FIGURES["lines"])
    assert [tick for tick in even if tick in ("0", "2", "4", "8")][:3] == ["0", "2", "8"]
    assert {"● a <&>", "■ plain", "helpers", "s & more"} <= set(even)


def test_lines_are_named_at_their_ends_in_their_colours() -> None:
    found = {box.text: box for box in boxes(FIGURES["lines on two logarithms"], True)}
    assert (found["● waiting"].colour, found["■ png"].colour, found["ideal"].colour) == (
        "series-1",
        "series-3",
        "muted",
    )
    assert found["ideal"].top < found["● waiting"].top < found["■ png"].top
    right = max(box.right for box in found.values() if box.text in ("1", "2", "4", "8"))
    assert all(found[name].left > right for name in ("● waiting", "■ png", "ideal"))
    assert found["usable cores"].bottom < min(found[name].top for name in ("ideal", "● waiting"))


def test_two_logarithms_have_ticks_that_people_read_and_no_zero() -> None:
    found = words(FIGURES["lines on two logarithms"])
    assert found[:8] == ["1", "2", "4", "8", "helpers", "1", "2", "4"]
    assert "0" not in found


def test_a_series_is_left_out_of_logarithms_where_it_is_zero() -> None:
    idle = {"idle": [(1, 0.0), (2, 0.0)]}
    some = words(Lines(ALT, idle | {"busy": [(1, 1.0), (2, 2.0)]}, "x", "y", "log-log"))
    assert ("■ busy" in some, "● idle" in some) == (False, False)
    assert "● busy" in some
    with pytest.raises(ValueError, match="a figure of lines needs points"):
        Lines(ALT, idle, "x", "y", "log-log")


def test_colours_that_mean_something_are_given_and_the_others_are_neither_grey_nor_orange() -> None:
    found = {
        box.text[2:]: box.colour
        for box in boxes(FIGURES["lines on each other"], True)
        if box.text[1:2] == " "
    }
    assert found == {"a": "series-1", "b": "series-3", "c": "series-2", "d": "muted"}


def test_lines_on_each_other_run_side_by_side() -> None:
    svg = svg_of(FIGURES["lines on each other"])
    levels = [
        {y for _, y in re.findall(r"[ML] ?(\S+) (\S+)", path)}
        for path in re.findall(
            r'<path d="([^"]*)"[^>]*stroke: var\(--sprite-series-[123]\)[^>]*stroke-width: 2', svg
        )
    ]
    heights = [float(y) for level in levels for y in level]
    assert len(heights) == 3
    assert all(abs(one - other) > 3.5 for one in heights for other in heights if one != other)


def test_only_lines_that_lie_on_each_other_are_moved() -> None:
    apart = {"up": {0: 0.0, 1: 1.0}, "down": {0: 1.0, 1: 0.0}, "meets": {0: 0.0, 1: 0.5}}
    assert side_by_side(apart) == dict.fromkeys(apart, 0.0)
    assert side_by_side({"a": {0: 1.0, 1: 1.0}, "b": {0: 1.0, 1: 1.0}}) == {"a": -0.5, "b": 0.5}
    assert side_by_side({"a": {0: 1.0}}) == {"a": 0.0}


@pytest.mark.parametrize(
    ("middles", "placed"),
    [
        ([5, 50, 95], [5, 50, 95]),
        ([50, 50, 50], [40, 50, 60]),
        ([0, 1, 100], [5, 15, 95]),
        ([100, 99, 98], [95, 85, 75]),
        ([48, 52, 60, 90], [43.333, 53.333, 63.333, 90]),
    ],
)
def test_labels_are_spread_no_further_than_they_must(middles: list[float], placed: list[float]) -> None:
    assert spread(middles, [10] * len(middles), 0, 100) == pytest.approx(placed, abs=0.01)


def test_logarithms_have_ticks_that_people_read() -> None:
    assert words(FIGURES["lines on logarithms"]) == [
        *("1", "10", "100", "1,000", "10,000", "100,000", "µs"),
        *("0", "1", "2", "3", "4", "many", "break <even>", "×"),
    ]
    assert not re.findall(
        r"10\^|mathdefault|×10|e[+-]\d", " ".join(" ".join(words(each)) for each in FIGURES.values())
    )


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
        lines = [text for text in words(figure, wide=False) if "letter" in text]
        assert len(lines) == 1
        assert len(lines[0]) <= 40


def test_terminal_blocks_name_who_did_what_in_order() -> None:
    text = Blocks(ALT, {"a": [0, 1], "long": [-1, 0]}, names=["ann", "bob"], main="me").text().plain
    assert [line.split() for line in text.splitlines()] == [["a", "ann", "bob"], ["long", "me", "ann"]]
    assert len({line.index(name) for line, name in zip(text.splitlines(), ("ann", "me"), strict=True)}) == 1
