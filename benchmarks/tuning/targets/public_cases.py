"""Loaders of people who asked for help in public, made small: comments name the reports behind them.

Each function gives the loader as it was reported, or with other settings for ``DataLoader``.
"""

import multiprocessing.context
import random
import time
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.multiprocessing
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info


class Waiting(Dataset):
    """2,000 pictures, each of which takes 3 ms in which nothing is computed."""

    def __len__(self):
        return 2000

    def __getitem__(self, index):
        time.sleep(0.003)
        return torch.zeros(3, 16, 16), index % 10


class Stream(IterableDataset):
    """Numbers, divided among workers: ``start_s`` until the first, ``wait_s`` each, ``held`` in a buffer."""

    def __init__(self, count, wait_s, start_s=0.0, held=0):
        self.count, self.wait_s, self.start_s, self.held = count, wait_s, start_s, held

    def __iter__(self):
        time.sleep(self.start_s)
        worker = get_worker_info()
        buffer = []
        for number in range(worker.id if worker else 0, self.count, worker.num_workers if worker else 1):
            time.sleep(self.wait_s)
            buffer.append(number)
            if len(buffer) > self.held:
                yield buffer.pop(random.randrange(len(buffer)))
        yield from buffer


@lru_cache(maxsize=512)
def tile(index):
    time.sleep(0.004)
    return torch.full((3, 32, 32), float(index))


class Tiles(Waiting):
    def __len__(self):
        return 50_000

    def __getitem__(self, index):
        return tile(index)


# deepmd-kit#4616, pytorch#43012: a cache of few items of many.
def cached_tiles(num_workers=4, **settings):
    return DataLoader(Tiles(), batch_size=16, shuffle=True, num_workers=num_workers, **settings)


class ShuffledLines(IterableDataset):
    def __iter__(self):
        for number in random.sample(range(2000), 2000):
            time.sleep(0.001)
            yield number


# pytorch#30599: every worker delivers the whole stream.
def shuffled_lines(**settings):
    return DataLoader(ShuffledLines(), batch_size=8, **settings)


class Prepared(DataLoader):
    def __init__(self, base):
        super().__init__(base.dataset, base.batch_size)
        self.base = base

    def __iter__(self):
        yield from self.base


# accelerate#3168: what its prepare() and the Hugging Face Trainer hand out.
def prepared(**settings):
    return Prepared(DataLoader(TensorDataset(torch.zeros(4000, 8)), 32, **settings))


class ToDevice(DataLoader):
    def __iter__(self):
        for image, label in super().__iter__():
            yield image.to("cpu"), label.to("cpu")


# A loader that moves or changes each batch.
def to_device(**settings):
    return ToDevice(Waiting(), batch_size=16, shuffle=True, **settings)


# pytorch#135409, webdataset#379: a stream of unknown length.
def endless_stream(num_workers=8, **settings):
    return DataLoader(Stream(10**7, 0.001), batch_size=8, num_workers=num_workers, **settings)


class Listed(Stream):
    def __len__(self):
        return self.count


# deeplake#1760: a stream that lists its files first.
def lists_first(**settings):
    return DataLoader(Listed(6000, 0.001, start_s=1.0), batch_size=8, **settings)


# datasets#7102: a shuffle buffer of 1,000.
def buffered(**settings):
    return DataLoader(Stream(100_000, 0.002, held=1000), batch_size=32, **settings)


class OpenedByWorkers(Waiting):
    file = None

    def __getitem__(self, index):
        time.sleep(0.002)
        return torch.tensor(self.file[index])


def open_file(worker):
    get_worker_info().dataset.file = range(2000)


# pytorch#11929: opened in worker_init_fn, so it works with workers only.
def workers_only(num_workers=2, **settings):
    return DataLoader(
        OpenedByWorkers(), batch_size=8, num_workers=num_workers, worker_init_fn=open_file, **settings
    )


def zipped(items):
    return tuple(zip(*items, strict=True))


# torchvision's tutorial of detection: a batch is a tuple of pictures, then one of labels.
def detection(**settings):
    return DataLoader(Waiting(), batch_size=8, collate_fn=zipped, **settings)


@dataclass
class Batch:
    images: torch.Tensor
    labels: tuple


def as_dataclass(items):
    images, labels = zipped(items)
    return Batch(torch.stack(images), labels)


# A batch that is neither a tensor nor a tuple.
def dataclass_batches(**settings):
    return DataLoader(Waiting(), batch_size=8, collate_fn=as_dataclass, **settings)


class Buckets:
    def __iter__(self):
        time.sleep(1.5)
        order = random.sample(range(2000), 2000)
        return iter([order[start : start + 8] for start in range(0, 2000, 8)])


# pytorch#50689: the batch sampler sorts for 1.5 s before each epoch.
def bucketed(num_workers=2, persistent_workers=True, **settings):
    return DataLoader(
        Waiting(),
        batch_sampler=Buckets(),
        num_workers=num_workers,
        persistent_workers=persistent_workers,
        **settings,
    )


class HardlyEverSlow(Waiting):
    def __getitem__(self, index):
        time.sleep(0.120 if index % 97 == 0 else 0.002)
        return torch.tensor(index)


# One item in 97 takes sixty times as long.
def rarely_slow(**settings):
    return DataLoader(HardlyEverSlow(), batch_size=8, shuffle=True, **settings)


class Inner(IterableDataset):
    def __init__(self, loader):
        self.loader = loader

    def __iter__(self):
        return iter(self.loader)


# webdataset#303, torchio#725: the dataset starts workers itself.
def nested():
    return Inner(DataLoader(TensorDataset(torch.zeros(4000, 8)), 16, num_workers=2))


class MyFork(multiprocessing.context.ForkContext):
    _name = "my_fork"


# MONAI#4252: a multiprocessing context of its own.
def own_context(num_workers=2, **settings):
    context = MyFork() if num_workers else None
    return DataLoader(
        Waiting(), batch_size=16, num_workers=num_workers, multiprocessing_context=context, **settings
    )


# pytorch#973: batches are handed over as files.
def shared_by_files(num_workers=4, persistent_workers=True, **settings):
    torch.multiprocessing.set_sharing_strategy("file_system")
    return DataLoader(
        Waiting(), batch_size=16, num_workers=num_workers, persistent_workers=persistent_workers, **settings
    )
