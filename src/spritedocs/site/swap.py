"""A build beside the site, which takes its place once it is whole: one that fails leaves it as it was."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from mkdocs.exceptions import PluginError

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

__all__ = ["SiteSwap"]

log = logging.getLogger("mkdocs.plugins.spritedocs")


class SiteSwap:
    """One build, from a folder beside the site into the site's place."""

    def __init__(self, config: MkDocsConfig, locks: Path) -> None:
        """Let MkDocs build ``config`` beside its site. Locks lie in the folder ``locks``.

        Raises ``PluginError`` while another build makes the same site.
        """
        self._config, self._named = config, config.site_dir
        self._site = Path(config.site_dir).resolve()  # a link stays one
        self._beside = self._site.with_name(f".{self._site.name}.building")
        self._former = self._site.with_name(f".{self._site.name}.former")
        self.whole = False
        """Whether the build has come to its end without an error."""
        locks.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(locks / f"{hashlib.sha256(os.fsencode(self._site)).hexdigest()[:16]}.lock")
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise PluginError(
                f"Another build makes {self._site}: wait until it has ended, or name another folder with "
                "--site-dir."
            ) from None
        if os.path.ismount(self._site) or not self._prepared():
            self._beside = self._site  # MkDocs builds in place then, as it does without us
        config.site_dir = str(self._beside)

    def _prepared(self) -> bool:
        try:
            self._tidy()
            self._beside.mkdir(parents=True)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                return False
            self._lock.release()
            raise PluginError(
                f"{self._beside} cannot be made ({error.strerror}): make room, or name another folder with "
                "--site-dir."
            ) from None
        return True

    def _tidy(self) -> None:
        """Remove what a build left that was killed, and bring back the site that it had put aside."""
        if self._former.is_dir():
            if self._site.exists():
                self._keep_hidden()
                shutil.rmtree(self._former)
            else:
                self._former.rename(self._site)
        if self._beside.is_dir():
            shutil.rmtree(self._beside)

    def end(self) -> None:
        """Put the build in the site's place if it is whole, else remove it."""
        self._config.site_dir = self._named
        try:
            if self.whole and self._beside != self._site:
                self._swap()
        finally:
            if self._beside != self._site:
                shutil.rmtree(self._beside, ignore_errors=True)
            self._lock.release()

    def _swap(self) -> None:
        try:
            if self._site.exists():
                self._site.rename(self._former)
            self._beside.rename(self._site)
        except BaseException as error:
            if self._former.exists() and not self._site.exists():
                self._former.rename(self._site)
            if not isinstance(error, OSError):
                raise
            raise PluginError(
                f"{self._site} cannot be replaced ({error.strerror}): close what has files of it open, and "
                "build again. The former site is still there."
            ) from None
        if self._former.exists():
            self._keep_hidden()
            shutil.rmtree(self._former, ignore_errors=True)
        log.info(f"The site stands in {self._site}")

    def _keep_hidden(self) -> None:
        """What is hidden in a site, such as ``.git``, is none of MkDocs' making, and stays."""
        for path in self._former.glob(".*"):
            if not (self._site / path.name).exists():
                path.rename(self._site / path.name)
