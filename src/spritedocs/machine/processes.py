"""Leaving no process behind: finding and ending all that a run started."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from spritedocs.machine.interruption import undisturbed
from spritedocs.machine.subreaper import adopting_orphans

__all__ = ["end_descendants", "marked", "remains"]

MARKER = "SPRITEDOCS_RUN"
"""The environment variable that every process of a run inherits, those in sessions of their own too."""

_GRACE_S = 3.0
_TIDYING_S = 10.0
_LIMIT_S = 20.0
"""How long ending may take: a process that waits for a broken disk cannot be ended at all."""
_QUIET_LOOKS = 20

_lock = threading.Lock()
_runs: list[_Run] = []
"""The runs of this process that have not ended; several where threads run scripts at once."""


@dataclass(eq=False)
class _Run:
    """What a run started: all that carries its mark, and all that is to be known as its in another way."""

    alone: bool
    mark: tuple[str, str] = ("", "")
    """The environment variable and its value."""
    before: Set[psutil.Process] = frozenset()
    """The descendants that this process had before the run, and before those that overlap with it."""
    over: threading.Event = field(default_factory=threading.Event)
    seen: set[psutil.Process] = field(default_factory=set)
    ended: Set[psutil.Process] = frozenset()

    def look(self) -> tuple[set[psutil.Process], bool]:
        """The processes that it started and that live, and whether others ended since the last look.

        A chain of processes each of which starts the next and ends may show nothing but its dead.
        """
        new = _descendants(psutil.Process()) - self.before
        found = {process for process in new if self.owns(process)} | self.seen
        found |= set(_carrying(*self.mark)) if self.mark[0] else set()
        for process in found - new if self.alone else set(found):
            found |= _descendants(process)
        ended = {process for process in new | found if _has_ended(process, self.alone and self.over.is_set())}
        others, self.ended = ended - self.ended, ended
        return found - ended, bool(others)

    def owns(self, descendant: psutil.Process) -> bool:
        """Whether a new descendant of this process is the run's."""
        if self.alone:
            return True
        try:
            environment = descendant.environ()
        except (psutil.Error, OSError):
            return False
        if environment.get(self.mark[0]) == self.mark[1]:
            return True
        is_last = all(run is self or run.over.is_set() for run in _runs)
        return is_last and not _is_ours(environment)

    def watch(self) -> None:
        """Remember what it starts, where an orphan could not be told from any other process."""
        took_s = 0.0
        while not self.over.wait(max(1.0, 50 * took_s)):
            begun = time.monotonic()
            self.seen |= self.look()[0]
            took_s = time.monotonic() - begun


@contextlib.contextmanager
def marked(marker: str = MARKER, alone: bool = True) -> Iterator[dict[str, str]]:
    """An environment for one run; on leaving, every process that the run started is ended.

    A worker whose parent died belongs to another parent, and one in a session of its own gets no
    signal from the terminal: both still have the environment they were started with. ``marker`` is
    the variable that holds the mark: a run inside a run takes another one, so that it keeps the outer
    mark too. A process that has shed the mark is known as a descendant, since on Linux orphans become
    children of this process for as long as a run lasts. If this is the only run (``alone``), all new
    descendants are its own. Otherwise those are that have shed this process's environment too, and they
    are ended with the last of the runs that overlap.
    """
    run = _Run(alone, (marker, os.urandom(8).hex()))
    with adopting_orphans() as adopting:
        with _lock:
            run.before = _runs[0].before if _runs and not alone else _descendants(psutil.Process())
            _runs.append(run)
        watcher = threading.Thread(target=run.watch, daemon=True, name="process-watcher")
        try:
            if not adopting:
                watcher.start()
            yield {**os.environ, marker: run.mark[1]}
        finally:
            with undisturbed():
                run.over.set()
                if watcher.ident:
                    watcher.join()
                _end(run)
                _runs.remove(run)


def remains(mark: str, marker: str = MARKER) -> list[psutil.Process]:
    """The living processes that carry ``mark``, without this one."""
    return [process for process in _carrying(marker, mark) if not _has_ended(process)]


