"""Loaders like the reader's: what stays, what changes, and what cannot be tuned."""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    get_worker_info,
)

from spritedocs.model import Settings
from spritedocs.timing.epochs import time_epoch
from spritedocs.tuning.indices import Until
from spritedocs.tuning.variants import Variants

LIMIT_S = 60.0


class Numbers(Dataset[torch.Tensor]):
    def __init__(self, count: int = 40) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.full((3,), float(index))


class Stream(IterableDataset[Any]):
    """``count`` numbers, shared out among the workers or not, ``broken`` in those after the first."""

    def __init__(self, count: int, shared: bool = True, constant: bool = False, broken: bool = False) -> None:
        self.count, self.shared, self.constant, self.broken = count, shared, constant, broken

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker and self.shared else (0, 1)
        if self.broken and first:
            raise ValueError("the stream is dry")
        for number in range(first, self.count, step):
            yield torch.tensor(7 if self.constant else number)


class Sized(Stream):
    def __len__(self) -> int:
        return self.count


class LateFirst(Stream):
    """Not shared out; the first worker comes late."""

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        if worker and worker.id == 0:
            time.sleep(0.5)
        yield from map(torch.tensor, range(self.count))


class Endless(Dataset[int]):
    """More items than any list of indices could hold."""

    def __len__(self) -> int:
        return 10**13

    def __getitem__(self, index: int) -> int:
        return index


class WithoutLength(Dataset[int]):
    def __getitem__(self, index: int) -> int:
        return index


def as_array(samples: list[torch.Tensor]) -> Any:
    return {"numbers": np.array([sample.item() for sample in samples]), "of": ["a stream", None]}


def as_they_are(samples: list[Any]) -> list[Any]:
    return samples


def of(dataset: Any, *arguments: Any) -> Variants:
    return Variants.of(dataset, *arguments)


def test_a_data_set_alone_is_shuffled_in_batches_of_32() -> None:
    variants = of(Numbers(100))
    assert variants.loader.batch_size == 32
    assert isinstance(variants.loader.sampler, RandomSampler)
    assert (variants.batches, variants.is_loader, variants.is_streaming) == (4, False, False)
    assert variants.present == Settings(0, 2, False)
    assert variants.start_method == multiprocessing.get_start_method()


def test_a_huge_data_set_is_drawn_from_and_not_listed() -> None:
    variants = of(Endless(), 4)
    batches = list(itertools.islice(variants.make(Settings()), 3))
    assert len(torch.cat(batches).unique()) == 12
    assert (variants.is_huge, variants.batches) == (True, 10**13 // 4)
    assert not of(Numbers()).is_huge
    assert not of(DataLoader(Numbers(), sampler=RandomSampler(Numbers(), replacement=True))).is_huge


def test_a_stream_is_not_shuffled_and_may_have_no_length() -> None:
    assert of(Stream(9), 2).batches is None
    assert of(Sized(9), 2).batches == 5
    assert of(Sized(9), 2).is_streaming


def test_anything_with_length_and_items_is_a_data_set() -> None:
    assert of([1, 2, 3], 2).batches == of(torch.zeros(3, 2), 2).batches == 2


def test_a_loader_shows_its_present_settings_and_start_method() -> None:
    loader = DataLoader(Numbers(), 4, num_workers=2, prefetch_factor=3, multiprocessing_context="spawn")
    variants = of(loader)
    assert (variants.is_loader, variants.present) == (True, Settings(2, 3, False))
    assert (variants.start_method, variants.is_asked_for) == ("spawn", False)
    assert variants.make(Settings(1)).multiprocessing_context.get_start_method() == "spawn"
    asked = of(loader, None, multiprocessing.get_all_start_methods()[0])
    assert (asked.start_method, asked.is_asked_for) == (multiprocessing.get_all_start_methods()[0], True)


class OwnContext(DataLoader[Any]):
    """Keeps its context under a name of its own, as torchdata's StatefulDataLoader does."""

    @property
    def multiprocessing_context(self) -> Any:
        return self.__context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        self.__context = context


def test_a_class_of_loader_with_a_context_of_its_own_starts_workers_as_asked_for() -> None:
    variants = of(OwnContext(Numbers(), 4), None, "spawn")
    assert variants.make(Settings(1)).multiprocessing_context.get_start_method() == "spawn"
    assert variants.make(Settings()).multiprocessing_context is None
    assert variants.loader.multiprocessing_context is None


class MyFork(type(multiprocessing.get_context("spawn"))):  # type: ignore[misc]
    _name = "my_spawn"


def test_a_context_of_a_class_of_their_own_is_kept() -> None:
    context = MyFork()
    variants = of(DataLoader(Numbers(), 4, num_workers=1, multiprocessing_context=context))
    assert variants.start_method == "spawn"
    assert variants.make(Settings(2)).multiprocessing_context is variants.context is context
    default = multiprocessing.get_all_start_methods()[0]
    asked = of(variants.loader, None, default)
    assert asked.make(Settings(2)).multiprocessing_context.get_start_method() == default


class Shard(DataLoader[Any]):
    """Hands out what another loader gives, as accelerate's DataLoaderShard does."""

    def __init__(self, base: Any) -> None:
        super().__init__(base.dataset, base.batch_size)
        self.base = base

    def __iter__(self) -> Iterator[Any]:
        yield from self.base


class Adapter(DataLoader[Any]):
    """Has nothing of its own, and asks the loader within for all, as accelerate's DataLoaderAdapter does."""

    def __init__(self, base: Any) -> None:
        object.__setattr__(self, "base", base)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)

    def __iter__(self) -> Iterator[Any]:
        yield from iter(self.base)


