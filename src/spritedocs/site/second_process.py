"""A second process for a build that has everything to render: it begins with the last page."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from mkdocs.commands.build import _populate_page
from mkdocs.structure.pages import Page

from spritedocs.machine import ending_signals, usable_cores

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

__all__ = ["SecondProcess"]

_log = logging.getLogger("mkdocs")


class SecondProcess:
    """Renders pages from the last one on, while the build renders them from the first.

    What it has rendered the build finds among the ``RenderedPages``. All else that it does ends with it: a
    page with a message is rendered again, so that the message appears.
    """

    is_wanted = False
    """Whether the next build has much to render."""

    def __init__(self) -> None:
        self._pid: int | None = None

    def start(self, config: MkDocsConfig, files: Files, leave_out: str | None = None) -> None:
        """Fork it, once where it is wanted and safe. It leaves out pages below the folder ``leave_out``.

        macOS's own libraries do not survive a fork, nor do other threads, of which ``mkdocs serve`` has some
        after its first build.
        """
        wanted, self.is_wanted = self.is_wanted, False
        safe = sys.platform == "linux" and threading.active_count() == 1
        if not (wanted and safe) or usable_cores() < 2 or _log.isEnabledFor(logging.DEBUG):
            return
        self._pid = os.fork()
        if self._pid:
            return
        try:
            for number in ending_signals():
                signal.signal(number, signal.SIG_DFL)
            _log.handlers.clear()
            _log.setLevel(logging.INFO)  # of a quiet build no page is kept
            for file in reversed(files.documentation_pages()):
                if not (leave_out and file.src_uri.startswith(leave_out)):
                    _populate_page(file.page or Page(None, file, config), config, files)
        finally:  # whatever it is, the build will meet it, too
            os._exit(0)

    def end(self) -> None:
        """End it, if it still renders: what is left the build has done."""
        if self._pid:
            with contextlib.suppress(OSError):
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
        self._pid = None
