"""A training step that is long enough for helpers to load the next batch meanwhile."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, NamedTuple

from spritedocs.machine import gpu_ended
from spritedocs.timing.epochs import Loader, finish_cuda_work

__all__ = ["Fit", "fit_step"]

SAMPLES = 6
"""How many batches are loaded, and steps taken, of which the medians count."""


class Fit(NamedTuple):
    """The size whose step was long enough, and what was measured."""

    size: int
    load_s: float
    """Seconds to load a batch in this process."""
    step_s: float
    """Seconds of a step, its CUDA work included."""

    def __str__(self) -> str:
        return (
            f"A batch takes {self.load_s * 1e3:.1f} ms to load in this process, and a step of size "
            f"{self.size} {self.step_s * 1e3:.1f} ms."
        )


def fit_step(
    make: Callable[[int], Any],
    sizes: Iterable[int],
    loader: Loader,
    helpers: int,
    *,
    times: float = 1.25,
    clock: Callable[[], float] = time.perf_counter,
) -> Fit:
    """The first of ``sizes`` with a step ``times`` as long as a batch's loading divided by ``helpers``.

    ``make(size).step`` is called with a batch of ``loader``. Several helpers are less
    than that many times as fast as one: ``times`` is to make up for it. Where no step is long enough, the
    last size is taken. A GPU that fails is one sentence, as ``GpuEnded``.

    Examples:
        >>> class Model:
        ...     def __init__(self, width):
        ...         self.step = lambda batch: sum(range(1000 * width))
        >>> fit_step(Model, [1, 2], [[0]], helpers=1, times=0.0).size
        1
    """
    batch: Any = None
    found: Fit | None = None
    try:
        load_s, batch = _loading(loader, clock)
        for size in sizes:
            step = make(size).step
            samples = []
            for _ in range(2 * SAMPLES):  # the first half sets things up
                begun = clock()
                step(batch)
                finish_cuda_work()
                samples.append(clock() - begun)
            found = Fit(size, load_s, statistics.median(samples[SAMPLES:]))
            if found.step_s >= times * load_s / helpers:
                break
    except RuntimeError as error:
        if ended := gpu_ended(error):
            raise ended from None
        raise
    if found is None:
        raise ValueError("there are no sizes: give at least one")
    return found


def _loading(loader: Loader, clock: Callable[[], float]) -> tuple[float, Any]:
    """Seconds to load a batch, the median of several; and a batch."""
    samples, begun, batch = [], clock(), None
    for found in islice(loader, SAMPLES):
        samples.append(clock() - begun)
        batch, begun = found, clock()
    if not samples:
        raise ValueError("the loader yielded no batch: give it more items, or a smaller batch_size")
    return statistics.median(samples), batch