class Bar:
    """As tqdm, or timm's PrefetchLoader."""

    def __init__(self, iterable: Any) -> None:
        self.iterable = iterable

    def __len__(self) -> int:
        return len(self.iterable)

    def __iter__(self) -> Iterator[Any]:
        yield from self.iterable


class Plus(DataLoader[Any]):
    """Does something to each batch, and goes through another loader beside its own."""

    other: Any = None

    def __iter__(self) -> Iterator[Any]:
        for batch in super().__iter__():
            yield batch + 1


@pytest.mark.parametrize(
    ("wrapped", "way"),
    [
        (Shard, ".base"),
        (Adapter, ".base"),
        (Bar, ".iterable"),
        (lambda loader: Bar(Shard(loader)), ".iterable.base"),
        (lambda loader: Bar({"train": [loader]}), ".iterable['train'][0]"),
    ],
)
def test_the_loader_within_a_wrapper_is_tuned_and_said_to_be(wrapped: Any, way: str) -> None:
    loader = DataLoader(Numbers(), 4, num_workers=3)
    thing = wrapped(loader)
    variants = of(thing)
    assert (variants.loader, variants.is_loader, variants.present.num_workers) == (loader, True, 3)
    assert [f"its {way}: what the {type(thing).__name__} does" in note for note in variants.notes] == [True]
    with pytest.raises(ValueError, match="has a batch size of its own"):
        of(thing, 8)


def test_a_loader_that_changes_its_own_batches_is_tuned_itself() -> None:
    loader = Plus(Numbers(), 4)
    loader.other = DataLoader(Numbers(8), 4)
    variants = of(loader)
    assert variants.loader is loader
    assert variants.notes == ()
    assert next(iter(variants.make(Settings())))[0, 0] == 1.0


