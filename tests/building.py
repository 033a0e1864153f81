"""Builds by MkDocs in the process that tests: what one of them leaves there is put back."""

from __future__ import annotations

import contextlib
import io
import logging
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig

from spritedocs.machine import ending_signals
from spritedocs.site import SpritedocsPlugin

if TYPE_CHECKING:
    from tiny import Tiny


def forget_plugins() -> None:
    """MkDocs keeps plugins for the next build of its process."""
    dict(MkDocsConfig._schema)["plugins"].plugin_cache.clear()  # type: ignore[attr-defined]


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """What is let signals do in here ends with it: a worker that is forked later would inherit it.

    MkDocs' own answer to SIGTERM made 376 of 400 workers deaf that were ended as soon as they were forked.
    """
    before = {number: signal.getsignal(number) for number in ending_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def listened(said: io.StringIO) -> Iterator[None]:
    """Write what MkDocs logs to ``said``, as its command does."""
    log, handler = logging.getLogger("mkdocs"), logging.StreamHandler(said)
    handler.setFormatter(logging.Formatter("%(levelname)-8s-  %(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)


class Builds:
    """Builds in this process, each as if in one of its own, or under ``serve`` as one server's."""

    def __init__(self, tiny: Tiny) -> None:
        self.tiny = tiny
        forget_plugins()

    def build(self, command: Literal["build", "serve"] = "build", site: str = "site") -> list[str]:
        """What this build renders."""
        folder = self.tiny.root / site
        config = load_config(str(self.tiny.root / "mkdocs.yml"), site_dir=str(folder))
        self.plugin: SpritedocsPlugin = config.plugins["spritedocs"]  # type: ignore[assignment]
        if command == "build":
            forget_plugins()
            config.plugins.on_startup(command=command, dirty=False)
        else:
            self.plugin._command = command
        try:
            build(config, serve_url="http://127.0.0.1/" if command == "serve" else None)
        finally:
            if command == "build":
                config.plugins.on_shutdown()
        return sorted(self.plugin._rendered.rendered)

    def page(self, address: str, site: str = "site") -> str:
        return (self.tiny.root / site / address / "index.html").read_text(encoding="utf-8")
