"""The real site: it builds strictly, its links lead somewhere, its pages are light, a browser likes them."""

from __future__ import annotations

import gzip
import json
import pydoc
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import FunctionType
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import Quiet, launched, needs_chromium, opened, serving
from playwright.sync_api import Browser, BrowserContext, TimeoutError
from running import PROJECT

RAW_LIMIT, GZIPPED_LIMIT = 250_000, 60_000
SETTINGS = [("light", 360), ("dark", 1440)]
"""Both schemes and both widths: colours do not depend on the width, nor sizes on the scheme."""
ONE_OF_EACH_KIND = [
    "/",
    "/guide/summoning-helpers/",
    "/fix-a-slow-run/",
    "/tune-your-own-dataset/",
    "/experiments/",
    "/experiments/09_keeping_the_gpu_fed/",
    "/notebooks/06_optional_num_workers/",
    "/api/timing/",
]


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
        self.without_text: list[str] = []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.anchors.append(str(found["id"]))
        for key in ("href", "src"):
            if found.get(key):
                self.links.append(str(found[key]))
        if tag == "img" and "alt" not in found:
            self.without_text.append(str(found.get("src")))


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
        *("the-right-number", "handing-batches-to-the-gpu", "memory", "choose-a-loader"),
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


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """The site, whose pages search nothing but the start page: half of their time goes to the search."""
    index = site / "search" / "search_index.json"
    empty = json.dumps({**json.loads(index.read_text(encoding="utf-8")), "docs": []}).encode()

    class Emptied(Quiet):
        def do_GET(self) -> None:
            asking = urlparse(self.headers.get("Referer", "")).path
            if self.path.endswith(index.name) and asking != "/":
                self.send_response(200)
                self.send_header("Content-Length", str(len(empty)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(empty)
            else:
                super().do_GET()

    with serving(site, Emptied) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


NEW_COLOURS = """known => {
    const painted = new Map([[null, ""]]), found = new Set(known);
    const paint = element => {
        if (!painted.has(element)) {
            const style = getComputedStyle(element);
            painted.set(element, [
                paint(element.parentElement), element.localName, element.getAttribute("class"), style.color,
                style.fill, style.backgroundColor, style.backgroundImage, style.opacity, style.fontSize,
                style.fontWeight, style.textShadow
            ].join(" "));
        }
        return painted.get(element);
    };
    const shows = element => {
        const box = element.getBoundingClientRect();
        return box.width && box.right > 0 && box.left < innerWidth
            && [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim())
            && element.checkVisibility({opacityProperty: true, visibilityProperty: true});
    };
    for (const element of [...document.body.querySelectorAll("*")].filter(shows))
        if (!found.has(paint(element))) {
            found.add(paint(element));
            element.setAttribute("data-new-colours", "");
        }
    return [...found];
}"""
"""Marks the elements with text that are painted as no known one, and returns how all known are painted."""


PAINTED = """scheme => {
    document.body.setAttribute("data-md-color-scheme", scheme);
    for (const element of document.querySelectorAll("[data-new-colours]"))
        element.removeAttribute("data-new-colours");
}"""
"""In the other scheme, as the switch in the header does it."""


AT_REST = """width => document.documentElement.scrollWidth <= width
    && !document.getAnimations().some(each => each instanceof CSSTransition)"""
"""Colours on their way to others would be looked at by luck."""


class Watched:
    """A browser page, and what a reader would trip over on it."""

    def __init__(self, context: BrowserContext, base: str, width: int, scheme: str) -> None:
        self.page, self.base, self.width, self.scheme = context.new_page(), base, width, scheme
        self.address, self.faults = "", list[str]()
        self.colours: dict[str, list[str]] = {"light": [], "dark": []}
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.note(m.text))
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', event => "
            "console.error(`the policy forbids ${event.violatedDirective} ${event.blockedURI}`))"
        )
        self.page.on("pageerror", lambda error: self.note(str(error)))
        # What is still on its way when we go on to the next page is aborted, and nobody's fault.
        self.page.on("requestfailed", lambda r: "ABORTED" in str(r.failure) or self.note(f"failed {r.url}"))
        self.page.on(
            "request", lambda r: r.url.startswith((base, "data:", "blob:")) or self.note(f"asked {r.url}")
        )

    def note(self, fault: str) -> None:
        self.faults.append(f"{self.address} {self.scheme} {self.width}: {fault}")

    def look_at(self, address: str) -> None:
        self.address = address
        self.page.goto(self.base + address, wait_until="load")
        own = self.width
        for self.width in [*sorted({360, 1440} - {own}), own] if address in ONE_OF_EACH_KIND else [own]:
            self.page.set_viewport_size({"width": self.width, "height": 900})
            # Material's drawer takes a moment to move at another width, on a busy machine a long one.
            timeout = 5_000 if self.faults else 60_000
            try:
                self.page.wait_for_function(AT_REST, arg=self.width, timeout=timeout)
            except TimeoutError:
                self.note("scrolls sideways, or does not come to rest")
        # Notebooks have Jupyter's own markup; API pages are all of one make, so that one stands for them.
        if address.startswith(("/notebooks/", "/api/")) and address != "/api/timing/":
            return
        self.page.evaluate(Axe().axe_script)
        # Code has the same elements everywhere, and more than all the rest: the guide's stands for it. So has
        # what stands around a page.
        around = [] if address in ONE_OF_EACH_KIND else [[".md-header"], [".md-sidebar"], [".md-footer"]]
        code = [] if address.startswith("/guide/") else [[".highlight"]]
        context = {"include": [["html"]], "exclude": [*code, *around]}
        self.ask_axe(context, ["wcag2a", "wcag2aa"], {"color-contrast": {"enabled": False}})
        self.look_at_colours()
        if address in ONE_OF_EACH_KIND:
            own, self.scheme = self.scheme, {"light": "dark", "dark": "light"}[self.scheme]
            self.page.evaluate(PAINTED, {"light": "default", "dark": "slate"}[self.scheme])
            self.look_at_colours()
            self.scheme = own

    def look_at_colours(self) -> None:
        """Contrast takes longest: whatever is painted alike is looked at once."""
        before = self.colours[self.scheme]
        self.colours[self.scheme] = self.page.evaluate(NEW_COLOURS, before)
        if len(self.colours[self.scheme]) > len(before):
            self.ask_axe({"include": [["[data-new-colours]"]]}, ["color-contrast"])

    def ask_axe(
        self, context: dict[str, Any], wanted: list[str], rules: dict[str, Any] | None = None
    ) -> None:
        options = {"runOnly": wanted, "rules": rules or {}, "resultTypes": ["violations"]}
        ask = "([context, options]) => axe.run(context, options).then(found => found.violations)"
        for violation in self.page.evaluate(ask, [context, options]):
            self.note(f"{violation['id']} at {[node['target'] for node in violation['nodes']][:3]}")


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: f"{setting[0]}-{setting[1]}")
def test_a_browser_finds_nothing_wrong(
    browser: Browser, served: str, pages: dict[str, Page], setting: tuple[str, int]
) -> None:
    """No request to another host, no console message, no sideways scrolling, and axe has no complaint.

    Each page is opened in one of the settings, and one page of each kind is looked at in the other, too.
    """
    assert set(ONE_OF_EACH_KIND) <= set(pages)
    share = sorted(pages)[SETTINGS.index(setting) :: len(SETTINGS)]
    scheme, width = setting
    settings: dict[str, Any] = {"color_scheme": scheme, "reduced_motion": "reduce"}
    with opened(browser, viewport={"width": width, "height": 900}, **settings) as context:
        watched = Watched(context, served, width, scheme)
        for address in share:
            watched.look_at(address)
    assert watched.faults == []


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("address", ["/fix-a-slow-run/", "/guide/summoning-helpers/"])
def test_a_phone_shows_all_of_a_table(browser: Browser, served: str, address: str) -> None:
    with opened(browser, viewport={"width": 360, "height": 900}) as context:
        page = context.new_page()
        page.goto(served + address, wait_until="load")
        ends = page.eval_on_selector_all(
            "article td", "cells => cells.map(cell => cell.getBoundingClientRect().right)"
        )
    assert len(ends) > 20
    assert max(ends) <= 360
