"""Lane pictures: who was busy when, to the eye, to a screen reader and in a terminal."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from drawings import svg_of
from hypothesis import given
from hypothesis import strategies as st

from spritedocs.timeline import Lanes, Span, Timeline
from spritedocs.timeline.strips import Piece, cells_of, pieces_of, runs_of

ALT = 'Lanes, <3 & 4> "quoted"'


def timeline(spans, wall_s, device="cpu", workers=0):
    return Timeline(tuple(spans), wall_s, "a clock", device, 0, workers)


def helped(batches, device="cpu"):
    """Two helpers in turns, a second a batch; the main process takes half of one to compute it."""
    spans = [Span("main", "wait", 0, 1.1, 0)]
    for n in range(batches):
        spans += [
            Span(f"helper {n % 2}", "load", n / 2, n / 2 + 0.9, n),
            Span(f"helper {n % 2}", "collate", n / 2 + 0.9, n / 2 + 1, n),
            Span("main", "copy", n / 2 + 1.1, n / 2 + 1.15, n),
            Span("main", "compute", n / 2 + 1.15, n / 2 + 1.5, n),
            Span("main", "wait", n / 2 + 1.5, n / 2 + 1.6, n + 1),
        ]
        if device != "cpu":
            spans += [Span("device", "compute", n / 2 + 1.2, n / 2 + 1.6, n)]
    return timeline(spans, batches / 2 + 1.6, device, workers=2)


ALONE = timeline(
    [
        Span("main", "wait", 0, 4, 0),
        Span("main", "load", 0.5, 3, 0),
        Span("main", "collate", 3, 3.5, 0),
        Span("main", "compute", 4, 6, 0),
        Span("main", "wait", 6, 8, 1),
        Span("main", "load", 6, 8, 1),
    ],
    8.0,
)
FIGURE = Lanes(ALT, {"without <&> helpers": ALONE, "with": helped(6)}, names={"main": "the <model>"})


def drawn(figure):
    return ElementTree.fromstring(svg_of(figure))


def words(figure):
    return [text.strip() for text in drawn(figure).itertext() if text.strip()]


def test_the_svg_is_one_line_in_the_pages_colours_and_says_what_it_shows():
    svg, root = svg_of(FIGURE), drawn(FIGURE)
    assert "\n" not in svg
    assert (root.get("role"), root.get("aria-label")) == ("img", ALT)
    assert not re.findall(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b|rgb\(|font-family", svg)
    assert svg == FIGURE.svg()


def test_panels_lanes_kinds_and_axis_are_named():
    assert {"without <&> helpers", "with", "helper 0", "helper 1", "the <model>"} <= set(words(FIGURE))
    assert {"load", "collate", "copy", "compute", "wait", "ms since the epoch began"} <= set(words(FIGURE))
    assert "copy" not in words(Lanes(ALT, {"without": ALONE}))
    assert "device" in words(Lanes(ALT, {"on a GPU": helped(6, "cuda:0")}))


def paths(figure):
    """What is drawn thick, as colour → list of (y, [(x, x), …])."""
    found = {}
    for element in drawn(figure).iter("{http://www.w3.org/2000/svg}path"):
        style = element.get("style") or ""
        if "stroke-width: 11" in style:
            colour = re.search(r"var\(--sprite-([\w-]+)\)", style)[1]
            ends = re.findall(r"[ML] ?(\S+) (\S+)", element.get("d"))
            xs = [float(x) for x, _ in ends]
            found.setdefault(colour, []).append(
                (float(ends[0][1]), list(zip(xs[::2], xs[1::2], strict=True)))
            )
    return found


def test_there_is_one_path_for_each_lane_and_kind_with_a_piece_for_each_bar():
    found = paths(FIGURE)
    loads = sorted(found["series-1"])
    assert [len(pieces) for _, pieces in loads] == [2, 3, 3]  # main without helpers, then two helpers
    assert [len(pieces) for _, pieces in found["series-3"]] == [1, 6]
    assert len({y for _, lanes in found.items() for y, _ in lanes}) == 4


def test_bars_are_to_scale():
    [(_, [first, second])] = paths(Lanes(ALT, {"without": ALONE}))["series-1"]
    per_second = (first[1] - first[0]) / 2.5
    assert second[1] - second[0] == pytest.approx(2 * per_second, abs=0.05)
    assert second[0] - first[0] == pytest.approx(5.5 * per_second, abs=0.05)


def test_batches_are_numbered_where_the_number_fits():
    numbers = [
        word for word in words(Lanes(ALT, {"with": helped(6)}, x_label="t")) if re.fullmatch(r"\d", word)
    ]
    assert sorted(numbers) == sorted("0" + "001122334455")  # the axis has a 0 too
    many = [word for word in words(Lanes(ALT, {"with": helped(40)})) if re.fullmatch(r"\d+", word)]
    assert len(many) <= 40 + 12  # and those of the axis


def test_many_lanes_that_all_begin_with_batch_0_are_numbered_too():
    spans = [Span(f"helper {n}", "load", batch, batch + 1, batch) for n in range(45) for batch in (0, 1)]
    found = words(Lanes(ALT, {"many": timeline(spans, 2.0)}, x_label="t"))
    assert found.count("0") >= 45
    assert found.count("1") < 45


@pytest.mark.parametrize("batches", [10, 5000])
def test_the_picture_stays_light(batches):
    line = helped(batches, "cuda:0")
    assert len(Lanes(ALT, {"one": line, "two": line}).svg().encode()) < 25_000


def test_a_window_begins_where_it_begins():
    line = helped(20).between(4, 6)
    found = words(Lanes(ALT, {"a while": line}))
    ticks = [float(word.replace(",", "")) for word in found if re.fullmatch(r"\d,\d{3}", word)]
    assert min(ticks) >= 4000
    assert max(ticks) <= 6000


def test_a_terminal_shows_what_took_most_of_each_piece():
    lines = Lanes(ALT, {"without": ALONE}, names={"main": "model"}).text().plain.splitlines()
    assert lines[0] == "without"
    assert lines[1] == "model " + "·" * 4 + "▓" * 20 + "▒" * 4 + "·" * 4 + "█" * 16 + "▓" * 16
    assert lines[2].split() == ["0", "8000", "ms", "since", "the", "epoch", "began"]
    assert lines[3].split() == ["▓", "load", "▒", "collate", "█", "compute", "·", "wait"]


def test_a_terminal_shows_every_lane_to_one_scale():
    lines = FIGURE.text().plain.splitlines()
    rows = {line[:11].strip(): line[12:] for line in lines if line[:11].strip() in ("helper 0", "helper 1")}
    assert all(len(row) == 64 for row in rows.values())
    assert rows["helper 1"].startswith(" " * 4 + "▓")
    assert rows["helper 0"].startswith("▓")
    alone = next(line[12:] for line in lines if line.startswith("the <model> "))
    assert len(alone) == 64
    idle = Lanes(ALT, {"one": timeline([], 1.0, workers=1)}).text().plain.splitlines()
    assert idle[1].strip() == "helper 0"


def test_a_wait_is_what_is_left_of_it():
    assert pieces_of(ALONE, "main") == [
        Piece(0, 0.5, "wait", 0),
        Piece(0.5, 3, "load", 0),
        Piece(3, 3.5, "collate", 0),
        Piece(3.5, 4, "wait", 0),
        Piece(4, 6, "compute", 0),
        Piece(6, 8, "load", 1),
    ]


bars = st.lists(
    st.tuples(st.floats(0.001, 1), st.sampled_from(["load", "compute", ""])), min_size=1, max_size=40
)


@given(bars, st.integers(1, 50))
def test_a_cell_shows_what_took_most_of_it(pieces, count):
    found, now = [], 0.0
    for length, kind in pieces:
        if kind:
            found.append(Piece(now, now + length, kind, 0))
        now += length
    cells = cells_of(found, 0.0, now, count)
    assert len(cells) == count
    width = now / count
    for number, kind in enumerate(cells):
        left, right = number * width, (number + 1) * width
        taken = dict.fromkeys(("load", "compute"), 0.0)
        for bar in found:
            taken[bar.kind] += max(0.0, min(bar.end_s, right) - max(bar.begin_s, left))
        taken[""] = width - sum(taken.values())
        assert taken[kind] >= max(taken.values()) - 1e-9
    if any(cells):
        assert sum(bar.end_s - bar.begin_s for bar in runs_of(cells, 0.0, now)) == pytest.approx(
            width * sum(map(bool, cells))
        )


def test_timelines_of_nothing_are_refused():
    for panels in ({}, {"none": timeline([], 0.0)}):
        with pytest.raises(ValueError, match="a figure of lanes needs timelines that take time"):
            Lanes(ALT, panels)
