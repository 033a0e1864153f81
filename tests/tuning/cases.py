"""Loaders whose fault is in how they are measured, after public reports, as small as they may be."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

BATCH = 8


class Pictures(Dataset[Any]):
    """Items that wait."""

    def __init__(self, count: int = 4000, wait_s: float = 0.002) -> None:
        self.count, self.wait_s = count, wait_s

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        time.sleep(self.wait_s)
        return torch.zeros(3, 4, 4), index


class Tiles(Pictures):
    """deepmd-kit#4616, pytorch#43012: the latest items are remembered, of many more."""

    def __getitem__(self, index: int) -> Any:
        return tile(index)


@lru_cache(maxsize=512)
def tile(index: int) -> Any:
    time.sleep(0.002)
    return torch.full((3,), float(index))


class Remembering(Pictures):
    """All items are remembered, and few: after an epoch each is at hand."""

    def __init__(self) -> None:
        super().__init__(128, 0.004)
        self.kept: dict[int, Any] = {}

    def __getitem__(self, index: int) -> Any:
        if index not in self.kept:
            self.kept[index] = super().__getitem__(index)
        return self.kept[index]


class Shared(IterableDataset[Any]):
    """deeplake#1760, webdataset#379, datasets#7102: ``start_s`` to list files, ``held`` items in a buffer."""

    def __init__(self, count: int, start_s: float = 0.0, held: int = 0, wait_s: float = 0.001) -> None:
        self.count, self.start_s, self.held, self.wait_s = count, start_s, held, wait_s

    def __iter__(self) -> Iterator[Any]:
        time.sleep(self.start_s)
        worker = get_worker_info()
        held: list[int] = []
        for number in range(worker.id if worker else 0, self.count, worker.num_workers if worker else 1):
            time.sleep(self.wait_s)
            held.append(number)
            if len(held) > self.held:
                yield held.pop(random.randrange(len(held)))
        yield from held


class ListsFirst(Shared):
    def __len__(self) -> int:
        return self.count


class WholeInEachWorker(IterableDataset[Any]):
    """pytorch#30599: as many copies of each item as there are workers."""

    def __iter__(self) -> Iterator[Any]:
        for number in range(100_000):
            time.sleep(0.001)
            yield number


class Buckets:
    """pytorch#50689: takes a while before each epoch."""

    def __init__(self, start_s: float) -> None:
        self.start_s = start_s

    def __iter__(self) -> Iterator[list[int]]:
        time.sleep(self.start_s)
        order = random.sample(range(400), 400)
        return iter([order[start : start + BATCH] for start in range(0, 400, BATCH)])


class HardlyEverSlow(Pictures):
    """One item in 97 takes far longer."""

    def __getitem__(self, index: int) -> Any:
        time.sleep(0.118 if index % 97 == 0 else 0.0)
        return super().__getitem__(index)


class WithWorkersOnly(Pictures):
    """pytorch#11929: opened in ``worker_init_fn``."""

    file: Any = None

    def __getitem__(self, index: int) -> Any:
        return super().__getitem__(self.file[index])


def open_file(worker: int) -> None:
    get_worker_info().dataset.file = range(4000)  # type: ignore[union-attr]


def zipped(items: list[Any]) -> Any:
    """torchvision's detection tutorial: pictures, then labels."""
    return tuple(zip(*items, strict=True))


class Changed(DataLoader[Any]):
    """Changes each batch."""

    def __iter__(self) -> Any:
        for images, labels in super().__iter__():
            yield torch.stack(images), labels
