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
from suite.datasets import Computing, Fetched, Integers, Rows, Stream, Waiting, Worked, compute, think, wait
from suite.kinds import (
    ARRAYS,
    BY_BATCH,
    CHEAPER,
    COLD,
    HOARDERS,
    LARGER,
    LISTED,
    LONGER,
    MS,
    ONE_AT_A_TIME,
    PARSED,
    PICTURES,
    SHORT,
    SORTED,
    TENSORS,
    TENSORS_IN_MEMORY,
    WAITING_AND_COMPUTING,
    Kind,
    in_memory,
    stream,
    varied,
    with_a_slow_one,
    worked,
)
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler

from spritedocs.model import Settings

NONE = Settings()
SHUFFLING = 20261127
"""The seed of the order of items."""


@dataclass(frozen=True)
class Workload:
    """A data set, how it is trained on, and the bottleneck that was planted."""

    name: str
    planted: tuple[str, ...]
    """The bottleneck, one of ``spritedocs.tuning.diagnosis.DIAGNOSES``; several only where all are true."""
    kind: Kind
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
    can_be_scaled: bool = True
    """Whether what was planted stays true with other costs: a longer step would hide a handover, and a slow
    sample among smaller batches; beside it no other core could help."""
    times: float = 1.0
    """The factor of what an item costs."""
    held_out: bool = False
    """Whether the tuner was developed without it: ``suite.held_out`` draws these."""

    def make(self, folder: Path) -> Dataset[Any]:
        """The data set, which may write files into the folder."""
        return self.kind.make(folder, self.kind.items, self.times)


GPU = Waiting(2 * MS)
SLOW = {"cost": CHEAPER, "step": LONGER}
WAITING = (
    Workload("wait", ("waiting",), worked(wait, 256, 2.4 * MS), 4),
    Workload("wait-long-items", ("waiting",), worked(wait, 128, 5 * MS), 2),
    Workload("wait-lognormal", ("waiting",), varied(wait, 256, 2.4 * MS), 4),
    Workload("wait-gpu-step", ("waiting",), worked(wait, 192, 2.4 * MS), 4, step=GPU),
    Workload("wait-computing-step", ("waiting",), worked(wait, 192, 2.4 * MS), 4, step=Computing(2 * MS)),
    Workload("wait-and-compute", ("waiting",), WAITING_AND_COMPUTING, 4),
    Workload("wait-two-workers", ("waiting",), worked(wait, 256, 2.4 * MS), 4, present=Settings(2, 2, True)),
    Workload("wait-iterable", ("waiting",), stream(wait, 256, 2.4 * MS), 4),
    Workload("wait-by-batch", ("waiting",), BY_BATCH, 8),
    Workload("wait-one-core", ("waiting",), worked(wait, 256, 2.4 * MS), 4, one_core=True),
    Workload("disk-cold", ("waiting",), COLD, 6),
)
COMPUTING = (
    Workload("compute", ("cpu",), worked(compute, 384, 1 * MS), 6),
    Workload("compute-lognormal", ("cpu",), varied(compute, 384, 1 * MS), 6),
    Workload("compute-gpu-step", ("cpu",), worked(compute, 240, 1 * MS), 6, step=GPU),
    Workload("compute-computing-step", ("cpu",), worked(compute, 288, 1 * MS), 6, step=Computing(3 * MS)),
    Workload("compute-one-worker", ("cpu",), worked(compute, 384, 1 * MS), 6, present=Settings(1, 2, True)),
    Workload("compute-iterable", ("cpu",), stream(compute, 384, 1 * MS), 6),
    Workload("disk-png", ("cpu",), PICTURES, 6),
    Workload("numpy", ("cpu",), SORTED, 16),
)
LOCKED = (
    Workload("python", ("gil",), worked(think, 384, 1 * MS), 6),
    Workload("python-words", ("gil",), PARSED, 6),
    Workload("python-gpu-step", ("gil",), worked(think, 240, 1 * MS), 6, step=GPU),
    Workload("python-one-worker", ("gil",), worked(think, 384, 1 * MS), 6, present=Settings(1, 2, True)),
)
OTHERS = (
    Workload("many-tensors", ("handover",), TENSORS, 8, present=Settings(2, 2, True)),
    Workload(
        "many-tensors-gpu-step",
        ("handover",),
        TENSORS,
        8,
        present=Settings(4, 2, True),
        step=GPU,
        can_be_scaled=False,
    ),
    Workload("huge-batches-pickled", ("handover",), ARRAYS, 8, present=Settings(2, 2, True), collate=list),
    Workload("short-epoch-wait", ("startup",), worked(wait, 64, 3 * MS, **SHORT), 4, present=Settings(4)),
    Workload(
        "short-epoch-compute", ("startup",), worked(compute, 96, 1 * MS, **SHORT), 6, present=Settings(2)
    ),
    Workload("short-epoch-tiny", ("startup",), in_memory(Integers, 2048, LARGER), 32, present=Settings(4)),
    Workload("lists-first", ("epoch-start",), LISTED, 4),
    Workload("one-at-a-time", ("contention",), ONE_AT_A_TIME, 4),
    Workload("slow-sample-wait", ("slow-sample",), with_a_slow_one(wait, 256, 1 * MS, 200), 4),
    Workload("slow-sample-compute", ("slow-sample",), with_a_slow_one(compute, 256, 0.5 * MS, 400), 4),
    Workload(
        "slow-sample-gpu-step",
        ("slow-sample",),
        with_a_slow_one(wait, 192, 1 * MS, 200),
        4,
        step=GPU,
        can_be_scaled=False,
    ),
    Workload(
        "slow-gpu-step",
        ("consumer",),
        worked(compute, 96, 0.25 * MS, **SLOW),
        4,
        present=Settings(2, 2, True),
        step=Waiting(10 * MS),
    ),
    Workload(
        "slow-computing-step",
        ("consumer",),
        worked(compute, 96, 0.25 * MS, **SLOW),
        4,
        present=Settings(2, 2, True),
        step=Computing(10 * MS),
    ),
    Workload("memory-two-fit", ("memory",), HOARDERS, 4, memory_limit_mb=420, most_workers=2),
    Workload("memory-one-fits", ("memory",), HOARDERS, 4, memory_limit_mb=250, most_workers=1),
    Workload("one-core", ("cores",), worked(compute, 288, 1 * MS), 6, one_core=True),
    Workload(
        "one-core-gpu-step",
        ("cores",),
        worked(compute, 240, 1 * MS),
        6,
        step=Waiting(3 * MS),
        one_core=True,
        can_be_scaled=False,
    ),
    Workload("tiny-tensors", ("nothing-to-gain",), in_memory(lambda n: Rows(n // 8, (64,), 8), 8192), 64),
    Workload("tiny-integers", ("nothing-to-gain",), in_memory(Integers, 65_536), 512),
    Workload("tiny-iterable", ("nothing-to-gain",), in_memory(lambda n: Stream(Worked(n)), 8192), 64),
    Workload("tiny-by-batch", ("nothing-to-gain",), in_memory(Fetched, 8192), 64),
    Workload("huge-batches", ("nothing-to-gain",), in_memory(lambda n: Rows(n // 8, (256, 1024), 8), 256), 8),
    Workload("many-tensors-in-memory", ("nothing-to-gain",), TENSORS_IN_MEMORY, 8),
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
