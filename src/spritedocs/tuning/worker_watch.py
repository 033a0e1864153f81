"""Watches a loader's workers: whether they run yet, what ended one, and what one could not hand over.

To start a worker by spawn or forkserver is to import torch and the dataset's module anew. On busy cores that
takes longer than any batch should, so that the time for a batch counts from when all workers run.
"""

from __future__ import annotations

import math
import multiprocessing
import re
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.queues import Queue
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from spritedocs.machine import usable_cores

__all__ = ["BatchLost", "NotStarted", "WorkerEnded", "WorkerError", "watch", "without_advice"]

STARTING_S = 60.0
"""So long workers may take to start, for each that shares a core."""
LOOKING_S = 0.5
"""How often workers are looked at while no batch comes."""
KILLS = Path("/proc/vmstat")
_LONGEST = 300
_UP, _READY, _RAISED, _LOST = "up", "ready", "raised", "lost"
_DEAD = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)")


class WorkerError(RuntimeError):
    """What went wrong with a worker, outside of a batch."""


class WorkerEnded(WorkerError):
    """A worker ended before its time."""

    def __init__(
        self, exit_code: int | None, raised: str = "", *, ran: bool = True, out_of_memory: bool | None = None
    ) -> None:
        super().__init__(f"a worker ended, exit code {exit_code}")
        self.exit_code = exit_code
        """As ``multiprocessing`` tells it: negative for a signal; ``None`` if unknown."""
        self.raised = raised
        """The kind and the message of what was raised there, if anything was."""
        self.ran = ran
        """Whether it had started, all imports done."""
        self.out_of_memory = out_of_memory
        """Whether memory ran out and the kernel killed a process meanwhile; ``None`` if unknown."""


class BatchLost(WorkerError):
    """A worker made a batch, and could not send it. ``str()`` is the kind and the message of its error."""


class NotStarted(WorkerError):
    """Workers did not run after ``seconds``, or their ``worker_init_fn`` had not returned (``is_init``)."""

    def __init__(self, seconds: float, is_init: bool = False) -> None:
        super().__init__(f"workers did not run after {seconds:.0f} s")
        self.seconds, self.is_init = seconds, is_init


class _Reporting:
    """A ``worker_init_fn`` that calls ``inner``, and has the worker report to the main process."""

    def __init__(self, inner: Callable[[int], Any] | None, pipe: Connection) -> None:
        self.inner, self.pipe = inner, pipe

    def __call__(self, worker: int) -> None:
        def report(kind: str, error: BaseException | None = None) -> None:
            said = "" if error is None else f"{type(error).__name__}: {error}"
            with suppress(Exception):  # the main process may have gone
                # As short as this, it is written in one piece, whoever else writes.
                self.pipe.send_bytes(f"{kind} {worker} {said}"[:_LONGEST].encode(errors="replace"))

        def ends() -> None:
            # Called while what ends the process is on its way up, if anything is.
            if (error := sys.exc_info()[1]) is not None:
                report(_RAISED, error)

        report(_UP)
        Finalize(None, ends, exitpriority=100)
        # Python drops a batch that cannot be sent, and the loader would wait for it for ever.
        others: Callable[..., None] = Queue._on_queue_feeder_error  # type: ignore[attr-defined]

        def drops(error: Exception, sent: Any) -> None:
            match sent:
                case (int(), _):  # as the loader sends batches: other queues are their own business
                    report(_LOST, error)
                case _:
                    others(error, sent)

        Queue._on_queue_feeder_error = staticmethod(drops)  # type: ignore[attr-defined]
        if self.inner is not None:
            self.inner(worker)
        report(_READY)


def watch(loader: Any, waits: Callable[[bool], object] = lambda are_starting: None) -> None:
    """From now on, watch the workers of the iterators that the ``DataLoader`` makes.

    ``waits`` is called every now and then while no batch comes, with ``True`` while workers start; it may
    raise. ``next()`` of such an iterator raises ``WorkerError`` where a worker fails. The loader's
    ``timeout`` is for batches alone.
    """
    inner, kind, made_by = loader.worker_init_fn, type(loader), weakref.ref(loader)

    def get_iterator() -> Any:
        loader: Any = made_by()
        heard, said = multiprocessing.Pipe(duplex=False)
        with said:
            loader.worker_init_fn = _Reporting(inner, said)
            iterator = kind._get_iterator(loader)
        # Private, but in torch since 1.7.
        if hasattr(iterator, "_try_get_data"):
            iterator._try_get_data = _Watch(iterator, heard, waits).try_get_data
        return iterator

    loader._get_iterator = get_iterator


@contextmanager
def without_advice() -> Iterator[None]:
    """Without torch's warnings of what is found out here: too many workers, what cannot be pickled."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")
        warnings.filterwarnings("ignore", "Got pickle error")  # which is told as a TuneError
        yield


class _Watch:
    """Over the workers of one iterator."""

    def __init__(self, iterator: Any, heard: Connection, waits: Callable[[bool], object]) -> None:
        self._iterator, self._heard, self._waits = weakref.ref(iterator), heard, waits
        self._get = type(iterator)._try_get_data
        self._count = len(iterator._workers)
        self._told: dict[str, dict[int, str]] = {kind: {} for kind in (_UP, _READY, _RAISED, _LOST)}
        self._begun, self._kills = time.monotonic(), _kills()
        self._allowed_s = STARTING_S * math.ceil(self._count / usable_cores())

    def try_get_data(self, timeout: float = 5.0) -> tuple[bool, Any]:
        """As the iterator's own, but ``timeout`` seconds count from when all workers run."""
        iterator, begun = self._iterator(), time.monotonic()
        while True:
            left_s = begun + timeout - time.monotonic()
            try:
                found: tuple[bool, Any] = self._get(iterator, max(0.0, min(LOOKING_S, left_s)))
            except RuntimeError as error:
                if ended := self._ended(iterator, str(error)):
                    raise ended from error
                raise
            if found[0]:
                return found
            self._listen()
            if lost := self._told[_LOST]:
                raise BatchLost(next(iter(lost.values())))
            are_starting = len(self._told[_UP]) < self._count
            self._waits(are_starting)
            if are_starting:
                begun = time.monotonic()
                if begun > self._begun + self._allowed_s:
                    raise NotStarted(self._allowed_s)
                continue
            if left_s <= 0:
                if len(self._told[_READY]) < self._count:
                    raise NotStarted(timeout, is_init=True)
                return found

    def _listen(self) -> None:
        with suppress(EOFError, OSError):  # all workers may have gone
            while self._heard.poll():
                kind, worker, said = self._heard.recv_bytes().decode(errors="replace").split(" ", 2)
                self._told[kind].setdefault(int(worker), said)

    def _ended(self, iterator: Any, said: str) -> WorkerEnded | None:
        """The worker that torch says has ended; not one of another iterator, of which it tells anywhere."""
        dead = _DEAD.match(said)
        pids = dead[1].split(", ") if dead else []
        found = [
            (number, worker) for number, worker in enumerate(iterator._workers) if str(worker.pid) in pids
        ]
        if not found:
            return None
        number, worker = found[0]
        worker.join(1)
        self._listen()
        kills = _kills()
        return WorkerEnded(
            worker.exitcode,
            self._told[_RAISED].get(number, ""),
            ran=number in self._told[_UP],
            out_of_memory=None if kills is None or self._kills is None else kills > self._kills,
        )


def _kills() -> int | None:
    """How many processes the kernel has killed for want of memory; ``None`` where it does not say."""
    try:
        found = re.search(r"^oom_kill (\d+)$", KILLS.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None
