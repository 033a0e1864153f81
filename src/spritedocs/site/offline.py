"""A site that opens from its folder, without a server: what Material's plugin ``offline`` lacks for that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

__all__ = ["add_worker", "flat_links"]

_WORKER = "assets/iframe-worker.js"
"""Material takes one of this name from another host, unless the site has it."""


def add_worker(config: MkDocsConfig, files: Files) -> None:
    """Let pages of an offline site search from a folder, where browsers start no worker."""
    if not _is_offline(config):
        return
    content = Path(__file__).with_name("iframe-worker.js").read_text(encoding="utf-8")
    files.append(File.generated(config, _WORKER, content=content))
    scripts = config.extra.get("polyfills", [])
    config.extra["polyfills"] = [_WORKER, *(url for url in scripts if "iframe-worker" not in url)]


def flat_links(html: str, config: MkDocsConfig) -> str:
    """The content of a page. Offline its links to downloads start elsewhere: no page has a folder there."""
    if not _is_offline(config):
        return html
    return re.sub(r'href="\.\./\.\./(downloads/|notebooks/)(?:\w+/(?=\w+\.ipynb"))?', r'href="../\1', html)


def _is_offline(config: MkDocsConfig) -> bool:
    """Whether the plugin ``offline`` is there and enabled."""
    plugin: Any = config.plugins.get("material/offline")
    return plugin is not None and plugin.config.enabled
