"""What a build takes from those before it, beside rendered pages: compiled templates and search entries."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from spritedocs.site.notebook_views import write_whole

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

__all__ = [
    "SearchEntries",
    "keep_compiled_api_templates",
    "keep_compiled_notebook_templates",
    "keep_compiled_templates",
]


def keep_compiled_templates(config: MkDocsConfig, folder: Path) -> None:
    """Let the theme's templates be compiled once, not in each build. A changed one is compiled anew."""
    make, cache = config.theme.get_env, _Compiled.below(folder)

    def get_env() -> jinja2.Environment:
        environment = make()
        environment.bytecode_cache = cache
        return environment

    config.theme.get_env = get_env  # type: ignore[method-assign]


def keep_compiled_api_templates(config: MkDocsConfig, folder: Path) -> None:
    """The same for the templates of mkdocstrings, after it has been configured."""
    handlers = getattr(config.plugins.get("mkdocstrings"), "handlers", None)
    if handlers is None:
        return
    find, cache = handlers.get_handler, _Compiled.below(folder)

    def get_handler(*arguments: Any) -> Any:
        handler = find(*arguments)
        handler.env.bytecode_cache = cache
        return handler

    handlers.get_handler = get_handler


def keep_compiled_notebook_templates(config: MkDocsConfig, folder: Path) -> None:
    """The same for the templates of nbconvert, which compiles all of them for each notebook."""
    if "mkdocs-jupyter" in config.plugins:
        from nbconvert.exporters import templateexporter

        cached = functools.partial(jinja2.Environment, bytecode_cache=_Compiled.below(folder))
        templateexporter.Environment = cached  # type: ignore[attr-defined, assignment]


class _Compiled(jinja2.FileSystemBytecodeCache):
    @classmethod
    def below(cls, folder: Path) -> _Compiled:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        return cls(str(folder))

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        with contextlib.suppress(OSError):  # a full disk, or a folder that is not ours
            super().dump_bytecode(bucket)


class SearchEntries:
    """The sections that Material's search found in a page, for as long as the page stays the same."""

    def __init__(self) -> None:
        self._known: dict[str, list[dict[str, Any]]] = {}
        self._used: set[str] = set()

    def use_for(self, config: MkDocsConfig, path: Path) -> None:
        """Let the index take apart only pages that the build did not that wrote the file ``path``."""
        self._used, self._path = set(), path
        index = getattr(config.plugins.get("material/search"), "search_index", None)
        if index is None:
            return
        take_apart = index.add_entry_from_context
        if not self._known:
            with contextlib.suppress(OSError, ValueError):
                self._known = json.loads(path.read_text(encoding="utf-8"))

        def add(page: Page) -> None:
            read = repr((version("mkdocs-material"), page.content, page.title, page.url, page.meta))
            digest = hashlib.sha256(read.encode()).hexdigest()
            self._used.add(digest)
            if digest not in self._known:
                before = len(index.entries)
                take_apart(page)
                self._known[digest] = index.entries[before:]
            else:
                index.entries += self._known[digest]

        index.add_entry_from_context = add

    def keep(self) -> None:
        """Write down what this build has used, for the next one."""
        self._known = {digest: entries for digest, entries in self._known.items() if digest in self._used}
        with contextlib.suppress(OSError):  # a full disk, or a folder that is not ours
            write_whole(self._path, json.dumps(self._known).encode())
