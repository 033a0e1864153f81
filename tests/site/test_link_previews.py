"""What a page says of itself where somebody sends its address to others."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

from running import PROJECT
from tiny import NAME, Tiny


def _said(page: str) -> dict[str, str]:
    found = re.findall(r'<meta (?:property|name)="((?:og|twitter):[^"]*)" content="([^"]*)">', page)
    assert len(found) == len(dict(found))
    return {key: unescape(text) for key, text in found}


def test_every_page_has_a_title_and_says_what_it_is_about(site: Path) -> None:
    for path in site.rglob("*.html"):
        said = _said(path.read_text(encoding="utf-8"))
        assert said.keys() == {"og:type", "og:site_name", "og:title", "og:description"}
        assert all(said.values())


def test_where_the_site_knows_its_address_there_is_a_picture(tiny: Tiny) -> None:
    address = "https://sprites.example/guide/"
    added = f"custom_dir: {json.dumps(str(PROJECT.root / 'overrides'))}"
    tiny.edit("mkdocs.yml", "name: material,", f"name: material, {added},")
    tiny.edit("mkdocs.yml", "site_name: tiny", f"site_name: tiny\nsite_url: {address}")
    tiny.edit(f"examples/{NAME}.py", "A miniature example", 'A "miniature" & <small> example')
    built = tiny.build()
    assert built.status == 0, built.said
    said = _said(built.page(f"experiments/{NAME}"))
    assert said == {
        "og:type": "website",
        "og:site_name": "tiny",
        "og:title": "Counting: what a run counts",
        "og:description": 'A "miniature" & <small> example that measures nothing slow.',
        "og:url": f"{address}experiments/{NAME}/",
        "og:image": f"{address}assets/guide.png",
        "twitter:card": "summary_large_image",
    }
    assert (PROJECT.root / "docs" / "assets" / "guide.png").is_file()
    assert _said(built.page("."))["og:title"] == "tiny"
    assert "og:url" not in _said((built.site / "404.html").read_text(encoding="utf-8"))
