"""What is taken out of the HTML of a page, and what is put in."""

from __future__ import annotations

import re
from pathlib import Path

from spritedocs.site.page_html import for_readers


def test_where_the_corner_of_a_table_is_empty_its_first_column_holds_headings() -> None:
    first = "<tbody><tr><td><b>epoch</b></td><td>2 s</td></tr>"
    rows = first + "\n<tr>\n<td>wait</td>\n<td></td></tr></tbody></table>"
    named = "<table><thead><tr><th>job</th><th>who</th></tr></thead>" + rows
    assert for_readers(named) == named
    corner = '<table class="a"><caption>b</caption><thead>\n<tr><th scope="col"></th><th>0</th></tr></thead>'
    found = for_readers(named + corner + rows)
    assert found.startswith(named + corner)
    assert found.count("<td>") == named.count("<td>") + 2
    assert '<tr><th scope="row"><b>epoch</b></th><td>2 s</td></tr>' in found
    assert '<th scope="row">wait</th>\n<td></td>' in found


def _table(*rows: str) -> str:
    """A table as results have it; a row is its cells, with ``|`` between them."""
    cells = [[f"<td>{cell}</td>" for cell in row.split("|")] for row in rows]
    lines = "\n".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    return f'<table class="sprite-table"><caption>a</caption>{lines}</table>'


def test_the_one_column_of_ratios_stays_in_sight_if_it_comes_late() -> None:
    ratio = '2.0×<span class="sprite-interval">1.9–2.1×</span>'
    late = _table(
        "helpers|seconds|times as fast|note", "0|2 s||", f"4|1 s|{ratio}|3×3", "8|1 s|not measured|"
    )
    found = for_readers(late)
    assert re.findall(r"<td data-result>(.*?)</td>", found) == ["times as fast", "", ratio, "not measured"]
    assert found.replace(" data-result", "").replace('data-search-exclude="yes" ', "") == late
    early = _table("helpers|times as fast|seconds", f"4|{ratio}|1 s")
    two = _table("helpers|seconds|as long|as fast", f"4|1 s|{ratio}|{ratio}")
    mixed = _table("what|here|there", f"ratio|1 s|{ratio}", "count|1 s|4")
    ragged = _table("what|here|there", f"ratio|1 s|{ratio}", "count|1 s")
    for table in (early, two, mixed, ragged, _table("what|here|there")):
        assert "data-result" not in for_readers(table)


def test_what_material_leaves_without_a_name_or_a_size_has_one(site: Path) -> None:
    page = (site / "404.html").read_text(encoding="utf-8")
    assert page.count(' role="dialog" aria-label="Search"') == page.count(' role="dialog"') == 1
    assert page.count("<img ") == page.count(' width="48" height="48"') == 2
