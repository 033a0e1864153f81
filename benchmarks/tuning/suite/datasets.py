"""Data sets whose costs are known, because they were planted: what `tune_workloads` is made of.

Work is calibrated by the clock that it is about, so that an item costs the same on any machine: waiting
by the clock on the wall, computing by the processor time of its own thread. Everything is drawn from
seeds, and can be pickled.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, get_worker_info

Seconds = float | NDArray[np.float64]
Work = tuple[Callable[[float], None], Seconds]
"""What an item does, and for how long: one number for all items, or one for each."""

BLOCK = bytes(range(256)) * 256  # 64 kB: zlib lets go of Python's lock for 5 kB and more


def wait(seconds: float) -> None:
    """Wait, as for a network: any number of processes can at once."""
    time.sleep(seconds)


def compute(seconds: float) -> None:
    """Use a processor without holding Python's lock, as decoding and numpy do."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        zlib.crc32(BLOCK)


def think(seconds: float) -> None:
    """Use a processor in plain Python, which holds the lock."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for _ in range(100):  # a few microseconds: reading the clock can cost as much
            pass


def lognormal(count: int, mean: float, sigma: float) -> NDArray[np.float64]:
    """Seconds with a heavy tail whose mean is ``mean``."""
    drawn = np.random.default_rng(5).lognormal(0, sigma, count)
    return np.asarray(drawn * mean / drawn.mean())


def one_slow(count: int, seconds: float, position: int, times: float) -> NDArray[np.float64]:
    """The same seconds for every item, ``times`` as many for the one at ``position``."""
    each = np.full(count, seconds)
    each[position] *= times
    return each


class Worked(Dataset[Any]):
    """``count`` items, each of which does ``work`` and is one small tensor, or a dict of ``tensors``."""

    def __init__(self, count: int, *work: Work, size: int = 64, tensors: int = 0) -> None:
        self.count, self.size, self.tensors = count, size, tensors
        self.work = [(do, np.broadcast_to(seconds, count)) for do, seconds in work]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        for do, seconds in self.work:
            do(float(seconds[index]))
        if not self.tensors:
            return torch.full((self.size,), float(index))
        return {f"field_{number}": torch.full((self.size,), float(index)) for number in range(self.tensors)}


class Fetched(Worked):
    """The same items, but asked for by whole batches: work is done once per batch, as by a database."""

    def __getitems__(self, indices: Sequence[int]) -> list[Tensor]:
        for do, seconds in self.work:
            do(float(seconds[indices[0]]))
        return [torch.full((self.size,), float(index)) for index in indices]


class Stream(IterableDataset[Tensor]):
    """The same items as a stream, of which each worker takes its share."""

    def __init__(self, items: Worked) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Tensor]:
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        return map(self.items.__getitem__, range(first, len(self.items), step))


class Listed(Stream):
    """A stream of known length that lists its files for ``seconds`` before each epoch."""

    def __init__(self, items: Worked, seconds: float) -> None:
        super().__init__(items)
        self.seconds = seconds

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Tensor]:
        time.sleep(self.seconds)
        return super().__iter__()


class OneAtATime(Worked):
    """Items of which one is loaded at a time, whoever asks: a server with one connection, here a lock on
    ``file``. Where there are no such locks (Windows) all are loaded at once."""

    def __init__(self, file: Path, count: int, *work: Work) -> None:
        super().__init__(count, *work)
        self.file = file
        file.touch()

    def __getitem__(self, index: int) -> Any:
        with self.file.open() as held:
            if os.name == "posix":
                import fcntl

                fcntl.flock(held, fcntl.LOCK_EX)
            return super().__getitem__(index)


class Rows(Dataset[Tensor]):
    """Rows of one tensor in memory, ``repeats`` times over, so that an epoch can be longer than memory."""

    def __init__(self, rows: int, shape: tuple[int, ...], repeats: int = 1) -> None:
        self.tensor = torch.arange(rows, dtype=torch.float32).reshape(-1, *[1] * len(shape)).repeat(1, *shape)
        self.repeats = repeats

    def __len__(self) -> int:
        return len(self.tensor) * self.repeats

    def __getitem__(self, index: int) -> Tensor:
        return self.tensor[index % len(self.tensor)]


class Arrays(Dataset[NDArray[np.uint8]]):
    """Large arrays of numpy's, copied from memory: a loader that does not collate pickles them."""

    def __init__(self, count: int, megabytes: int) -> None:
        self.count = count
        self.array = np.arange(megabytes * 10**6, dtype=np.uint8)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return self.array.copy()


