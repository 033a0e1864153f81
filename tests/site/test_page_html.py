"""What is taken out of the HTML of a page, and what is put in."""

from __future__ import annotations

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


def test_what_material_leaves_without_a_name_or_a_size_has_one(site: Path) -> None:
    page = (site / "404.html").read_text(encoding="utf-8")
    assert page.count(' role="dialog" aria-label="Search"') == page.count(' role="dialog"') == 1
    assert page.count("<img ") == page.count(' width="48" height="48"') == 2
