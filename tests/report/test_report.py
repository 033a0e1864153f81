"""Reports: aligned in a terminal, HTML in short lines and the raw samples in a notebook."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from spritedocs.recordings.cleaning import drawn
from spritedocs.report import (
    MIME,
    TRACE_MIME,
    Bars,
    Dots,
    Gap,
    Measurement,
    Report,
    Table,
    count,
    measured,
    show,
)

FAST = Measurement.of("epoch_s_4", [0.33, 0.34, 0.32] * 2, "s")
SLOW = Measurement.of("epoch_s_0", [1.31, 1.30, 1.32] * 2, "s", "none")
EXTRA = Measurement.of("speedup_4", [4.0], "×")
REPORT = Report(
    title="One <epoch> & more",
    columns=["helpers <n>", "seconds"],
    rows=[["0", SLOW], ["4 & more", FAST]],
    figure=Bars("bars", [SLOW, FAST]),
    notes=["Spread < 10% & fine."],
    more_values=[EXTRA],
)


def test_a_narrow_terminal_shows_every_digit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    show(Report("Wide", ["helpers"] * 5, [["four", *[replace(SLOW, name=f"x_{n}") for n in range(4)]]]))
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert printed.count("–") == 4 * SLOW.interval_text.count("–")


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What ``show`` displays when it takes this process for a notebook's kernel."""
    import IPython.display

    shown: list[dict[str, Any]] = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr(IPython.display, "display", lambda bundle, raw: shown.append(bundle))
    return shown


def test_a_terminal_shows_an_aligned_table_a_picture_and_remarks(capsys: pytest.CaptureFixture[str]) -> None:
    show(REPORT)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "One <epoch> & more"
    picture = next(number for number, line in enumerate(lines) if "█" in line)
    table = [line.rstrip() for line in lines[1:picture]]
    ends = {
        line.index(said) + len(said)
        for said in ("seconds", str(SLOW), str(FAST))
        for line in table
        if said in line
    }
    assert len(ends) == 1
    assert [line.startswith("4 & more") for line in table if str(FAST) in line] == [True]
    assert any(SLOW.interval_text in line for line in table)
    assert lines[-1] == "• Spread < 10% & fine."


def test_a_notebook_gets_well_formed_html_in_short_lines(displayed: list[dict[str, Any]]) -> None:
    show(REPORT)
    [bundle] = displayed
    html = bundle["text/html"]
    lines = html.splitlines()
    assert [line.startswith("<tr>") for line in lines].count(True) == 1 + len(REPORT.rows)
    # Where Markdown sees it, it would take a blank line or an indent for something else.
    assert all(line and not line[0].isspace() for line in lines)
    root = ElementTree.fromstring(html.replace("data-search-exclude>", 'data-search-exclude="">'))
    assert [cell.text for cell in root.iter("th")] == ["helpers <n>", "seconds"]
    assert ["".join(cell.itertext()) for cell in root.iter("td")] == [
        "0",
        f"{SLOW}{SLOW.interval_text}",
        "4 & more",
        f"{FAST}{FAST.interval_text}",
    ]
    assert [item.text for item in root.iter("li")] == ["Spread < 10% & fine."]
    assert root.find(".//caption").text == "One <epoch> & more"
    assert "data-search-exclude" in html.partition("<svg")[0].rpartition("<figure")[2]


def test_a_notebook_gets_the_raw_samples_and_the_terminals_text(displayed: list[dict[str, Any]]) -> None:
    show(REPORT)
    [bundle] = displayed
    stored = [Measurement.from_json(value) for value in bundle[MIME]["values"]]
    assert stored == [SLOW, FAST, EXTRA]
    assert "One <epoch> & more" in bundle["text/plain"]
    assert not re.search(r"\x1b", bundle["text/plain"])


def test_a_notebook_keeps_a_trace_as_one_line_of_text(displayed: list[dict[str, Any]]) -> None:
    trace = {"traceEvents": [{"name": "load", "ph": "X", "ts": 0.5}]}
    show(replace(REPORT, trace=trace))
    [bundle] = displayed
    assert json.loads(bundle[TRACE_MIME]) == trace
    assert "\n" not in bundle[TRACE_MIME]
    assert TRACE_MIME not in REPORT.bundle()


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the row \['0'\] has 1 cells for 2 columns"):
        Report("x", ["a", "b"], [["0"]])


GAP = Gap("cold_us", "The disk's <cache> stays.")
LEVEL = Measurement.of("ratio", [0.99, 1.01, 1.0] * 2, "×")
WITH_GAP = Report("x", ["way", "µs"], [["cold", GAP], ["none", Gap("more", GAP.reason)]], notes=["Note."])