def end_descendants() -> None:
    """End every process that this one started, and those that these started in turn."""
    run = _Run(alone=True)
    run.over.set()
    _end(run)


def _descendants(process: psutil.Process) -> set[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return set(process.children(recursive=True))
    return set()


def _carrying(marker: str, mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(marker) == mark:
                yield process


def _is_ours(environment: dict[str, str]) -> bool:
    """Whether a process with this environment got it from this one, as a child of ours usually does."""
    given = psutil.Process().environ()  # which a forked child shows, whatever has been set since
    return (given.items() & os.environ.items()) <= environment.items()


def _has_ended(process: psutil.Process, reap: bool = False) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        if process.status() != psutil.STATUS_ZOMBIE:
            return False
        if reap and sys.platform != "win32":
            with contextlib.suppress(ChildProcessError):  # it is not ours to reap
                os.waitpid(process.pid, os.WNOHANG)
    return True


def _end(run: _Run) -> None:
    """Stop all that it started, until nothing else is found, and kill it only then.

    The other way round each that is killed leaves orphans, and one that lives starts the next.
    """
    end = time.monotonic() + _LIMIT_S
    stopped: set[psutil.Process] = set()
    killed: set[psutil.Process] = set()
    while time.monotonic() < end:
        changes = _stop_children(run, end)
        living, others_ended = run.look()
        tidying = {process for process in living - stopped - killed if _tidies_up(process)}
        if new := living - stopped - killed - tidying:
            for process in new:
                _stop(process)
            stopped |= new
        elif not (changes or others_ended):
            if not stopped and not tidying:
                return
            _let_tidy_up(tidying)
            _kill(stopped)
            killed, stopped = killed | stopped, set()
            _, late = psutil.wait_procs(tidying, timeout=_TIDYING_S)
            _kill(set(late))
    _kill(stopped)


def _tidies_up(process: psutil.Process) -> bool:
    """Whether it is torch's manager of tensors that are shared by files (``torch/lib/libshm/manager.cpp``).

    It ends 2 seconds after the last process that shared any, and removes their files from /dev/shm then.
    """
    with contextlib.suppress(psutil.Error):
        return process.name().startswith("torch_shm_manag")  # which Linux cuts to 15 characters
    return False


def _let_tidy_up(processes: set[psutil.Process]) -> None:
    """Let them go on, having been stopped with their group, until they have answered all that asked.

    One that has yet to answer a process that is killed crashes.
    """
    end = time.monotonic() + _GRACE_S
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.resume()
            while process.status() != psutil.STATUS_SLEEPING and time.monotonic() < end:
                time.sleep(0.01)


def _kill(processes: set[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):  # one that has become another user's cannot be ended
            process.kill()
    psutil.wait_procs(processes, timeout=_GRACE_S)


def _stop(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error, OSError):
        if sys.platform != "win32" and os.getsid(process.pid) != os.getsid(0):
            # Nothing can be forked between the signals to a group, and a session that is not ours holds
            # nothing but what the run started.
            os.killpg(os.getpgid(process.pid), signal.SIGSTOP)
        process.suspend()


def _stop_children(run: _Run, end: float) -> bool:
    """Catch a chain of processes sooner than a full look takes; says whether children came or ended."""
    looked: set[int] = set()
    quiet, changes = 0, False
    while quiet < _QUIET_LOOKS and time.monotonic() < end:
        new = _children() - looked
        changes |= bool(looked and new)
        quiet = 0 if new else quiet + 1
        for pid in new:
            with contextlib.suppress(psutil.Error):
                child = psutil.Process(pid)
                if child in run.before:
                    continue
                if _has_ended(child, reap=run.alone):
                    changes |= run.alone
                elif run.owns(child) and not _tidies_up(child):
                    _stop(child)
        looked |= new
    return changes


def _children() -> set[int]:
    """The numbers of this process's children, where Linux tells them at once."""
    with contextlib.suppress(OSError):
        tasks = Path("/proc/self/task").iterdir()
        return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}
    return set()
