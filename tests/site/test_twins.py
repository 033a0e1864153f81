"""Programs that read find each page as Markdown beside it, with its published values, and a list of them."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

LINK = re.compile(r"\]\(([^)#\s]+)")
CODE = re.compile(r"^([ \t]*)(`{3,}).*?^\1\2[ \t]*$|`[^`\n]+`", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def twins(site: Path) -> dict[Path, str]:
    """Each page that has a twin, and the twin."""
    pages = [path for path in site.rglob("index.html") if "notebooks" not in path.parts]
    read = [path for path in pages if path.parent.parent.name != "api"]
    return {path: path.with_suffix(".md").read_text(encoding="utf-8") for path in read}


def test_a_twin_quotes_the_values_of_its_page_and_its_tables(twins: dict[Path, str]) -> None:
    cells = 0
    for path, twin in twins.items():
        page = path.read_text(encoding="utf-8")
        for value in re.findall(r'<span class="sprite-measured"[^>]*>([^<]*)<', page):
            assert html.unescape(value) in twin, path
        for cell in re.findall(r"<td[^>]*>([^<]+)<span class=\"sprite-interval\"", page):
            cells += 1
            assert f"| {html.unescape(cell)} ".replace("\N{NO-BREAK SPACE}", " ") in twin, path
    assert cells > 100


def test_a_twin_is_markdown_and_nothing_else(twins: dict[Path, str]) -> None:
    for path, twin in twins.items():
        assert twin.startswith("# "), path
        prose = CODE.sub("", twin)
        assert re.findall(r"SPRITEMARK|\{\{|\{ ?[#.]|</?[a-z]+[^>]*>|&#", prose) == [], path
        assert twin.count("\n```") % 2 == 0, path


def test_every_link_of_a_twin_and_of_the_list_leads_to_a_file(site: Path, twins: dict[Path, str]) -> None:
    listed = (site / "llms.txt").read_text(encoding="utf-8")
    for path, text in {**twins, site / "llms.txt": listed}.items():
        for link in LINK.findall(CODE.sub("", text)):
            assert "://" in link or (path.parent / link).is_file(), f"{path} links to {link}"
    for path in twins:
        if path.parent.name != "api":
            assert f"]({path.with_suffix('.md').relative_to(site).as_posix()})" in listed


def test_a_twin_has_the_code_of_tabs_one_below_the_other(site: Path) -> None:
    twin = (site / "in-depth" / "slow-disks" / "index.md").read_text(encoding="utf-8")
    for name in ("Before", "After"):
        assert re.search(rf"^\*\*{name}\*\*\n\n```python.*?\nclass .*?\n```$", twin, re.DOTALL | re.MULTILINE)
