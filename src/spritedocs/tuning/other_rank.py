"""What the process of another rank does: it loads, for as long as a slice is measured."""

from __future__ import annotations

import itertools
import math
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch

from spritedocs.model import Settings
from spritedocs.tuning.failures import TuneError, told
from spritedocs.tuning.indices import endless
from spritedocs.tuning.pausing import PausingLoader
from spritedocs.tuning.variants import Variants
from spritedocs.tuning.worker_watch import without_advice

__all__ = ["LEAVE", "Load", "go_on", "serve"]

LEAVE = "leave"
"""Asks a rank to end: its pipe may stay open, as forked processes have its ends, too."""


class Load(NamedTuple):
    """Asks a rank to load until the next message comes."""

    workers: int
    ahead: int
    stay: bool
    """Whether its workers stay for a slice to come."""


class _Gone(Exception):
    """Nobody asks any more."""


def go_on(are_starting: bool) -> None:
    """What a rank does while it waits for a batch: the one that is measured sees to the time."""


def serve(
    variants: Variants,
    step: Callable[[Any], object] | None,
    timeout_s: float,
    rank: int,
    pipe: Connection,
    held: Collection[Connection],
) -> None:
    """Be that ``rank`` until it is asked to ``LEAVE``; ``held`` are ends that it has of others' pipes.

    It is sent a ``Load`` and then ``None``, or the numbers of workers whose loaders stay. What it has done it
    answers by ``""``, and what went wrong by a sentence, but for those numbers.
    """
    torch.set_num_threads(1)  # as torchrun does; and OpenMP's do not outlive a fork, but would be waited for
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that is measured ends it
    for end in held:
        end.close()
    torch.manual_seed(torch.initial_seed() + rank)
    loader: Any = variants.loader
    vars(loader)["pin_memory"] = False  # a forked process cannot use a GPU that is in use
    if (divider := variants.divider) is not None:
        divider.rank = (divider.rank + rank) % divider.num_replicas
    loaders, indices = dict[int, PausingLoader](), endless(variants.indices)

    def loaded(order: Load) -> None:
        if order.workers not in loaders:
            settings = Settings(order.workers, order.ahead, order.workers > 0)
            loaders[order.workers] = PausingLoader(variants, settings, timeout_s, drawing_s=0.0)
        _load(loaders[order.workers], order.ahead, indices, step, pipe)
        if not order.stay:
            loaders.pop(order.workers).dismiss()
        pipe.send("")

    try:
        with told(variants.start_method, timeout_s), without_advice():
            pipe.send("")
            while True:
                order = _received(pipe)
                if isinstance(order, Load):
                    loaded(order)
                else:
                    for gone in loaders.keys() - order:
                        loaders.pop(gone).dismiss()
    except TuneError as failure:
        with suppress(OSError):
            pipe.send(str(failure))
    except (_Gone, OSError):
        pass
    finally:
        for each in loaders.values():
            each.dismiss(at_once=True)


def _load(
    loader: PausingLoader,
    ahead: int,
    indices: Iterator[Any],
    step: Callable[[Any], object] | None,
    pipe: Connection,
) -> None:
    """Load until something is sent. It tells of it once each worker has loaded a batch."""
    turn, came = max(1, loader.workers), 0

    def stepped(batch: Any) -> None:
        nonlocal came
        came += 1
        if came == turn:
            pipe.send("")
        if step is not None and not (came > turn and _is_over(pipe)):  # what was fetched ahead needs none
            step(batch)

    while came < turn or not _is_over(pipe):  # a stream may end, and begins anew
        first = itertools.islice(indices, turn)  # an epoch without a batch would be a failure
        more = itertools.takewhile(lambda _: not _is_over(pipe), indices)
        loader.slice(ahead, itertools.chain(first, more), math.inf, stepped)
    _received(pipe)


def _is_over(pipe: Connection) -> bool:
    try:
        return pipe.poll()
    except OSError:  # on Windows, where the other end is closed
        return True


def _received(pipe: Connection) -> Any:
    try:
        order = pipe.recv()
    except (EOFError, OSError):
        raise _Gone from None
    if order == LEAVE:
        raise _Gone
    return order
