"""Reports: aligned in a terminal, HTML in short lines and the raw samples in a notebook."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from spritedocs.figures import Bars
from spritedocs.measurement import MIME, Gap, Measurement
from spritedocs.report import TRACE_MIME, Report, show

FAST = Measurement.of("epoch_s_4", [0.33, 0.34, 0.32], "s")
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
        for said in ("seconds", "1.31 s", "0.330 s")
        for line in table
        if said in line
    }
    assert len(ends) == 1
    assert [line.startswith("4 & more") for line in table if "0.330 s" in line] == [True]
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
        str(FAST),
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


def test_a_ratio_with_a_wide_interval_is_called_uncertain(
    capsys: pytest.CaptureFixture[str], displayed: list[dict[str, Any]]
) -> None:
    wide = Measurement.of("gain", [2.0, 3.0, 2.5] * 2, "×")
    show(Report("x", ["a", "b"], [[wide, EXTRA]]))
    assert displayed[0]["text/html"].count('<span class="sprite-interval">uncertain</span>') == 1
    assert displayed[0]["text/plain"].count("uncertain") == 1


def test_two_values_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="epoch_s_4 stands in the report twice"):
        Report("x", ["a"], [[FAST]], more_values=[FAST])


def test_a_script_that_prints_a_report_pays_neither_for_matplotlib_nor_for_ipython() -> None:
    script = "import sys, spritedocs.report; print(sorted({'matplotlib', 'IPython'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
