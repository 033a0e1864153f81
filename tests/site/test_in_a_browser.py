"""The real site in a browser: it has nothing to complain of, whatever the width and the colours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import Quiet, launched, needs_chromium, opened, serving
from playwright.sync_api import Browser, BrowserContext, TimeoutError

pytestmark = [pytest.mark.browser, needs_chromium]

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
AXE = "/axe.js"
CONTRAST_OF_NEW = "axe.configure({rules: [{id: 'color-contrast', selector: '[data-new-colours]'}]})"


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """The site, whose pages search nothing but the start page: half of their time goes to the search.

    It has axe, too: the browser compiles a script from there once for all pages.
    """
    index = site / "search" / "search_index.json"
    empty = json.dumps({**json.loads(index.read_text(encoding="utf-8")), "docs": []}).encode()
    axe = f"{Axe().axe_script}\n{CONTRAST_OF_NEW}".encode()

    class Ours(Quiet):
        def do_GET(self) -> None:
            asking = urlparse(self.headers.get("Referer", "")).path
            if self.path == AXE:
                self.answer(axe, "text/javascript", "max-age=3600")
            elif self.path.endswith(index.name) and asking != "/":
                self.answer(empty, "application/json", "no-store")
            else:
                super().do_GET()

        def answer(self, text: bytes, kind: str, kept: str) -> None:
            self.send_response(200)
            for name, value in (("Length", len(text)), ("Type", kind)):
                self.send_header(f"Content-{name}", str(value))
            self.send_header("Cache-Control", kept)
            self.end_headers()
            self.wfile.write(text)

    with serving(site, Ours) as address:
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


IN_ITS_PLACE = """async address => {
    const page = new DOMParser().parseFromString(await (await fetch(address)).text(), "text/html");
    history.replaceState(null, "", address);
    document.querySelector("article").replaceWith(page.querySelector("article"));
}"""
"""Shows what is particular to a page in one of the same kind: most of loading it goes to the theme."""


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
        # Notebooks have Jupyter's own markup; API pages are all of one make, so that one stands for them.
        folder = next((name for name in ("/notebooks/", "/api/") if address.startswith(name)), "/")
        in_place = folder != "/" and self.address.startswith(folder) and address not in ONE_OF_EACH_KIND
        self.address = address
        if in_place:
            self.page.evaluate(IN_ITS_PLACE, address)
        else:
            self.page.goto(self.base + address, wait_until="load")
        own = self.width
        for self.width in [*sorted({360, 1440} - {own}), own] if address in ONE_OF_EACH_KIND else [own]:
            self.page.set_viewport_size({"width": self.width, "height": 900})
            # Material's drawer takes a moment to move at another width, on a busy machine a long one.
            if not self.page.evaluate(AT_REST, self.width):
                timeout = 5_000 if self.faults else 60_000
                try:
                    self.page.wait_for_function(AT_REST, arg=self.width, timeout=timeout)
                except TimeoutError:
                    self.note("scrolls sideways, or does not come to rest")
        if folder != "/" and address != "/api/timing/":
            return
        self.page.add_script_tag(url=AXE)
        # Code has the same elements everywhere, and more than all the rest: the guide's stands for it. So has
        # what stands around a page. Contrast takes longest: whatever is painted alike is looked at once.
        self.mark_new_colours()
        around = [] if address in ONE_OF_EACH_KIND else [".md-header", ".md-sidebar", ".md-footer"]
        code = [] if address.startswith("/guide/") else [".highlight"]
        known = [[f"{part}:not(:has([data-new-colours]))"] for part in (*code, *around)]
        self.ask_axe({"include": [["html"]], "exclude": known}, ["wcag2a", "wcag2aa"])
        if address in ONE_OF_EACH_KIND:
            own, self.scheme = self.scheme, {"light": "dark", "dark": "light"}[self.scheme]
            self.page.evaluate(PAINTED, {"light": "default", "dark": "slate"}[self.scheme])
            if self.mark_new_colours():
                self.ask_axe({"include": [["[data-new-colours]"]]}, ["color-contrast"])
            self.scheme = own

    def mark_new_colours(self) -> bool:
        """Whether there were any."""
        before = self.colours[self.scheme]
        self.colours[self.scheme] = self.page.evaluate(NEW_COLOURS, before)
        return len(self.colours[self.scheme]) > len(before)

    def ask_axe(self, context: dict[str, Any], wanted: list[str]) -> None:
        options = {"runOnly": wanted, "resultTypes": ["violations"]}
        ask = "([context, options]) => axe.run(context, options).then(found => found.violations)"
        for violation in self.page.evaluate(ask, [context, options]):
            self.note(f"{violation['id']} at {[node['target'] for node in violation['nodes']][:3]}")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: f"{setting[0]}-{setting[1]}")
def test_a_browser_finds_nothing_wrong(
    browser: Browser, served: str, site: Path, setting: tuple[str, int]
) -> None:
    """No request to another host, no console message, no sideways scrolling, and axe has no complaint.

    Each page is opened in one of the settings, and one page of each kind is looked at in the other, too.
    """
    found = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    pages = ["/" + path.removesuffix("index.html") for path in found if path != "404.html"]
    assert set(ONE_OF_EACH_KIND) <= set(pages)
    share = pages[SETTINGS.index(setting) :: len(SETTINGS)]
    scheme, width = setting
    settings: dict[str, Any] = {"color_scheme": scheme, "reduced_motion": "reduce"}
    with opened(browser, viewport={"width": width, "height": 900}, **settings) as context:
        watched = Watched(context, served, width, scheme)
        for address in share:
            watched.look_at(address)
    assert watched.faults == []


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


def test_a_wide_screen_shows_all_of_the_tables_in_prose(browser: Browser, served: str, site: Path) -> None:
    """What measured values are listed in may scroll: their names are long."""
    found = [path for path in site.glob("**/*.html") if "<table" in path.read_text("utf-8")]
    pages = ["/" + path.relative_to(site).as_posix().removesuffix("index.html") for path in sorted(found)]
    pages = [page for page in pages if not page.startswith(("/api/", "/experiments/", "/notebooks/"))]
    hidden = """[...document.querySelectorAll("article .sprite-scroll:not(:has(.sprite-table))")]
        .filter(each => each.scrollWidth > each.clientWidth).map(each => each.innerText.slice(0, 40))"""
    with opened(browser, viewport={"width": 1440, "height": 900}) as context:
        page, cut = context.new_page(), {}
        for address in pages:
            page.goto(served + address, wait_until="load")
            cut[address] = page.evaluate(hidden)
    assert len(cut) > 8
    assert {address: tables for address, tables in cut.items() if tables} == {}


def test_a_word_of_the_glossary_is_explained_to_who_reaches_it_by_keyboard(
    browser: Browser, served: str
) -> None:
    with opened(browser) as context:
        page = context.new_page()
        page.goto(f"{served}/in-depth/handing-batches-to-the-gpu/")
        page.get_by_text("pinned memory", exact=True).focus()
        shown = page.evaluate("getComputedStyle(document.activeElement, '::after').content")
        assert shown.startswith('"Main memory that the system may not move')
