"""What ``mkdocs serve`` lacks: it checks its address first, goes on watching, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from mkdocs.exceptions import PluginError
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingEmitter
from watchdog.utils.dirsnapshot import DirectorySnapshot, EmptyDirectorySnapshot

from spritedocs.machine import for_this_process

if TYPE_CHECKING:
    from mkdocs.livereload import LiveReloadServer

    from spritedocs.recordings import Project

__all__ = ["ServedFolder", "check_address", "end_cleanly_when_told_to", "prepare", "watched"]

_POLLED_EACH_S = 0.25
_MARK = ".spritedocs-serve"
"""What the file is called that is locked in a served site's folder. MkDocs leaves hidden files alone."""


def check_address(host: str, port: int) -> None:
    """Raises ``PluginError`` with a sentence where nothing can be served at ``host``, ``port``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as tried:
            if os.name == "posix":  # as the server does it; on Windows it would share the port
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, port))
            tried.listen()
    except (OSError, OverflowError) as error:
        raise PluginError(_why_not(host, port, error)) from None


def _why_not(host: str, port: int, error: OSError | OverflowError) -> str:
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    other = (
        "choose another port, as in 'make serve ADDRESS=127.0.0.1:8001' or 'mkdocs serve -a 127.0.0.1:8001'"
    )
    if isinstance(error, OverflowError) or not 0 <= port < 65536:
        return f"{shown} cannot be served, as ports are 1 to 65535: {other}."
    if error.errno == errno.EADDRINUSE:
        return f"Another program serves {shown}: stop it, or {other}."
    if error.errno == errno.EACCES:
        return f"{shown} cannot be served, as you may not use port {port}: {other}."
    return f"{shown} cannot be served ({error.strerror}): choose another address, such as 127.0.0.1:8000."


def watched(project: Project, mark: Path) -> list[str]:
    """What a server watches beside the pages: all that they are made of, and the ``mark`` of new views."""
    project.own.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        mark.touch(exist_ok=False)  # each build asks for this: a touch would have the server build for ever
    paths = [project.root / "examples", project.own, project.package, mark]
    return [str(path) for path in paths]


def prepare(server: LiveReloadServer) -> None:
    """Let ``server`` say in a sentence why it cannot use its address, and watch what comes back.

    The address may have been taken since it was checked. git removes folders and brings them back when
    it changes branches.
    """
    bind, host, port = server.server_bind, str(server.server_address[0]), int(server.server_address[1])
    if ":" in host:
        server.url = server.url.replace(f"//{host}:", f"//[{host}]:")

    def server_bind() -> None:
        try:
            bind()
        except (OSError, OverflowError) as error:
            raise PluginError(_why_not(host, port, error)) from None

    server.server_bind = server_bind  # type: ignore[method-assign]
    paths = list(server._watched_paths)
    for path in paths:
        server.unwatch(path)
    server.observer = BaseObserver(_PatientEmitter, timeout=_POLLED_EACH_S)  # type: ignore[assignment]
    for path in paths:
        server.watch(path)


class _PatientEmitter(PollingEmitter):
    """Sees a folder that is not there as an empty one, where watchdog would stop looking."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        take = self._take_snapshot

        def snapshot() -> DirectorySnapshot:
            try:
                return take()
            except (FileNotFoundError, NotADirectoryError):
                return EmptyDirectorySnapshot()

        self._take_snapshot = snapshot


class ServedFolder:
    """The temporary folder of a served site, locked for as long as its server lives."""

    def __init__(self, folder: Path, locks: Path) -> None:
        """Lock ``folder``, and remove those that servers of this clone have left which were killed.

        Locks that all servers of the clone share lie in the folder ``locks``.
        """
        locks.mkdir(parents=True, exist_ok=True)
        self._clone = f"{hashlib.sha256(os.fsencode(locks.resolve())).hexdigest()[:16]}.lock"
        self._lock = FileLock(folder / f"{_MARK}-{self._clone}")
        with FileLock(locks / "serve.lock"):  # or a folder could be taken for a dead one while it is locked
            self._tidy(folder.parent)
            self._lock.acquire()

    def _tidy(self, temporary: Path) -> None:
        for mark in temporary.glob(f"mkdocs_*/{_MARK}-{self._clone}"):
            left = FileLock(mark)
            with contextlib.suppress(Timeout, OSError):
                left.acquire(blocking=False)
                left.release()
                shutil.rmtree(mark.parent)

    def release(self) -> None:
        """Leave the folder to MkDocs, which removes it when its server ends."""
        self._lock.release()


def end_cleanly_when_told_to() -> None:
    """Let SIGTERM and a closed terminal end MkDocs as an error does, so that it removes what it made."""
    if threading.current_thread() is not threading.main_thread():
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        sys.exit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP; nohup has it ignored
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, for_this_process(end))