def test_a_gap_stands_in_its_cell_and_its_reason_once_below(
    capsys: pytest.CaptureFixture[str], displayed: list[dict[str, Any]]
) -> None:
    show(WITH_GAP)
    [bundle] = displayed
    assert bundle["text/html"].count("not measured") == 2
    assert re.findall("<li>(.*?)</li>", bundle["text/html"]) == [
        "Note.",
        "The disk&#x27;s &lt;cache&gt; stays.",
    ]
    assert bundle[MIME]["values"] == []
    assert [gap["name"] for gap in bundle[MIME]["gaps"]] == ["cold_us", "more"]
    assert bundle["text/plain"].count("• The disk's <cache> stays.") == 1


def test_a_value_and_a_gap_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="cold_us stands in the report twice"):
        Report("x", ["a"], [[GAP]], more_values=[Measurement.of("cold_us", [1.0], "")])


def test_a_ratio_that_may_be_one_says_so(
    capsys: pytest.CaptureFixture[str], displayed: list[dict[str, Any]]
) -> None:
    show(Report("x", ["a", "b"], [[LEVEL, EXTRA]]))
    assert displayed[0]["text/html"].count("no difference measured") == 1
    assert displayed[0]["text/plain"].count("no difference measured") == 1


def test_a_value_of_one_run_says_so() -> None:
    html = Report("x", ["a", "b"], [[Measurement.of("gain", [2.345], "×"), LEVEL]]).bundle()["text/html"]
    assert 'about 2.3×<span class="sprite-interval">one run</span>' in html


def seconds(what: str, *numbers: float) -> dict[int, Measurement | Gap]:
    return {n: measured(f"{what}_s_{n}", number, "s") for n, number in zip((0, 2, 4), numbers, strict=False)}


LATER, FIRST = seconds("epoch", 4.0, 2.0, 1.0), {**seconds("first", 5.0, 3.0), 4: Gap("first_s_4", "No.")}


def cells(table: Table) -> list[list[str]]:
    return [[*map(str, row)] for row in (table.report.columns, *table.report.rows)]


def test_a_table_has_a_cell_for_each_key_and_blanks_and_footers() -> None:
    upright = Table("x", rows={0: "alone", 4: "helped"}, head="loader").column("s", {4: LATER[4], 0: 1234567})
    upright.column("word", {0: "slow"}).footer("both", LATER[2])
    assert cells(upright) == [
        ["loader", "s", "word"],
        ["alone", "1,234,567", "slow"],
        ["helped", "about 1.0 s", ""],
        ["both", "about 2.0 s", ""],
    ]
    level = Table("x", columns=[0, 4]).row("later", {0: LATER[0]}).footer("all", "", 0.25)
    assert cells(level) == [["", "0", "4"], ["later", "about 4.0 s", ""], ["all", "", "0.25"]]


def test_a_heading_in_brackets_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    show(Table("Keys", rows=["seen"]).column("[seed, index]", {"seen": 3}))
    assert "[seed, index]" in capsys.readouterr().out


def test_what_a_table_records_is_what_it_shows_and_draws_and_is_told_to_record_each_once() -> None:
    table = Table("x", rows=[0, 2, 4]).column("later", LATER).bars("s", FIRST, LATER).record(LATER)
    report = table.record([count("starts", 3)]).record({"more": count("stops", 2)}).report
    assert [value.name for value in report.values] == [
        *(f"epoch_s_{n}" for n in (0, 2, 4)), "first_s_0", "first_s_2", "starts", "stops"
    ]  # fmt: skip
    assert [gap.name for gap in report.gaps] == ["first_s_4"]
    with pytest.raises(ValueError, match="epoch_s_0 stands in the report twice"):
        _ = Table("x", rows=[0]).column("s", {0: LATER[0]}).record(seconds("epoch", 9.0)).report


def test_bars_are_named_after_rows_and_keys_and_leave_gaps_out() -> None:
    table = Table("x", columns={0: "alone", 2: "two", 4: "four"}).row("first", FIRST).row("later", LATER)
    bars = table.bars("seconds per epoch", FIRST, LATER).report.figure
    labels = ["first, alone", "first, two", "later, alone", "later, two", "later, four"]
    assert [bar.label for bar in bars.values] == labels
    assert bars.groups == [0, 1, 0, 1, 1]
    assert bars.in_words.startswith("seconds per epoch: first, alone about 5.0 s; first, two about 3.0 s;")
    one = Table("x", rows=[0, 2]).bars("s", {2: LATER[2]}, groups={2: 2}).report.figure
    assert ([bar.label for bar in one.values], one.groups) == (["2"], [2])


def test_no_helpers_are_grey_wherever_they_stand_and_colours_may_be_given() -> None:
    def groups_of(keys: list[Any], **options: Any) -> Sequence[int]:
        values = {key: measured(f"x_{number}", 1.0, "s") for number, key in enumerate(keys)}
        more = {key: measured(f"y_{number}", 1.0, "s") for number, key in enumerate(keys)}
        figure = Table("x", rows=keys).bars("s", values, more, **options).report.figure
        assert isinstance(figure, Bars)
        return figure.groups

    assert groups_of([4, 0]) == [1, 0] * 2
    assert groups_of(["fork", "spawn"]) == [1, 1] * 2
    assert groups_of(["fork", "spawn"], groups={"fork": 0, "spawn": 2}) == [0, 2] * 2
    assert groups_of([0, 4], groups=(0, 2)) == [0, 0, 2, 2]