class Integers(Dataset[int]):
    """Numbers: there is nothing cheaper."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return index


class Hoarders(Worked):
    """Items for which every worker keeps ``megabytes`` of its own from its first item on, as a cache does."""

    def __init__(self, count: int, *work: Work, megabytes: int) -> None:
        super().__init__(count, *work)
        self.megabytes = megabytes
        self.hoard: NDArray[np.uint8] | None = None

    def __getitem__(self, index: int) -> Any:
        if self.hoard is None and get_worker_info():
            self.hoard = np.ones(self.megabytes * 10**6, np.uint8)
        return super().__getitem__(index)


class Sorted(Dataset[Tensor]):
    """A real piece of numpy: noise drawn, sorted, and its spectrum taken."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        noise = np.random.default_rng(index).random(self.size)
        return torch.from_numpy(np.abs(np.fft.rfft(np.sort(noise)))[:64])


class Parsed(Dataset[Tensor]):
    """A real piece of plain Python: a text whose words are counted."""

    def __init__(self, count: int, words: int) -> None:
        self.count = count
        drawn = np.random.default_rng(3).integers(0, 500, words)
        self.text = " ".join(f"word{number}" for number in drawn)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        counts: dict[str, int] = {}
        for word in self.text.split():
            counts[word] = counts.get(word, index) + 1
        return torch.tensor([counts[word] for word in sorted(counts)[:64]])


class Pictures(Dataset[Tensor]):
    """PNG files in ``folder``, written when the data set is made, and decoded by Pillow."""

    def __init__(self, folder: Path, count: int, side: int, files: int = 64) -> None:
        self.folder, self.count, self.files = folder, count, files
        random = np.random.default_rng(4)
        for number in range(files):
            steps = random.integers(-9, 10, (side, side, 3))
            Image.fromarray((steps.cumsum(0) % 256).astype(np.uint8)).save(folder / f"{number}.png")

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.folder / f"{index % self.files}.png") as file:
            return torch.from_numpy(np.array(file))


class Cold(Dataset[Tensor]):
    """Blocks scattered over a file that the system is told to forget before each read.

    Where it can be told (Linux) every read goes to the disk, though under a virtual disk the host may
    have a cache of its own. Elsewhere the reads are warm.
    """

    BLOCK = 16_384

    def __init__(self, folder: Path, count: int, reads: int, places: int = 1024) -> None:
        self.path, self.count, self.reads, self.places = folder / "scattered", count, reads, places
        self.path.write_bytes(os.urandom(self.BLOCK) * places)
        self.descriptor: int | None = None
        with self.path.open("rb") as file:
            os.fsync(file.fileno())  # only what is on the disk can be forgotten
            self._forget(file.fileno(), 0, 0)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        if self.descriptor is None:
            self.descriptor = os.open(self.path, os.O_RDONLY)
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_RANDOM)  # no reading ahead
        total = 0
        for read in range(self.reads):
            place = self.BLOCK * ((index * self.reads + read) * 37 % self.places)
            self._forget(self.descriptor, place, self.BLOCK)
            total += os.pread(self.descriptor, self.BLOCK, place)[0]
        return torch.full((64,), float(total))

    @staticmethod
    def _forget(descriptor: int, place: int, count: int) -> None:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, place, count, os.POSIX_FADV_DONTNEED)

    def __getstate__(self) -> dict[str, Any]:
        # A descriptor is a number that means nothing in another process.
        return self.__dict__ | {"descriptor": None}

    def __del__(self) -> None:
        if self.__dict__.get("descriptor") is not None:
            os.close(self.descriptor)  # type: ignore[arg-type]


class Waiting:
    """A step that waits, as for a GPU."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, batch: object) -> None:
        time.sleep(self.seconds)


class Computing(Waiting):
    """A step that computes on one core, as training without a GPU does."""

    def __call__(self, batch: object) -> None:
        compute(self.seconds)
