"""The real site: it builds strictly, its links lead somewhere, its pages are light."""

from __future__ import annotations

import gzip
import json
import pydoc
import re
from html.parser import HTMLParser
from pathlib import Path
from types import FunctionType
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import pytest
from running import PROJECT

RAW_LIMIT, GZIPPED_LIMIT = 250_000, 60_000


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {
        _address(site, path): Page(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"
    }


class Page(HTMLParser):
    """What a page links to, loads, and can be linked to at."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.anchors.append(str(found["id"]))
        for key in ("href", "src"):
            if found.get(key):
                self.links.append(str(found[key]))


def _address(site: Path, path: Path) -> str:
    return "/" + str(path.relative_to(site)).removesuffix("index.html")


def test_every_internal_link_leads_to_a_file_and_an_anchor(site: Path, pages: dict[str, Page]) -> None:
    lost = []
    for address, page in pages.items():
        for link in page.links:
            if urlparse(link).scheme or link.startswith("//"):
                continue
            target, anchor = urldefrag(urljoin(address, link))
            target = unquote(target)
            found = site / target.lstrip("/")
            if found.is_dir():
                found = found / "index.html"
            if not found.is_file():
                lost.append(f"{address} links to {link}, which is not there")
            elif anchor and target in pages and unquote(anchor) not in pages[target].anchors:
                lost.append(f"{address} links to {link}, which has no such anchor")
    assert lost == []


def test_no_page_is_heavy(pages: dict[str, Page]) -> None:
    weights = {address: len(page.text.encode()) for address, page in pages.items()}
    zipped = {address: len(gzip.compress(page.text.encode())) for address, page in pages.items()}
    assert {a: w for a, w in weights.items() if w > RAW_LIMIT} == {}
    assert {a: w for a, w in zipped.items() if w > GZIPPED_LIMIT} == {}


LENGTHS = {
    "guide/summoning-helpers": (1000, 1400),
    "index": (150, 250),
    "fix-a-slow-run": (350, 500),
    "in-your-own-loop": (150, 550),
    "tune-your-own-dataset": (600, 900),
} | {
    f"in-depth/{name}": (350, 900)
    for name in (
        *("the-right-number", "handing-batches-to-the-gpu", "memory"),
        *("choose-a-loader", "beyond-one-machine"),
        *("platforms-and-notebooks", "debugging-and-randomness", "slow-disks"),
        "beyond-one-machine",
    )
}
"""How many words of prose a page may have, without its tables: what is read in a few minutes is read."""


@pytest.mark.parametrize("name", LENGTHS)
def test_a_page_is_as_long_as_was_promised(name: str) -> None:
    text = (PROJECT.root / "docs" / f"{name}.md").read_text(encoding="utf-8").split("\n---\n", 1)[1]
    tables = r"(?m:^\|[^\n]*)"
    for left_out in (r"```.*?```", tables, r"<svg.*?</svg>", r"<[^>]*>", r"\]\([^)]*\)", r"\{ [.#].*?\}"):
        text = re.sub(left_out, " ", text, flags=re.DOTALL)
    words = re.findall(r"[^\s|*#-]\S*", re.sub(r"\{\{.*?\}\}", "7", text))
    least, most = LENGTHS[name]
    assert least <= len(words) <= most


def test_nothing_of_the_making_is_left_in_a_page(pages: dict[str, Page]) -> None:
    marks = re.compile(r"SPRITEMARK|#0102[01]\d|\*\*\?\*\*|\{\{|\{%")
    shown = {
        address: re.sub(r"<(script|pre|code)\b.*?</\1>", "", page.text, flags=re.DOTALL)
        for address, page in pages.items()
    }
    assert {address: marks.findall(text) for address, text in shown.items() if marks.search(text)} == {}


def test_no_two_elements_of_a_page_share_an_id(pages: dict[str, Page]) -> None:
    twice = {a: {i for i in p.anchors if p.anchors.count(i) > 1} for a, p in pages.items()}
    assert {address: ids for address, ids in twice.items() if ids} == {}


def test_every_example_has_a_page_a_notebook_and_a_download(site: Path, pages: dict[str, Page]) -> None:
    for name in PROJECT.names():
        assert f"/experiments/{name}/" in pages
        assert f"/notebooks/{name}/" in pages
        assert (site / "notebooks" / name / f"{name}.ipynb").is_file()
        assert (site / "downloads" / f"{name}.py").read_text() == PROJECT.example(name).path.read_text()


def test_the_reference_has_a_page_for_each_part_that_readers_use_and_no_other(pages: dict[str, Page]) -> None:
    parts = {"cli", "tuning", "doctor", "timing", "timeline", "machine", "datasets", "sprites", "report"}
    found = {address.removeprefix("/api/").strip("/") for address in pages if address.startswith("/api/")}
    assert found == {"", *parts}


def test_the_reference_says_everything_once(pages: dict[str, Page]) -> None:
    for address, page in pages.items():
        if address.startswith("/api/"):
            named = [pydoc.locate(name) for name in page.anchors if re.fullmatch(r"spritedocs[.\w]+", name)]
            said = [one for one in named if isinstance(one, type | FunctionType)]
            assert len(said) == len(set(said)), address


def test_the_search_index_holds_the_pages_and_neither_figures_nor_notebooks(site: Path) -> None:
    entries = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    locations = {entry["location"].split("#")[0] for entry in entries}
    assert "guide/summoning-helpers/" in locations
    assert not any(location.startswith("notebooks/") for location in locations)
    assert not any("stroke" in entry["text"] for entry in entries)
