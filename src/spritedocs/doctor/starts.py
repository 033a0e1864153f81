"""Starting one worker under each start method: how long that takes, and what such a worker holds."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from spritedocs.machine import memory_of
from spritedocs.timing import dismiss

__all__ = ["BUDGET_S", "Start", "start_all"]

BUDGET_S = 10.0
"""All starts together take no longer: what is not there by then is given up."""

_LEAST_S = 1.0
"""With less left of the budget no further start is begun: no spawned worker imports torch in that time."""


@dataclass(frozen=True)
class Start:
    """One worker that was started, alone, for a dataset of one number."""

    method: str
    """``"fork"``, ``"forkserver"`` or ``"spawn"``."""
    seconds: float | None = None
    """From ``iter(loader)`` to the first batch; ``None`` if it did not come, or nobody asked."""
    problem: str = ""
    """Why it did not come; empty if it came, or no time was left to try."""
    torch_threads: int | None = None
    """What ``torch.get_num_threads()`` says in the worker."""
    threads: int | None = None
    """Threads that the worker's process has."""
    private_mb: float | None = None
    """Memory that only the worker has (USS, 10⁶ bytes); ``None`` where the system does not say."""


class _OneNumber:
    """The smallest dataset: its item says which process made it, and what torch allows there."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> tuple[int, int]:
        import torch  # a worker has it anyway; whoever only asks for help on the command line need not

        return os.getpid(), torch.get_num_threads()


def start_all(budget_s: float = BUDGET_S) -> tuple[Start, ...]:
    """Start one worker under each method that this system has, Python's default first.

    Workers are started from this process, one after the other, and are gone afterwards. A server that
    ``forkserver`` brings along stays until this process ends, and counts into its worker's seconds.
    So this is for a program of its own: in yours it would settle what that server imports.
    """
    end = time.monotonic() + budget_s
    return tuple(_start(method, end - time.monotonic()) for method in multiprocessing.get_all_start_methods())


def _start(method: str, left_s: float) -> Start:
    if left_s < _LEAST_S:
        return Start(method)
    from torch.utils.data import DataLoader

    loader: DataLoader[Any] = DataLoader(
        _OneNumber(),  # type: ignore[arg-type]  # a Dataset in all but name
        batch_size=None,
        num_workers=1,
        multiprocessing_context=method,
        timeout=left_s,
        worker_init_fn=_ignore_interrupts,
    )
    arriving = None
    with _quietly():
        try:
            begun = time.perf_counter()
            arriving = iter(loader)
            pid, torch_threads = next(arriving)
            seconds = time.perf_counter() - begun
            worker = psutil.Process(pid)
            return Start(method, seconds, "", torch_threads, worker.num_threads(), memory_of(pid).uss_mb)
        except Exception as error:  # noqa: BLE001 - whatever stops a worker here is what was looked for
            if "DataLoader timed out" in str(error):  # torch's words: slow, which is no failure
                return Start(method)
            return Start(method, problem=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        finally:
            dismiss(loader, arriving)


def _ignore_interrupts(worker_id: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's to answer.


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the warning that fork meets torch's threads, and without torch's complaint that an iterator
    which could not be built cannot be taken down either."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        sys.unraisablehook = before
