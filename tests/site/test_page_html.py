"""What is taken out of the HTML of a page, and what is put in."""

from __future__ import annotations

import re
from pathlib import Path

from spritedocs.site.page_html import for_readers


def test_where_the_corner_of_a_table_is_empty_its_first_column_holds_headings() -> None:
    first = "<tbody><tr><td><b>epoch</b></td><td>2 s</td></tr>"
    rows = first + "\n<tr>\n<td>wait</td>\n<td></td></tr></tbody></table>"
    named = "<table><thead><tr><th>job</th><th>who</th></tr></thead>" + rows
    assert "scope" not in for_readers(named)
    corner = '<table class="a"><caption>b</caption><thead>\n<tr><th scope="col"></th><th>0</th></tr></thead>'
    found = for_readers(named + corner + rows)
    assert found.count('<th scope="row">') == 2
    assert '<tr><th scope="row"><b>epoch</b></th><td>2 s</td></tr>' in found
    assert '<th scope="row">wait</th>\n<td></td>' in found


def _table(*rows: str) -> str:
    """A table as results have it; a row is its cells, with ``|`` between them."""
    cells = [[f"<td>{cell}</td>" for cell in row.split("|")] for row in rows]
    lines = "\n".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    return f'<table class="sprite-table"><caption>a</caption>{lines}</table>'


def test_a_value_keeps_its_unit_and_a_long_name_gives_way() -> None:
    ratio = '4 s<span class="sprite-interval">3.9–4.1 s</span>'
    found = for_readers(_table("helpers|took", f"8|{ratio}", "list_pct|np.sum, 0.5", "goal|≥ 5 s"))
    assert "<td>list_<wbr>pct</td><td>np.<wbr>sum, 0.5</td>" in found
    assert [found.count(text) for text in ("4\xa0s<", "3.9–4.1\xa0s<", "≥\xa05\xa0s<")] == [1, 1, 1]


def test_a_table_of_words_has_the_heading_of_its_column_at_each_cell() -> None:
    sentence = "what no reader compares with what stands above and below it, cell by cell"
    recorded = for_readers(_table("what|<b>how</b>|why", f"one|{sentence}|", "two|so|as"))
    rows = "<thead><tr><th>what</th><th><b>how</b></th><th>why</th></tr></thead>"
    written = for_readers(f"<table>{rows}<tr><td>two</td><td>so</td><td>as</td></tr></table>")
    for found in (recorded, written):
        assert found.count(" data-stacked>") == 1
        assert '<td>two</td><td data-label="how">so</td><td data-label="why">as</td>' in found
    assert 'data-search-exclude="yes"' in recorded
    assert "<th><b>how</b></th>" in written
    two = for_readers("<table><tr><th>what</th><th>how</th></tr><tr><td>two</td><td>so</td></tr></table>")
    assert "data-stacked" in two
    assert "data-label" not in two  # the second of two needs none
    block = "<table><tr><th>what</th></tr><tr><td><div>two</div></td></tr></table>"
    assert for_readers(block) == block


def test_values_that_no_phone_has_room_for_are_notes_with_a_heading_at_each() -> None:
    values = "|".join(f"1,234.{n} µs" for n in range(5))
    wide, narrow = (
        for_readers(_table("what|a|b|c|d|e", f"one|{values}", f"below|{cells}"))
        for cells in ("7|8||||", "7|||||")
    )
    assert wide.count(" data-stacked>") == narrow.count(" data-stacked>") == 1
    assert '<td data-label="a">1,234.0\xa0µs</td>' in wide
    assert '<td data-label="a">7</td><td data-label="b">8</td>' in wide
    assert "<td>below</td><td>7</td><td></td>" in narrow  # which is about no column
    assert "data-stacked" not in for_readers(_table("what|a|b|c|d", "one|1|2|3|4"))


def test_the_one_column_of_ratios_stands_next_to_what_its_rows_are_about() -> None:
    rows = ("what|took|times as fast", "one|2 s|", "two|1 s|2×")
    found = re.findall(r"<td>(.*?)</td>", for_readers(_table(*rows)))
    assert found == ["what", "times as fast", "took", "one", "", "2\xa0s", "two", "2×", "1\xa0s"]
    twice = "what|times as fast|took|times as fast"
    assert re.findall(r"<td>(.*?)</td>", for_readers(_table(twice))) == twice.split("|")


def test_many_remarks_open_on_demand() -> None:
    few, many = (f'<ul class="sprite-notes">{"<li>Busy.</li>" * count}</ul>' for count in (4, 5))
    assert for_readers(few) == few
    assert f"<summary>5 remarks</summary>{many}</details>" in for_readers(many)


def test_what_material_leaves_without_a_name_or_a_size_has_one(site: Path) -> None:
    page = (site / "404.html").read_text(encoding="utf-8")
    assert page.count(' role="dialog" aria-label="Search"') == page.count(' role="dialog"') == 1
    assert page.count("<img ") == page.count(' width="48" height="48"') == 2


def test_what_nobody_looks_for_is_no_text_to_search() -> None:
    kinds = {"attribute": "h2", "function": "h3"}  # one of a class is a method
    for kind, heading in kinds.items():
        documented = f'<div class="doc doc-object doc-{kind}">\n\n<{heading} id="a" class="doc doc-heading">'
        assert f'<{heading} data-search-exclude="yes" id="a"' in for_readers(documented)
    tabs = '<div class="tabbed-labels"><label for="a">CPU, 2 cores</label></div>'
    assert for_readers(tabs).startswith('<div data-search-exclude="yes" class="tabbed-labels">')
    function = '<div class="doc doc-object doc-function">\n\n<h2 id="a" class="doc doc-heading">'
    assert for_readers(function) == function
