"""The other ranks of a training on one machine, which load beside the one that is measured.

Each is a process of its own, with the same loader. It loads with the settings that are being measured, for as
long as a slice of them takes, and shares cores, memory and disk with all others.
"""

from __future__ import annotations

import multiprocessing
import pickle
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import psutil
import torch

from spritedocs.errors import raised
from spritedocs.model import Settings
from spritedocs.tuning.failures import TuneError
from spritedocs.tuning.other_rank import LEAVE, Load, go_on, serve
from spritedocs.tuning.variants import Variants
from spritedocs.tuning.worker_watch import LOOKING_S, STARTING_S

__all__ = ["OtherRanks"]

ENDING_S = 3.0
"""So long a rank may take to end its workers."""


class OtherRanks:
    """All ranks of ``variants`` but the one that is measured; ``step`` stands in for theirs.

    Raises ``TuneError`` where a rank fails. It may take ``timeout_s`` seconds to answer, beyond what its
    workers take to start.
    """

    def __init__(
        self, variants: Variants, step: Callable[[Any], object] | None = None, timeout_s: float = 30.0
    ) -> None:
        self._variants, self._step, self._timeout_s = variants, step, timeout_s
        self._ranks: list[tuple[BaseProcess, Connection]] = []
        self._threads = 0

    def start(self) -> None:
        """Start a process for each."""
        variants = self._variants
        if variants.ranks == 1:
            return
        self._threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as torchrun does
        context: Any = multiprocessing.get_context(variants.start_method)
        # What a subclass does with batches on a GPU, a forked process cannot do.
        copied = variants.make(Settings(), is_plain=torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
        like = replace(variants, loader=copied, waits=go_on)
        served = partial(serve, like, self._step, self._timeout_s)
        try:
            for rank in range(1, variants.ranks):
                ours, theirs = context.Pipe()
                # What is forked has our ends, too, and none may stay open once this process is gone.
                held = [ours, *(pipe for _, pipe in self._ranks)] if variants.start_method == "fork" else []
                process = context.Process(target=served, args=(rank, theirs, held))
                with theirs, _sending(variants.start_method):
                    process.start()
                self._ranks.append((process, ours))
            self._hear()
        except BaseException:
            self.end()
            raise

    def keep(self, counts: Collection[int]) -> None:
        """End the workers of all loaders but those with so many."""
        self._tell(frozenset(counts))

    @contextmanager
    def beside(self, workers: int, ahead: int, *, stay: bool) -> Iterator[None]:
        """Let all of them load in this block, which begins once each of their workers has loaded a batch.

        Their workers ``stay`` for slices to come. After an exception no rank is left.
        """
        try:
            self._tell(Load(workers, ahead, stay))
            self._hear()
            yield
            self._tell(None)
            self._hear()
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End them, and their workers."""
        ranks, self._ranks = self._ranks, []
        if self._threads:
            torch.set_num_threads(self._threads)
        for _, pipe in ranks:
            with pipe, suppress(OSError):
                pipe.send(LEAVE)
        ends = time.monotonic() + ENDING_S
        for process, _ in ranks:
            process.join(max(0.0, ends - time.monotonic()))
            if process.is_alive():
                _kill(process)

    def _tell(self, order: object) -> None:
        for _, pipe in self._ranks:
            with suppress(OSError):  # why it has ended may be in the pipe
                pipe.send(order)

    def _hear(self) -> None:
        """Wait until each has done what it was told."""
        allowed_s = STARTING_S + self._timeout_s
        until = time.monotonic() + allowed_s
        for process, pipe in self._ranks:
            while not pipe.poll(LOOKING_S):
                self._variants.waits(False)
                if time.monotonic() > until:
                    raise TuneError(f"Another rank loaded nothing for {allowed_s:.0f} s: try fewer ranks.")
            if failure := _answer(process, pipe):
                raise TuneError(f"In another rank: {failure}")


@contextmanager
def _sending(method: str) -> Iterator[None]:
    try:
        yield
    except (pickle.PicklingError, TypeError, AttributeError, NotImplementedError) as error:
        raise TuneError(
            f"Another rank cannot be sent the loader, which the start method {method!r} needs "
            f"({raised(error)}): define its classes and its sampler at the top level of a module."
        ) from error


def _answer(process: BaseProcess, pipe: Connection) -> str:
    try:
        return str(pipe.recv())
    except (EOFError, OSError):
        process.join(1)
        raise TuneError(
            f"Another rank ended, exit code {process.exitcode}: if it was for want of memory, fewer ranks "
            "take less, or a smaller batch size."
        ) from None


def _kill(process: BaseProcess) -> None:
    with suppress(psutil.Error):
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for worker in workers:
            with suppress(psutil.Error):
                worker.kill()
    process.join()
