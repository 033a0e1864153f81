"""A site that was built for it opens from its folder, and is searched there, without a server."""

from __future__ import annotations

import re

import pytest
from browsing import launched, needs_chromium, opened
from building import forget_plugins
from mkdocs.config import load_config
from running import PROJECT
from tiny import NAME, Built, Tiny


@pytest.fixture
def built(tiny: Tiny) -> Built:
    tiny.edit("mkdocs.yml", "  - search\n", "  - search\n  - offline\n")
    built = tiny.build(strict=True)
    assert built.status == 0, built.said
    return built


@pytest.mark.browser
@needs_chromium
def test_the_folder_is_searched_without_a_server_or_another_host(built: Built) -> None:
    faults: list[str] = []
    with launched() as browser:
        page = opened(browser).new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("request", lambda asked: asked.url.startswith("file:") or faults.append(asked.url))
        page.goto((built.site / "index.html").as_uri())
        page.locator("[data-md-component=search-query]").press_sequentially("angle brackets")
        # Not the first: results come with every letter, and those of "a" are others.
        page.locator(f".md-search-result__link[href*='{NAME}']").first.click()
        page.wait_for_url(f"**/{NAME}.html*")
    assert faults == []


def test_links_of_an_experiment_lead_to_files_of_the_folder(built: Built) -> None:
    page = built.site / "experiments" / f"{NAME}.html"
    links = re.findall(r'href="([^"#:]+)"[^>]*download', page.read_text(encoding="utf-8"))
    assert len(links) == 2
    for link in links:
        assert (page.parent / link).is_file(), link


@pytest.mark.parametrize("offline", ["true", "false"])
def test_the_real_site_is_built_so_on_request(monkeypatch: pytest.MonkeyPatch, offline: str) -> None:
    """By the environment variable that CONTRIBUTING.md names."""
    monkeypatch.setenv("OFFLINE", offline)
    forget_plugins()
    config = load_config(str(PROJECT.root / "mkdocs.yml"))
    assert config.plugins["material/offline"].config.enabled is (offline == "true")
