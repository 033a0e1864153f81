"""Rendered pages, kept from one build to the next: most of a build renders what has not changed.

A page is kept under a digest of all that its rendering reads. Kept is what rendering leaves behind: content,
headings, anchors, links, and what mkdocstrings has told others of it. What gives rise to a message is
rendered each time, so that the message appears each time.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.toc import AnchorLink, TableOfContents

from spritedocs.site.notebook_views import write_whole
from spritedocs.site.rendering_key import key_of_pages

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

__all__ = ["RenderedPages"]

_log = logging.getLogger("mkdocs")

_KEPT_UNUSED_S = 24 * 3600
_LEFT_BY_RENDERING = {
    "content", "toc", "title", "_title_from_render", "present_anchor_ids", "links_to_anchors"
}  # fmt: skip


class RenderedPages:
    """The pages that a folder keeps. One that cannot be written to keeps none."""

    folder: Path

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Any]] = {}
        self._used: set[str] = set()
        self._key: Callable[[Page], str] = lambda page: ""
        self.rendered: list[str] = []
        """The pages that the last build rendered itself, by their paths below ``docs/``."""
        self._postponed: dict[str, Callable[[], None]] = {}
        self._thread: threading.Thread | None = None
        self._nothing_is_built = threading.Event()

    @property
    def are_kept(self) -> bool:
        """Whether any are, by a build before."""
        return any(self.folder.glob("*.json"))

    def wait_for_build(self) -> None:
        """Render nothing in the background until the build that begins now has come to its ``end``."""
        self._nothing_is_built.clear()

    def begin(self, config: MkDocsConfig, files: Files) -> None:
        """Look at what the pages of a build have in common."""
        self._key = key_of_pages(config, files)
        self._used.clear()
        self.rendered.clear()
        self._postponed.clear()

    def use_for(self, page: Page, postpone: bool = False) -> None:
        """Let ``page`` be rendered only if it is not kept; with ``postpone`` not even then, but by and by."""
        render = page.render

        def once(config: MkDocsConfig, files: Files) -> None:
            key = self._key(page)
            kept = self._read(key) if key else None
            if kept is not None:
                _restore(page, kept, config, files)
            elif key and postpone:
                page.content = "<p>This view is being made: the page will reload by itself.</p>"
                page.toc = TableOfContents([])
                source = page.file.content_bytes

                def later() -> None:
                    if page.file.content_bytes == source:  # else a later build has another notebook there
                        self._render(page, render, key, config, files, postponed=True)

                self._postponed[page.file.src_uri] = later
            else:
                self.rendered.append(page.file.src_uri)
                self._render(page, render, key, config, files)

        page.render = once  # type: ignore[method-assign]

    @property
    def mark(self) -> Path:
        """The file that changes when a page was rendered which a build did without."""
        return self.folder.with_name("rendered.mark")

    def render_postponed(self) -> None:
        """Render in the background what the last build did without, and change the ``mark``."""
        if not self._postponed or (self._thread and self._thread.is_alive()):
            return
        waiting = dict(self._postponed)

        def work() -> None:
            made = 0
            for name, render in waiting.items():
                self._nothing_is_built.wait()  # whoever has edited a page is waiting for that
                try:
                    render()
                    made += 1
                except Exception as error:  # noqa: BLE001 - whatever it is, others can be rendered
                    _log.error(f"{name} cannot be rendered: {error}")
            if made:
                with contextlib.suppress(OSError):
                    self.mark.touch()

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """A build is done: forget what none has used for a day."""
        self._nothing_is_built.set()
        self._known = {key: kept for key, kept in list(self._known.items()) if key in self._used}
        oldest = time.time() - _KEPT_UNUSED_S
        for path in self.folder.glob("*"):
            with contextlib.suppress(OSError):
                if path.stem in self._used:
                    path.touch()
                elif path.stat().st_mtime < oldest:
                    path.unlink()

    def _read(self, key: str) -> dict[str, Any] | None:
        self._used.add(key)
        if key not in self._known:
            with contextlib.suppress(OSError, ValueError):
                self._known[key] = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
        return self._known.get(key)

    def _render(
        self,
        page: Page,
        render: Callable[[MkDocsConfig, Files], None],
        key: str,
        config: MkDocsConfig,
        files: Files,
        postponed: bool = False,
    ) -> None:
        before = dict(vars(page))
        # mkdocs-jupyter says of each notebook that it converts it.
        level = logging.WARNING if page.file.src_uri.endswith(".ipynb") else logging.INFO
        with _messages(level) as said, _told_to_others(config, page) as told:
            render(config, files)
        left = {name: value for name, value in vars(page).items() if value is not before.get(name)}
        silent = not said and _log.isEnabledFor(logging.INFO)  # "--quiet" hides what there is to say
        storable = _LEFT_BY_RENDERING.issuperset(left) and silent
        if not key or not (storable or postponed):
            return
        left["toc"] = [_heading(item) for item in page.toc]
        left["present_anchor_ids"] = sorted(page.present_anchor_ids or ())
        left["links_to_anchors"] = {
            file.src_uri: links for file, links in (page.links_to_anchors or {}).items()
        }
        # What was postponed is known at least to this process, or it would be postponed for ever.
        self._known[key] = {"left": left, **told}
        if storable:
            with contextlib.suppress(OSError):  # a full disk, or a folder that is not ours
                write_whole(self.folder / f"{key}.json", json.dumps(self._known[key]).encode())


def _restore(page: Page, kept: dict[str, Any], config: MkDocsConfig, files: Files) -> None:
    left = dict(kept["left"])
    left["toc"] = TableOfContents([_anchor(item) for item in left["toc"]])
    left["present_anchor_ids"] = set(left["present_anchor_ids"])
    linked = ((files.get_file_from_path(path), links) for path, links in left["links_to_anchors"].items())
    left["links_to_anchors"] = {file: links for file, links in linked if file is not None}
    vars(page).update(left)
    for arguments, options in kept["anchors"]:
        _plugin(config, "autorefs").register_anchor(page, *arguments, **options)
    for name in kept["handlers"]:
        _plugin(config, "mkdocstrings").handlers.get_handler(name)
    for item in kept["inventory"]:
        _plugin(config, "mkdocstrings").handlers.inventory.register(**item)


@contextlib.contextmanager
def _told_to_others(config: MkDocsConfig, page: Page) -> Iterator[dict[str, Any]]:
    """What rendering a page tells mkdocs-autorefs and the inventory of objects."""
    told: dict[str, Any] = {"anchors": [], "handlers": [], "inventory": []}
    if "mkdocstrings" not in config.plugins or page.file.src_uri.endswith(".ipynb"):
        yield told
        return
    autorefs, handlers = _plugin(config, "autorefs"), _plugin(config, "mkdocstrings").handlers
    register, known = autorefs.register_anchor, dict(handlers.inventory)

    def note(page: Page, *arguments: Any, **options: Any) -> None:
        told["anchors"].append([arguments, options])
        register(page, *arguments, **options)

    autorefs.register_anchor = note
    try:
        yield told
    finally:
        del autorefs.register_anchor
    told["inventory"] = [
        vars(item) for name, item in handlers.inventory.items() if known.get(name) is not item
    ]
    told["handlers"] = [handler.name for handler in handlers.seen_handlers] if told["inventory"] else []


@contextlib.contextmanager
def _messages(level: int) -> Iterator[list[logging.LogRecord]]:
    said: list[logging.LogRecord] = []
    handler = logging.Handler(level)
    here = threading.get_ident()
    handler.addFilter(lambda record: record.thread == here)
    handler.emit = said.append  # type: ignore[assignment, method-assign]
    _log.addHandler(handler)
    try:
        yield said
    finally:
        _log.removeHandler(handler)


def _plugin(config: MkDocsConfig, name: str) -> Any:
    return config.plugins[name]


def _heading(item: AnchorLink) -> list[Any]:
    return [item.title, item.id, item.level, [_heading(child) for child in item.children]]


def _anchor(heading: list[Any]) -> AnchorLink:
    title, name, level, children = heading
    item = AnchorLink(title, name, level)
    item.children = [_anchor(child) for child in children]
    return item
