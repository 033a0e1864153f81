"""What a build takes from those before it, beside rendered pages: compiled templates and search entries."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

__all__ = ["SearchEntries", "keep_compiled_templates"]


def keep_compiled_templates(config: MkDocsConfig, folder: Path) -> None:
    """Let the theme's templates be compiled once, not in each build. A changed one is compiled anew."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    make = config.theme.get_env

    def get_env() -> jinja2.Environment:
        environment = make()
        environment.bytecode_cache = _Compiled(str(folder))
        return environment

    config.theme.get_env = get_env  # type: ignore[method-assign]


class _Compiled(jinja2.FileSystemBytecodeCache):
    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        with contextlib.suppress(OSError):  # a full disk, or a folder that is not ours
            super().dump_bytecode(bucket)


class SearchEntries:
    """The sections that Material's search found in a page, for as long as the page stays the same."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, list[dict[str, Any]]]] = {}

    def use_for(self, config: MkDocsConfig) -> None:
        """Let the build's search index take apart only pages that have changed."""
        index = getattr(config.plugins.get("material/search"), "search_index", None)
        if index is None:
            return
        take_apart = index.add_entry_from_context

        def add(page: Page) -> None:
            read = repr((page.content, page.title, page.url, page.meta))
            digest = hashlib.sha256(read.encode()).hexdigest()
            known, entries = self._known.get(page.file.src_uri, ("", []))
            if known == digest:
                index.entries += entries
                return
            before = len(index.entries)
            take_apart(page)
            self._known[page.file.src_uri] = digest, index.entries[before:]

        index.add_entry_from_context = add
