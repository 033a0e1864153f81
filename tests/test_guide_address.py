"""Whoever installed the package from a site is sent back to that site."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest

from spritedocs.guide import how_to_open, install, lack, whole

PAGE = "in-depth/memory/#shm"
WHEEL = "downloads/spritedocs-0.1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("origin", "address", "is_clone"),
    [
        ({"url": f"https://git.example/guide/{WHEEL}"}, f"https://git.example/guide/{PAGE}", False),
        ({"url": "https://index.example/spritedocs-0.1.0-py3-none-any.whl"}, PAGE, False),
        ({"url": "file:///home/sprite/guide", "dir_info": {"editable": True}}, PAGE, True),
        ({"url": "file:///home/sprite/guide", "dir_info": {}}, PAGE, True),
        ([], PAGE, False),
        (None, PAGE, False),
    ],
)
def test_a_page_is_told_whole_where_the_site_is_known(
    monkeypatch: pytest.MonkeyPatch, origin: object, address: str, is_clone: bool
) -> None:
    kept = None if origin is None else json.dumps(origin)
    monkeypatch.setattr(metadata, "distribution", lambda name: SimpleNamespace(read_text=lambda path: kept))
    assert whole(PAGE) == address
    assert bool(how_to_open()) == is_clone


def test_a_copy_that_was_never_installed_knows_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", lost)
    assert (whole(PAGE), how_to_open()) == (PAGE, "")


@pytest.mark.parametrize(
    ("url", "source"),
    [
        (f"https://git.example/guide/{WHEEL}", f" @ https://git.example/guide/{WHEEL}"),
        ("file:///home/sprite/guide", ""),
    ],
)
def test_what_is_missing_comes_from_the_site_where_that_is_known(
    monkeypatch: pytest.MonkeyPatch, url: str, source: str
) -> None:
    kept = json.dumps({"url": url})
    monkeypatch.setattr(metadata, "distribution", lambda name: SimpleNamespace(read_text=lambda path: kept))
    monkeypatch.setitem(sys.modules, "yaml", None)
    said = f'A reader needs PyYAML: pip install "spritedocs[record]{source}"'
    assert lack("A reader", ["json", "yaml"]) == said
    assert lack("A reader", ["json"]) == ""


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        ({"url": f"https://git.example/{WHEEL}"}, f'pip install "spritedocs @ https://git.example/{WHEEL}"'),
        ({"url": "file:///sprite/guide", "dir_info": {}}, 'pip install "spritedocs @ file:///sprite/guide"'),
        (
            {"url": "https://git.example/s/g", "vcs_info": {"vcs": "git", "commit_id": "0"}},
            'pip install "spritedocs @ git+https://git.example/s/g"',
        ),
        (None, "pip install spritedocs"),
    ],
)
def test_another_python_gets_the_package_from_where_this_one_did(
    monkeypatch: pytest.MonkeyPatch, origin: object, line: str
) -> None:
    kept = None if origin is None else json.dumps(origin)
    monkeypatch.setattr(metadata, "distribution", lambda name: SimpleNamespace(read_text=lambda path: kept))
    assert install() == line
