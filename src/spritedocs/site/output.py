"""Where a run of MkDocs puts its pages, from the run's start to its end."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.exceptions import Abort

from spritedocs.site.serving import ServedFolder, check_address, end_cleanly_when_told_to, prepare
from spritedocs.site.swap import SiteSwap

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.livereload import LiveReloadServer

__all__ = ["SiteOutput"]

log = logging.getLogger("mkdocs.plugins.spritedocs")


class SiteOutput:
    """The output of one run: of a build the folder beside the site, of a server its temporary folder."""

    def __init__(self) -> None:
        self._serves = self._dirty = False
        self._to_place = False  # who calls MkDocs' functions himself says neither start nor end
        self._swap: SiteSwap | None = None
        self._served: ServedFolder | None = None

    def start(self, serves: bool, dirty: bool) -> None:
        """A run begins, of ``mkdocs serve`` if it ``serves``, with ``--dirty`` or without."""
        self._serves, self._dirty, self._to_place = serves, dirty, True
        end_cleanly_when_told_to()

    def place(self, config: MkDocsConfig, locks: Path) -> None:
        """Choose where the run's first build puts its pages: a server's later ones go there, too.

        Raises ``PluginError`` where that cannot be, or the server's address cannot be used.
        """
        if not self._to_place:
            return
        self._to_place = False
        if self._serves:
            check_address(*config.dev_addr)
            self._served = ServedFolder(Path(config.site_dir), locks)
        elif not self._dirty:  # MkDocs' "--dirty" replaces some pages of a site that is there
            self._swap = SiteSwap(config, locks)

    def complete(self) -> None:
        """All pages are there. What MkDocs still finds wrong with them, it says to ``fail``."""
        if self._swap:
            self._swap.whole = True

    def fail(self, error: Exception) -> None:
        """What was built takes nobody's place. Of a file that cannot be written a sentence tells."""
        if self._swap:
            self._swap.whole = False
        if isinstance(error, OSError):
            log.error(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.")
            raise Abort("Aborted with an error of the file system!")

    def serve(self, server: LiveReloadServer) -> None:
        """The first build stands, and ``server`` is about to answer."""
        self._end_swap()  # 'mkdocs serve --clean' says that it builds
        prepare(server)

    def end(self) -> None:
        """Put a whole build in the site's place, or leave a served folder to MkDocs, which removes it."""
        self._end_swap()
        if self._served:
            self._served.release()

    def _end_swap(self) -> None:
        swap, self._swap = self._swap, None
        if swap:
            swap.end()