class Endlessly(DataLoader[Any]):
    """Keeps its workers for ever, as Ultralytics' InfiniteDataLoader does."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        object.__setattr__(self, "batch_sampler", Repeated(self.batch_sampler))
        self.iterator = super().__iter__()

    def __len__(self) -> int:
        return len(self.batch_sampler.sampler)  # type: ignore[union-attr, arg-type]

    def __iter__(self) -> Iterator[Any]:
        for _ in range(len(self)):
            yield next(self.iterator)


class Repeated:
    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield from iter(self.sampler)


def test_a_loader_that_keeps_its_iterator_is_tuned_as_a_plain_one() -> None:
    """A copy of it would go on with the workers of the original, whatever its settings."""
    loader = Endlessly(Numbers(), 4)
    variants = of(loader)
    assert (variants.batches, len(variants.notes)) == (10, 1)
    assert "persistent workers" in variants.notes[0]
    epochs = [list(variants.make(Settings())) for _ in range(2)]
    assert [len(epoch) for epoch in epochs] == [10, 10]
    assert next(iter(loader))[0, 0] == 0.0, "its own iterator has not moved on"


class Lost(Stream):
    def __len__(self) -> int:
        raise OSError("no folder")


def test_a_stream_that_fails_to_say_its_length_loads_without() -> None:
    assert of(DataLoader(Lost(40), 4)).batches is None


@pytest.mark.parametrize(
    "options",
    [
        {"batch_sampler": (list(range(first, first + 4)) for first in range(0, 40, 4))},
        {"batch_size": 4, "sampler": iter(range(40))},
    ],
)
def test_indices_that_can_be_drawn_only_once_come_again(options: Any) -> None:
    variants = of(DataLoader(Numbers(), **options))
    assert variants.batches is None
    some = iter(variants.indices)
    assert next(some) == [0, 1, 2, 3]
    assert [len(list(variants.make(Settings()))) for _ in range(2)] == [10, 10]


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        (3, "an int, and no dataset: that has __len__ and __getitem__, or is an IterableDataset"),
        ({"train": Numbers()}, "a dict with the keys 'train': give"),
    ],
    ids=lambda thing: str(thing)[:20],
)
def test_what_is_no_data_set(thing: Any, says: str) -> None:
    with pytest.raises(TypeError, match=f"^the dataset is {says}"):
        of(thing)


@pytest.mark.parametrize(
    ("dataset", "arguments", "said"),
    [
        (Numbers(), (0,), "batch_size is 0: give a whole number from 1"),
        (Numbers(), (-4,), "batch_size is -4: give"),
        (Numbers(), (2.5,), "batch_size is 2.5: give"),
        (Numbers(), ("8",), "batch_size is '8': give"),
        (Stream(9), (10**9,), "batch_size is 1000000000: give a whole number from 1 to 1,000,000"),
        (DataLoader(Numbers(), 4), (8,), "a batch size of its own: leave out batch_size=8"),
        (Numbers(), (4, "magic"), "'magic' is unknown here: choose .*spawn"),
        (Numbers(0), (), r"the dataset is empty \(length 0\): give it items"),
        (Sized(0), (), "the dataset is empty"),
        (
            Numbers(1),
            (),
            r"an epoch has 1 batch \(1 item\), .* give the dataset more items, or choose a smaller",
        ),
        (Sized(5), (8,), r"an epoch has 1 batch \(5 items\)"),
        (DataLoader(Numbers(5), 8, drop_last=True), (), r"an epoch has no batch \(5 items\)"),
        (DataLoader(WithoutLength(), sampler=[3]), (), "an epoch has 1 batch, so"),
    ],
)
def test_what_cannot_be_tuned(dataset: Any, arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        of(dataset, *arguments)


def test_a_variant_differs_in_its_settings_only() -> None:
    loader = DataLoader(Numbers(), 4, collate_fn=as_they_are, timeout=9, num_workers=1)
    variant = of(loader).make(Settings(2, 4, True), timeout_s=7.0)
    assert type(variant) is DataLoader
    settings = (variant.num_workers, variant.prefetch_factor, variant.persistent_workers, variant.timeout)
    assert settings == (2, 4, True, 7.0)
    changed = {name for name, value in vars(loader).items() if vars(variant)[name] is not value}
    assert changed <= {
        "num_workers",
        "prefetch_factor",
        "persistent_workers",
        "timeout",
        "_DataLoader__multiprocessing_context",
        "_iterator",
        "_IterableDataset_len_called",
    }
    alone = of(loader).make(Settings(0, 4, True), timeout_s=7.0)
    settings = (alone.num_workers, alone.prefetch_factor, alone.persistent_workers, alone.timeout)
    assert settings == (0, None, False, 0)
    assert len(list(alone)) == 10


@pytest.mark.parametrize("workers", [0, 2])
def test_a_variant_delivers_the_same_items(workers: int) -> None:
    batches = list(of(DataLoader(Numbers(), 4)).make(Settings(workers), timeout_s=LIMIT_S * bool(workers)))
    assert torch.cat(batches)[:, 0].tolist() == [float(number) for number in range(40)]


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(Numbers(), batch_size=None),
        DataLoader(Numbers(), batch_sampler=BatchSampler(SequentialSampler(range(40)), 4, False)),
        DataLoader(Numbers(), 4, collate_fn=as_they_are),
        DataLoader(
            torch.zeros(40, 3), batch_size=None, sampler=BatchSampler(SequentialSampler(range(40)), 4, False)
        ),
        DataLoader(Stream(40), 4),
        DataLoader(Stream(40), batch_size=None),
    ],
    ids=["no batches", "batch sampler", "list of samples", "batches of indices", "stream", "stream of items"],
)
def test_every_way_to_batch_is_kept_and_counted_alike(loader: DataLoader[Any]) -> None:
    variants = of(loader)
    whole = time_epoch(variants.make(Settings()))
    until = time_epoch(variants.make(Settings(), sampler=lambda indices: Until(indices, 0, 6)))
    assert whole.items == 40
    assert until.batches == 6
    assert until.items == 6 * whole.items / whole.batches


class EndingWorkers(DataLoader[Any]):
    """Ends its workers when it is gone, as ultralytics' loader does."""

    ended = 0

    def __del__(self) -> None:
        EndingWorkers.ended += 1


def test_to_ask_for_the_length_ends_no_workers() -> None:
    loader = EndingWorkers(Numbers(), 4)
    assert Variants.of(loader).batches == 10
    assert EndingWorkers.ended == 0


def test_a_stream_does_not_notice_that_its_length_was_asked_for() -> None:
    loader = DataLoader(Sized(8), 4)
    assert Variants.of(loader).batches == 2
    assert loader._IterableDataset_len_called is None