def test_dots_are_drawn_for_bars_where_they_are_asked_for() -> None:
    assert type(Table("x", rows=[0]).bars("s", {0: LATER[0]}, kind=Dots).report.figure) is Dots


def found(finding: str, *values: Measurement | Gap) -> str:
    return Table("x", rows=[0]).record(values).bars("s", {0: LATER[0]}).finding(finding).report.found


GAIN = measured("gain", [3.8, 3.9, 3.7] * 2, "×")


def test_a_finding_says_what_was_measured_whichever_way_it_turned_out() -> None:
    said = "Helpers are {gain} as fast."
    assert found(said, GAIN) == "Helpers are 3.80 times as fast."
    assert found(said, measured("gain", [0.5, 0.51, 0.49] * 2, "×")) == "Helpers are 0.500 times as fast."
    none = found(said, measured("gain", [0.9, 1.1, 1.0] * 2, "×"))
    assert none == "Helpers are 1.00 times (0.91–1.10) as fast."
    assert found("Who is it?") == "Who is it?"


def test_a_finding_without_all_of_its_values_is_left_out_and_one_of_unknown_values_refused() -> None:
    assert found("Helpers are {gain} as fast.", Gap("gain", "Not here.")) == ""
    with pytest.raises(ValueError, match="the finding quotes gian, which 'x' lacks"):
        found("Helpers are {gian} as fast.", GAIN)


def test_a_finding_stands_above_its_figure_on_a_page_and_in_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = Table("x", rows=[0]).record([GAIN]).bars("s", {0: LATER[0]}).finding("Is it <{gain}>?")
    html = table.report.bundle()["text/html"]
    assert html.index("<figcaption>Is it &lt;3.80 times&gt;?</figcaption>") < html.index("<svg")
    assert [tag.attributes["class"] for tag in drawn(html) if tag.name == "svg"] == [
        "sprite-svg sprite-narrow",
        "sprite-svg sprite-wide",
    ]
    show(table)
    printed = capsys.readouterr().out
    assert printed.index("Is it <3.80 times>?") < printed.index("█")
    assert "figcaption" not in Table("x", rows=[0]).bars("s", {0: LATER[0]}).report.bundle()["text/html"]


def test_figures_without_values_are_left_out_and_a_table_has_one() -> None:
    gaps = {0: Gap("x_s_0", "Not here.")}
    table = Table("x", rows=[0]).bars("s", gaps).lines("n", "s", {"a": gaps}).blocks({"a": []})
    assert table.report.figure is None
    assert table.report.remarks == ["Not here."]
    with pytest.raises(ValueError, match="has a figure already"):
        table.bars("s", LATER).bars("s", LATER)


def test_lines_and_blocks_are_told_in_words() -> None:
    series = {"later": {4: LATER[4], 0: LATER[0], 2: LATER[2]}, "first": FIRST}
    lines = Table("x", rows=[0]).lines("helpers", "seconds", series, spacing="even").report.figure
    assert lines.in_words == (
        "seconds, by helpers: later from about 4.0 s at 0 to about 1.0 s at 4; "
        "first from about 5.0 s at 0 to about 3.0 s at 2."
    )
    measured_x = {Gap("x", "Not here."): LATER[2], LATER[4]: LATER[0], LATER[2]: 3.0}
    lines = Table("x", rows=[0]).lines("s", "s", {"a": measured_x}).report.figure
    assert lines.series == {"a": [(LATER[4].median, LATER[0]), (LATER[2].median, 3.0)]}
    blocks = Table("x", rows=[0]).blocks({"alone": [-1], "two": [0, 1] * 9}, main="me").report.figure
    assert blocks.in_words == "alone: me; two: 0, 1, 0, 1, 0, 1, 0, 1, …."


def test_warnings_and_what_is_missing_stand_below_once() -> None:
    results = SimpleNamespace(warnings=("Few rounds.",), missing={4: "No.", 2: "No."})
    table = (
        Table("x", rows=[0, 2, 4], notes=["First."]).column("s", FIRST).note("Two.").warn(results, results)
    )
    assert table.report.remarks == ["First.", "Two.", "Few rounds.", "No."]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Table("x"), "needs either rows or columns"),
        (lambda: Table("x", rows=[0], columns=[0]), "needs either rows or columns"),
        (lambda: Table("x", rows=[0]).row("a", {}), "has fixed rows: add 'a' by .column()"),
        (lambda: Table("x", columns=[0]).column("a", {}), "has fixed columns: add 'a' by .row()"),
        (lambda: Table("x", rows=[0]).column("a", {7: ""}), "cell for 7: the table's keys are 0"),
        (lambda: Table("x", rows=[0]).footer("a", "b").report, "has 2 cells for 1 columns"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        make()
