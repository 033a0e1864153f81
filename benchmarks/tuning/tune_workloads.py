"""The workloads on which `spritedocs tune` is judged: what was planted in each, and how to run it.

Each was given its bottleneck before the tuner saw it. Two names are accepted only where two are true.
Epochs are short, so that a brute-force grid over all of them fits into half an hour or so: at prefetch factor
2 nearly all have at least 4 × prefetch × workers batches up to 8 workers; at 4 and 8 the window covers a
larger part of the epoch than it would in a long one.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from suite.datasets import (
    Arrays,
    Cold,
    Computing,
    Fetched,
    Hoarders,
    Integers,
    Parsed,
    Pictures,
    Rows,
    Sorted,
    Stream,
    Waiting,
    Worked,
    compute,
    lognormal,
    one_slow,
    think,
    wait,
)
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler

from spritedocs.model import Settings
from spritedocs.timing import EpochTiming, dismiss, time_epoch

MS = 1e-3
NONE = Settings()
SHUFFLING = 20261127
"""The seed of the order of items."""


@dataclass(frozen=True)
class Workload:
    """A data set, how it is trained on, and the bottleneck that was planted."""

    name: str
    planted: tuple[str, ...]
    """The bottleneck, one of ``spritedocs.tuning.diagnosis.DIAGNOSES``; several only where all are true."""
    make: Callable[[Path], Dataset[Any]]
    """Makes the data set; it may write files into the folder."""
    batch_size: int
    present: Settings = NONE
    """The settings that the reader has so far."""
    step: Waiting | Computing | None = None
    one_core: bool = False
    """Whether only one core may be used."""
    memory_limit_mb: float | None = None
    most_workers: int | None = None
    """How many workers fit into that limit, by what each was planted to keep."""
    collate: Callable[[list[Any]], Any] | None = None
    held_out: bool = False
    """Whether the tuner was developed without it: ``suite.held_out`` draws these."""


def _wait(count: int, seconds: Any, **more: Any) -> Callable[[Path], Worked]:
    return lambda folder: Worked(count, (wait, seconds), **more)


def _compute(count: int, seconds: Any, **more: Any) -> Callable[[Path], Worked]:
    return lambda folder: Worked(count, (compute, seconds), **more)


def _think(count: int, seconds: Any, **more: Any) -> Callable[[Path], Worked]:
    return lambda folder: Worked(count, (think, seconds), **more)


WAITING = (
    Workload("wait", ("waiting",), _wait(256, 2.4 * MS), 4),
    Workload("wait-long-items", ("waiting",), _wait(128, 5 * MS), 2),
    Workload("wait-lognormal", ("waiting",), _wait(256, lognormal(256, 2.4 * MS, 0.8)), 4),
    Workload("wait-gpu-step", ("waiting",), _wait(192, 2.4 * MS), 4, step=Waiting(2 * MS)),
    Workload("wait-computing-step", ("waiting",), _wait(192, 2.4 * MS), 4, step=Computing(2 * MS)),
    Workload(
        "wait-and-compute",
        ("waiting",),
        lambda folder: Worked(256, (wait, 2 * MS), (compute, 0.3 * MS)),
        4,
    ),
    Workload("wait-two-workers", ("waiting",), _wait(256, 2.4 * MS), 4, present=Settings(2, 2, True)),
    Workload("wait-iterable", ("waiting",), lambda folder: Stream(Worked(256, (wait, 2.4 * MS))), 4),
    Workload("wait-by-batch", ("waiting",), lambda folder: Fetched(512, (wait, 10 * MS)), 8),
    Workload("wait-one-core", ("waiting",), _wait(256, 2.4 * MS), 4, one_core=True),
    Workload("disk-cold", ("waiting",), lambda folder: Cold(folder, 384, reads=7), 6),
)
COMPUTING = (
    Workload("compute", ("cpu",), _compute(384, 1 * MS), 6),
    Workload("compute-lognormal", ("cpu",), _compute(384, lognormal(384, 1 * MS, 0.8)), 6),
    Workload("compute-gpu-step", ("cpu",), _compute(240, 1 * MS), 6, step=Waiting(2 * MS)),
    Workload("compute-computing-step", ("cpu",), _compute(288, 1 * MS), 6, step=Computing(3 * MS)),
    Workload("compute-one-worker", ("cpu",), _compute(384, 1 * MS), 6, present=Settings(1, 2, True)),
    Workload("compute-iterable", ("cpu",), lambda folder: Stream(Worked(384, (compute, 1 * MS))), 6),
    Workload("disk-png", ("cpu",), lambda folder: Pictures(folder, 384, side=160), 6),
    Workload("numpy", ("cpu",), lambda folder: Sorted(1024, 16_000), 16),
)
LOCKED = (
    Workload("python", ("gil",), _think(384, 1 * MS), 6),
    Workload("python-words", ("gil",), lambda folder: Parsed(384, 8_000), 6),
    Workload("python-gpu-step", ("gil",), _think(240, 1 * MS), 6, step=Waiting(2 * MS)),
    Workload("python-one-worker", ("gil",), _think(384, 1 * MS), 6, present=Settings(1, 2, True)),
)
OTHERS = (
    Workload("many-tensors", ("handover",), _wait(128, 0, tensors=60), 8, present=Settings(2, 2, True)),
    Workload(
        "many-tensors-gpu-step",
        ("handover",),
        _wait(128, 0, tensors=60),
        8,
        present=Settings(4, 2, True),
        step=Waiting(2 * MS),
    ),
    Workload(
        "huge-batches-pickled",
        ("handover",),
        lambda folder: Arrays(128, megabytes=1),
        8,
        present=Settings(2, 2, True),
        collate=list,
    ),
    Workload("short-epoch-wait", ("startup",), _wait(64, 3 * MS), 4, present=Settings(4)),
    Workload("short-epoch-compute", ("startup",), _compute(96, 1 * MS), 6, present=Settings(2)),
    Workload("short-epoch-tiny", ("startup",), lambda folder: Integers(2048), 32, present=Settings(4)),
    Workload("slow-sample-wait", ("slow-sample",), _wait(256, one_slow(256, 1 * MS, 128, 200)), 4),
    Workload("slow-sample-compute", ("slow-sample",), _compute(256, one_slow(256, 0.5 * MS, 128, 400)), 4),
    Workload(
        "slow-sample-gpu-step",
        ("slow-sample",),
        _wait(192, one_slow(192, 1 * MS, 96, 200)),
        4,
        step=Waiting(2 * MS),
    ),
    Workload(
        "slow-gpu-step",
        ("consumer",),
        _compute(96, 0.25 * MS),
        4,
        present=Settings(2, 2, True),
        step=Waiting(10 * MS),
    ),
    Workload(
        "slow-computing-step",
        ("consumer",),
        _compute(96, 0.25 * MS),
        4,
        present=Settings(2, 2, True),
        step=Computing(10 * MS),
    ),
    Workload(
        "memory-two-fit",
        ("memory",),
        lambda folder: Hoarders(256, (wait, 2.4 * MS), megabytes=150),
        4,
        memory_limit_mb=420,
        most_workers=2,
    ),
    Workload(
        "memory-one-fits",
        ("memory",),
        lambda folder: Hoarders(256, (wait, 2.4 * MS), megabytes=150),
        4,
        memory_limit_mb=250,
        most_workers=1,
    ),
    Workload("one-core", ("cores",), _compute(288, 1 * MS), 6, one_core=True),
    Workload("one-core-gpu-step", ("cores",), _compute(240, 1 * MS), 6, step=Waiting(3 * MS), one_core=True),
    Workload("tiny-tensors", ("nothing-to-gain",), lambda folder: Rows(1024, (64,), 8), 64),
    Workload("tiny-integers", ("nothing-to-gain",), lambda folder: Integers(65_536), 512),
    Workload("tiny-iterable", ("nothing-to-gain",), lambda folder: Stream(Worked(8192)), 64),
    Workload("tiny-by-batch", ("nothing-to-gain",), lambda folder: Fetched(8192), 64),
    Workload("huge-batches", ("nothing-to-gain",), lambda folder: Rows(32, (256, 1024), 8), 8),
    Workload("many-tensors-in-memory", ("nothing-to-gain",), _wait(128, 0, tensors=60), 8),
)
WORKLOADS = {workload.name: workload for workload in (*WAITING, *COMPUTING, *LOCKED, *OTHERS)}


@contextmanager
def prepared(workload: Workload) -> Iterator[Dataset[Any]]:
    """The data set of ``workload``, for as long as its files and its core, where it has but one, last.

    Raises ``OSError`` where one core is asked for and the system has no affinity.
    """
    with (
        tempfile.TemporaryDirectory(prefix="tune-", ignore_cleanup_errors=True) as folder,
        _cores(workload),
        warnings.catch_warnings(),
    ):
        # More workers than cores are what is looked into here.
        warnings.filterwarnings("ignore", message="This DataLoader will create", category=UserWarning)
        yield workload.make(Path(folder))


@contextmanager
def _cores(workload: Workload) -> Iterator[None]:
    if not workload.one_core:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise OSError(f"{workload.name} needs one core, and this system has no affinity: run it on Linux")
    before = os.sched_getaffinity(0)
    _keep_to({min(before)})
    try:
        yield
    finally:
        _keep_to(before)


def _keep_to(cores: set[int]) -> None:
    # Every thread has a mask of its own: one of torch's, made meanwhile, would keep to one core for ever.
    for thread in psutil.Process().threads():
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(thread.id, cores)


def loader(
    workload: Workload, dataset: Dataset[Any], settings: Settings, seed: int = SHUFFLING
) -> DataLoader[Any]:
    """A loader of ``dataset`` with ``settings``, shuffled as in training.

    All with the same ``seed`` draw the same orders, epoch by epoch, so that none is lucky with them.
    """
    more: dict[str, Any] = settings._asdict() if settings.num_workers else {}
    if not isinstance(dataset, IterableDataset):
        sized: Any = dataset
        more["sampler"] = RandomSampler(sized, generator=torch.Generator().manual_seed(seed))
    return DataLoader(dataset, workload.batch_size, collate_fn=workload.collate, **more)


def epochs(workload: Workload, settings: Settings, count: int = 3) -> list[EpochTiming]:
    """Prepare ``workload`` and time ``count`` epochs with ``settings`` after a first one.

    Examples:
        >>> [epoch.items for epoch in epochs(WORKLOADS["short-epoch-tiny"], Settings(), 2)]
        [2048, 2048]
    """
    with prepared(workload) as dataset:
        tried = loader(workload, dataset, settings)
        try:
            return [time_epoch(tried, workload.step) for _ in range(count + 1)][1:]
        finally:
            dismiss(tried)
