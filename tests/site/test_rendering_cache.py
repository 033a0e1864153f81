"""Builds of the miniature site, one after another: only what has changed is rendered, and it is shown."""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
from building import Builds
from mkdocs_jupyter import convert
from sealing import seal
from tiny import NAME, Tiny

from spritedocs.site import rendering_cache
from spritedocs.site.rendering_cache import RenderedPages

EXPERIMENT, NOTEBOOK = f"experiments/{NAME}.md", f"notebooks/{NAME}.ipynb"
PAGES = ["experiments/index.md", EXPERIMENT, "index.md"]
MODULE = '"""How to count."""\n\n\ndef count() -> int:\n    """Count the sprites."""\n    return 4\n'


@pytest.fixture
def builds(tiny: Tiny) -> Iterator[Builds]:
    logger = logging.getLogger("mkdocs")
    level = logger.level
    logger.setLevel(logging.INFO)
    yield Builds(tiny)
    logger.setLevel(level)
    Builds(tiny)


@pytest.fixture
def rendered(builds: Builds, recorded: Path) -> Builds:
    """Builds that find what one has rendered."""
    kept = Path(".cache", "spritedocs", "rendered")
    shutil.copytree(recorded.with_name("built") / kept, builds.tiny.root / kept)
    return builds


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_build_renders_nothing_and_makes_the_same_site(builds: Builds) -> None:
    assert builds.build(site="first") == sorted([*PAGES, NOTEBOOK])
    assert builds.build(site="second") == []
    first, second = (contents(builds.tiny.root / name) for name in ("first", "second"))
    assert first == second


def test_what_a_build_has_compiled_no_other_compiles(builds: Builds, monkeypatch: pytest.MonkeyPatch) -> None:
    """The miniature site was built when it was recorded."""
    compiled: list[str] = []
    make = jinja2.Environment.compile

    def noted(environment: jinja2.Environment, source: str, name: str | None = None, *rest: Any) -> Any:
        compiled.extend([name] if name else [])  # the theme's own scripts have none
        return make(environment, source, name, *rest)

    monkeypatch.setattr(jinja2.Environment, "compile", noted)
    assert NOTEBOOK in builds.build()
    assert compiled == []


def reworded(path: str, old: str, new: str) -> Callable[[Tiny], None]:
    return lambda tiny: tiny.edit(path, old, new)


def rerecorded(tiny: Tiny) -> None:
    tiny.edit(str(tiny.recording().relative_to(tiny.root)), "Tiny CPU", "Titan CPU")
    seal(tiny.recording())


def new_page(tiny: Tiny) -> None:
    (tiny.root / "docs" / "more.md").write_text("# More goblins\n", encoding="utf-8")


