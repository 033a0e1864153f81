"""The glossary's words are explained in the guide's pages: once a page."""

from __future__ import annotations

import re
from pathlib import Path

from running import PROJECT

EXPLAINED = re.compile(r'<abbr title="([^"]+)" tabindex="0">([^<]+)</abbr>')


def test_each_word_is_explained_where_a_page_first_uses_it(site: Path) -> None:
    glossary = (PROJECT.root / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = dict(re.findall(r"^(\w.*)\n:   (.*)$", glossary, re.MULTILINE))
    used = set()
    for path in sorted(site.rglob("index.html")):
        found = EXPLAINED.findall(path.read_text(encoding="utf-8"))
        meanings = [meaning for meaning, _ in found]
        assert len(set(meanings)) == len(meanings), path
        used |= set(meanings)
        if not str(path.relative_to(site)).startswith(("guide", "in-depth", "fix-a-slow-run")):
            assert found == [], path
    unused = {term for term, meaning in terms.items() if meaning.replace("'", "&#x27;") not in used}
    assert unused == set()


def test_neither_headings_nor_links_code_nor_figures_are_explained(site: Path) -> None:
    for path in (site / "in-depth").rglob("index.html"):
        page = path.read_text(encoding="utf-8")
        for part in re.findall(r"<(h[1-6]|a|code|figure|nav|title)\b(.*?)</\1>", page, re.DOTALL):
            assert "<abbr" not in part[1], path
