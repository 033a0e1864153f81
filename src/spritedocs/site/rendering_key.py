"""A digest of all that rendering a page reads: while it is the same, so is the rendered page."""

from __future__ import annotations

import hashlib
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.plugins import BasePlugin

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

__all__ = ["key_of_pages"]

_NOT_RENDERING = {"material/search", "spritedocs"}
"""Plugins that work before a page is rendered or after it."""
_OURS = (Path(__file__), Path(__file__).with_name("rendering_cache.py"))


def key_of_pages(config: MkDocsConfig, files: Files) -> Callable[[Page], str]:
    """What tells the digest of a page of this build, ``""`` if the page is not to be kept.

    A page reads its Markdown, after the macros, the settings, the installed packages and the names of the
    site's files, and an API page the package's sources.
    """
    settings = _digest(_installed(), _settings(config), *(path.read_bytes() for path in _OURS))
    # Nothing links to a download but HTML of ours.
    linked = (file for file in files if not file.src_uri.startswith("downloads/"))
    names = _digest(*sorted(f"{file.src_uri} {file.url} {file.inclusion}" for file in linked))
    code = _digest(*(path.read_bytes() for path in _sources(config)))

    def key(page: Page) -> str:
        text, name = str(page.markdown), page.file.src_uri
        # A talkative build leaves links unchecked.
        if logging.getLogger("mkdocs").isEnabledFor(logging.DEBUG):
            return ""
        parts = [settings, name, text]
        if not name.endswith(".ipynb"):
            parts.append(names)
        if ":::" in text:
            parts.append(code)
        return _digest(*parts)

    return key


def _settings(config: MkDocsConfig) -> str:
    """The settings that rendering reads, where functions go by their names."""
    plugins = {
        name: plugin.config if isinstance(plugin, BasePlugin) else Path(plugin.__file__).read_bytes()
        for name, plugin in config.plugins.items()
        if name not in _NOT_RENDERING
    }  # a hook is a module, and has no settings
    extensions = [name for name in config.markdown_extensions if isinstance(name, str)]
    general = [config.use_directory_urls, config.theme.name, config.validation]
    return re.sub(r" at 0x[0-9a-f]+", "", repr([plugins, extensions, config.mdx_configs, general]))


def _installed() -> str:
    """The installed packages with their versions, by the names of their folders: reading each takes long."""
    found = (path.name for entry in sys.path for path in Path(entry or ".").glob("*.dist-info"))
    return "\n".join([sys.version, *sorted(found)])


def _sources(config: MkDocsConfig) -> list[Path]:
    """The files that mkdocstrings may read."""
    root = Path(config.config_file_path).parent
    paths: list[str] = []
    if "mkdocstrings" in config.plugins:
        handlers = config.plugins["mkdocstrings"].config["handlers"]
        paths = handlers.get("python", {}).get("paths", [])
    return sorted(path for folder in paths for path in (root / folder).rglob("*.py"))


def _digest(*parts: str | bytes) -> str:
    found = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(b"%d\n" % len(data) + data)
    return found.hexdigest()