CHANGES: dict[str, tuple[Callable[[Tiny], None], list[str], tuple[str, str]]] = {
    "a page": (reworded("docs/experiments/index.md", "# Exp", "# Goblins and Exp"), ["experiments/index.md"],
               ("experiments", "Goblins and ")),
    "an example": (reworded(f"examples/{NAME}.py", "# # Count", "# # Goblins and Count"),
                   [EXPERIMENT, NOTEBOOK], (f"experiments/{NAME}", "Goblins and ")),
    "a recording": (rerecorded, [EXPERIMENT, "index.md", NOTEBOOK], ("", "Titan CPU")),
    "a setting": (reworded("mkdocs.yml", "  - admonition\n", "  - admonition\n  - smarty\n"),
                  sorted([*PAGES, NOTEBOOK]), ("", "</html>")),
    "the files": (new_page, sorted([*PAGES, "more.md"]), ("more", "More goblins")),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_shown_and_nothing_else_is_rendered(rendered: Builds, change: str) -> None:
    make, anew, (address, text) = CHANGES[change]
    make(rendered.tiny)
    assert rendered.build() == anew
    assert text in rendered.page(address)


def test_what_gives_rise_to_a_message_is_rendered_each_time(
    builds: Builds, caplog: pytest.LogCaptureFixture
) -> None:
    builds.tiny.edit("docs/index.md", "# T", "[Lost](lost.md)\n\n# T")
    for _ in range(2):
        caplog.clear()
        assert "index.md" in builds.build()
        assert "lost.md" in caplog.text


def test_a_quiet_build_uses_what_is_kept_and_keeps_nothing(rendered: Builds) -> None:
    """It cannot know what it would have said."""
    logging.getLogger("mkdocs").setLevel(logging.ERROR)
    rendered.tiny.edit("docs/index.md", "# T", "[Lost](lost.md)\n\n# T")
    for _ in range(2):
        assert rendered.build() == ["index.md"]


def test_a_link_to_an_anchor_that_went_away_is_reported_from_a_page_that_was_kept(
    builds: Builds, caplog: pytest.LogCaptureFixture
) -> None:
    builds.tiny.edit("docs/index.md", "# T", "[All](experiments/index.md#all)\n\n# T")
    page = builds.tiny.root / "docs" / "experiments" / "index.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(f"{text}\n\n## All\n", encoding="utf-8")
    builds.build()
    assert "no such anchor" not in caplog.text
    page.write_text(text, encoding="utf-8")
    assert builds.build() == ["experiments/index.md"]
    assert "does not contain an anchor '#all'" in caplog.text


def test_a_damaged_entry_is_made_anew_and_a_full_disk_keeps_none(
    rendered: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = rendered.tiny.root / ".cache" / "spritedocs" / "rendered"
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert rendered.build() == sorted([*PAGES, NOTEBOOK])
    assert rendered.build() == []
    for path in folder.iterdir():
        path.unlink()

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rendering_cache, "write_whole", full)
    for _ in range(2):
        assert rendered.build() == sorted([*PAGES, NOTEBOOK])


def test_what_no_build_has_used_for_a_day_is_forgotten(builds: Builds) -> None:
    folder = builds.tiny.root / ".cache" / "spritedocs" / "rendered"
    builds.build()
    used = {path.name for path in folder.iterdir()}
    for name in (*used, "unused.json", "cut-off"):
        (folder / name).touch()
        os.utime(folder / name, (1, 1))
    (folder / "of-another-build.json").touch()
    builds.build()
    assert {path.name for path in folder.iterdir()} == {*used, "of-another-build.json"}


def test_an_api_page_is_rendered_when_the_package_changes_and_others_find_its_anchors(builds: Builds) -> None:
    tiny = builds.tiny
    package = tiny.root / "src" / "spritedocs"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "counts.py").write_text(MODULE, encoding="utf-8")
    (tiny.root / "docs" / "api.md").write_text("# Counts\n\n::: spritedocs.counts\n", encoding="utf-8")
    tiny.edit("docs/index.md", "# T", "Call [it][spritedocs.counts.count].\n\n# T")
    tiny.edit("mkdocs.yml", "  - search\n", "  - search\n  - autorefs\n  - mkdocstrings:\n"
              "      handlers: { python: { paths: [src] } }\n")  # fmt: skip
    builds.build(site="first")
    assert builds.build(site="second") == []
    first, second = (contents(tiny.root / name) for name in ("first", "second"))
    assert first == second
    assert "objects.inv" in second
    assert 'href="api/#spritedocs.counts.count"' in builds.page("", "second")
    tiny.edit("src/spritedocs/counts.py", "Count the sprites", "Count the goblins")
    assert builds.build() == ["api.md"]
    assert "Count the goblins" in builds.page("api")


def test_a_server_makes_views_of_notebooks_after_its_first_answer_and_once(
    builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make, built_first = convert.nb2html, threading.Event()

    def make_then(path: str, **rest: Any) -> Any:
        built_first.wait(60)  # else the view may be there before the test has looked at the mark
        made.append(path)
        return make(path, **rest)

    monkeypatch.setattr(convert, "nb2html", make_then)
    assert builds.build("serve") == sorted(PAGES)
    assert "This view is being made" in builds.page(f"notebooks/{NAME}")
    mark, thread = builds.plugin._rendered.mark, builds.plugin._rendered._thread
    os.utime(mark, (1, 1))
    built_first.set()
    assert thread is not None
    thread.join()
    assert mark.stat().st_mtime > 1, "which the server sees, and builds again"
    assert builds.build("serve") == []
    assert "This view is being made" not in builds.page(f"notebooks/{NAME}")
    assert builds.plugin._rendered._thread is thread
    assert builds.build(site="built") == []
    assert "What was counted" in builds.page(f"notebooks/{NAME}", "built")
    index = Path("search", "search_index.json")
    served, built = (json.loads((builds.tiny.root / name / index).read_text()) for name in ("site", "built"))
    assert served["docs"] == built["docs"]
    assert len(made) == 1


def test_a_build_is_not_held_up_by_views_that_can_wait(tmp_path: Path) -> None:
    """Under serve a page that was just edited comes before the views of notebooks."""
    pages, made = RenderedPages(), []
    pages.folder = tmp_path / "rendered"
    pages._postponed = {"notebooks/one.ipynb": lambda: made.append("one")}
    pages.render_postponed()
    assert pages._thread is not None
    pages._thread.join(0.2)
    assert made == []
    pages.end()
    pages._thread.join()
    assert made == ["one"]
