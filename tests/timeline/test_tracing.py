"""A traced loader is the loader it was made of, to its workers and its user, and knows what took when."""

from __future__ import annotations

import pickle
import time
import traceback
from collections import namedtuple

import psutil
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, get_worker_info
from torch.utils.data._utils.pin_memory import pin_memory

from spritedocs.timeline import stopwatch
from spritedocs.timeline.tracing import ClockError, is_traced, noting, system_wide_clock, traced
from spritedocs.timing import dismiss

Pair = namedtuple("Pair", ["image", "label"])


def worker_id():
    info = get_worker_info()
    return -1 if info is None else info.id


class Makers(Dataset):
    """Each item is its index, and the number of the worker that made it; ``broken`` is an error."""

    def __init__(self, count=12, broken=None):
        self.count, self.broken = count, broken

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index == self.broken:
            raise KeyError(f"sprite {index} is torn")
        return index, worker_id()


class WholeBatches(Makers):
    """The same, asked for batch by batch; the third field says so."""

    def __getitems__(self, indices):
        return [(*self[index], 1) for index in indices]


class NoWholeBatches(Makers):
    __getitems__ = None


class Stream(IterableDataset):
    """The numbers from ``start`` on, shared out among the workers as torch's documentation does it."""

    def __init__(self, count=10):
        self.start, self.end = 0, count

    def __iter__(self):
        return iter([(number, worker_id()) for number in range(self.start, self.end)])

    def __len__(self):
        return self.end - self.start


def share_out(number):
    info = get_worker_info()
    assert isinstance(info.dataset, Stream)
    each = len(info.dataset) // info.num_workers
    info.dataset.start = number * each
    info.dataset.end = info.dataset.start + each


def as_pair(samples):
    return Pair(*torch.tensor(samples).T)


def as_dictionary(samples):
    return {"index": torch.tensor(samples)[:, 0], "more": [len(samples), ("text", None)]}


class Sorting(DataLoader):
    """A loader that does something of its own with the batches."""

    def __iter__(self):
        for index, maker in super().__iter__():
            yield index.sort().values, maker


LOADERS = {
    "batches": DataLoader(Makers(), batch_size=5),
    "drop last": DataLoader(Makers(), batch_size=5, drop_last=True),
    "items": DataLoader(Makers(), batch_size=None),
    "batch sampler": DataLoader(Makers(), batch_sampler=[[3, 1], [2]]),
    "whole batches": DataLoader(WholeBatches(), batch_size=5),
    "whole batches by a sampler": DataLoader(
        TensorDataset(torch.arange(9)), batch_size=None, sampler=[[1, 2], [3]]
    ),
    "no whole batches": DataLoader(NoWholeBatches(), batch_size=5),
    "subset": DataLoader(Subset(WholeBatches(), [5, 3, 4]), batch_size=2),
    "a list": DataLoader([1.0, 2.0, 3.0], batch_size=2),
    "named tuples": DataLoader(Makers(), batch_size=5, collate_fn=as_pair),
    "dictionaries": DataLoader(Makers(), batch_size=5, collate_fn=as_dictionary),
    "own": Sorting(Makers(), batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(3)),
    "stream": DataLoader(Stream(), batch_size=4),
    "stream of items": DataLoader(Stream(), batch_size=None),
    "stream, drop last": DataLoader(Stream(), batch_size=4, drop_last=True),
    "workers": DataLoader(Makers(), batch_size=2, num_workers=2),
    "workers, shared out": DataLoader(Stream(), batch_size=2, num_workers=2, worker_init_fn=share_out),
    "workers, items": DataLoader(Stream(), batch_size=None, num_workers=2, worker_init_fn=share_out),
    "persistent": DataLoader(WholeBatches(), batch_size=4, num_workers=2, persistent_workers=True),
}


@pytest.fixture(params=LOADERS)
def loader(request):
    yield LOADERS[request.param]
    dismiss(LOADERS[request.param])


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return (
            type(one) is type(other)
            and one.keys() == other.keys()
            and all(same(one[k], other[k]) for k in one)
        )
    if isinstance(one, tuple | list):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return one == other


def seeded(loader):
    if loader.generator is not None:
        loader.generator.manual_seed(3)
    torch.manual_seed(7)
    return list(loader)


def test_the_batches_are_those_of_the_plain_loader(loader):
    expected = seeded(loader)
    with noting(twin := traced(loader)) as times:
        assert same(seeded(twin), expected)
    assert len(times) == len(expected)


def test_what_is_traced_is_a_copy_and_the_plain_loader_stays_as_it_was(loader):
    before = dict(vars(loader))
    twin = traced(loader)
    assert vars(loader) == before
    assert (is_traced(twin), is_traced(loader)) == (True, False)
    assert isinstance(twin, type(loader))
    assert type(twin).__name__ == type(loader).__name__
    for setting in (
        "batch_size",
        "sampler",
        "num_workers",
        "drop_last",
        "pin_memory",
        "prefetch_factor",
        "in_order",
    ):
        assert getattr(twin, setting) is getattr(loader, setting)
    assert twin.dataset is not loader.dataset
    assert traced(twin) is twin


def test_each_batch_was_begun_loaded_and_collated_in_that_order_by_its_maker(loader):
    twin = traced(loader)
    with noting(twin) as times:
        begun = time.perf_counter()
        batches = list(twin)
        ended = time.perf_counter()
    for made, batch in zip(times, batches, strict=True):
        assert begun <= made.begun_s <= made.loaded_s <= made.collated_s <= ended
        if isinstance(batch, list | Pair) and not isinstance(loader.dataset, TensorDataset | list):
            assert made.worker == int(torch.as_tensor(batch[1]).flatten()[0])


def test_times_are_kept_only_while_somebody_wants_them():
    twin = traced(LOADERS["batches"])
    with noting(twin) as times:
        next(iter(twin))
    list(twin)
    assert len(times) == 1


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Slow(Makers):
    def __init__(self, clock):
        super().__init__(4)
        self.clock = clock

    def __getitem__(self, index):
        self.clock.now += 10 if index is not None else 0
        return index


class SlowStream(IterableDataset):
    def __init__(self, clock):
        self.clock = clock

    def __iter__(self):
        self.clock.now += 1000  # opening it is not loading
        for number in range(4):
            self.clock.now += 10
            yield number


@pytest.mark.parametrize(
    ("dataset", "batch_size", "opening"),
    [(Slow, 2, 0), (Slow, None, 0), (SlowStream, 2, 1000), (SlowStream, None, 1000)],
)
def test_loading_takes_from_the_first_item_to_the_last_and_collating_the_rest(
    monkeypatch, dataset, batch_size, opening
):
    clock = Clock()
    monkeypatch.setattr(stopwatch, "clock", clock)

    def collate(samples):
        clock.now += 3
        return samples

    twin = traced(DataLoader(dataset(clock), batch_size=batch_size, collate_fn=collate))
    items, begun = batch_size or 1, 0
    with noting(twin) as times:
        for _ in twin:
            clock.now += 100
    for number, made in enumerate(times):
        # A generator opens its stream when it is first asked for an item.
        loading = items * 10 + (opening if number == 0 else 0)
        assert made == (-1, begun, begun + loading, begun + loading + 3)
        begun = made.collated_s + 100


def test_a_batch_that_failed_does_not_lengthen_the_next(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stopwatch, "clock", clock)

    class Torn(IterableDataset):
        def __iter__(self):
            return self

        def __next__(self):
            clock.now += 1
            if clock.now == 1:
                raise OSError("the disk is on fire")
            return clock.now

    batches = iter(twin := traced(DataLoader(Torn(), batch_size=1)))
    with noting(twin) as times:
        with pytest.raises(OSError, match="on fire"):
            next(batches)
        clock.now = 50
        next(batches)
    assert times == [(-1, 50, 51, 51)]


def test_a_batch_that_could_not_be_collated_does_not_lengthen_the_next(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stopwatch, "clock", clock)

    def collate(samples):
        if samples == [0]:
            raise ValueError("sprites of different sizes")
        return samples

    batches = iter(twin := traced(DataLoader(SlowStream(clock), batch_size=1, collate_fn=collate)))
    with noting(twin) as times:
        with pytest.raises(ValueError, match="different sizes"):
            next(batches)
        clock.now = 5000
        next(batches)
    assert times == [(-1, 5000, 5010, 5010)]


def test_what_an_epoch_left_over_does_not_lengthen_the_next(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stopwatch, "clock", clock)
    loader = DataLoader(SlowStream(clock), batch_size=3, drop_last=True, collate_fn=list)
    with noting(twin := traced(loader)) as times:
        for _ in range(2):
            list(twin)
            clock.now += 5000
    assert times[0] == (-1, 0, 1030, 1030)
    assert times[1] == (-1, 6040, 7070, 7070)


def test_the_data_set_is_read_and_written_as_if_it_were_not_wrapped():
    inner = Makers()
    wrapped = traced(DataLoader(inner)).dataset
    assert isinstance(wrapped, Makers)
    wrapped.count = 5
    wrapped.colour = "red"
    assert (inner.count, inner.colour, len(wrapped), wrapped[2]) == (5, "red", 5, (2, -1))
    assert vars(wrapped) is vars(inner)
    del wrapped.colour
    assert not hasattr(inner, "colour")
    assert repr(wrapped) == repr(inner)
    with pytest.raises(AttributeError, match="no attribute 'size'"):
        _ = wrapped.size


def test_a_data_set_and_its_collate_fn_still_share_the_time_when_they_are_pickled_together(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stopwatch, "clock", clock)
    twin = traced(DataLoader(Makers(), batch_size=2))
    dataset, collate = pickle.loads(pickle.dumps((twin.dataset, twin.collate_fn)))
    samples = dataset.__getitems__([1, 2])
    clock.now = 2.0
    carried = collate(samples)
    assert (carried.begun_s, carried.loaded_s) == (0, 2)


class Custom:
    def __init__(self):
        self.pinned = False

    def pin_memory(self):
        self.pinned = True
        return self


Point = namedtuple("Point", ["x", "y"])


@pytest.mark.parametrize(
    "batch", [Point(1, "a"), {"a": [1, 2], "b": "text"}, [1, (2.0, None)], (1, 2), "text", 5, None], ids=repr
)
def test_pinning_does_to_a_batch_what_it_would_have_done(batch):
    carried = pin_memory(stopwatch.Carried(batch, 0, 1.0, 2.0, 3.0))
    assert same(carried.batch, pin_memory(batch))
    assert carried[1:] == (0, 1.0, 2.0, 3.0)


def test_pinning_reaches_what_can_be_pinned():
    batch = {"deep": [Custom(), Point(Custom(), 1)]}
    carried = pin_memory(stopwatch.Carried(batch, 0, 1.0, 2.0, 3.0))
    assert carried.batch["deep"][0].pinned
    assert carried.batch["deep"][1].x.pinned
    own = pin_memory(stopwatch.Carried(Custom(), 0, 1.0, 2.0, 3.0))
    assert own.batch.pinned


def error_of(loader):
    with pytest.raises(KeyError, match="sprite 1 is torn") as caught:
        list(loader)
    # Its frames would keep the iterator until garbage is collected, which ends the queues before the
    # workers: torch then gives each of these 5 s, in whichever test that is.
    traceback.clear_frames(caught.tb)
    return type(caught.value)


def test_an_error_is_the_one_it_would_have_been(servers):
    before = set(psutil.Process().children(recursive=True))
    for workers in (0, 1):
        loader = DataLoader(Makers(broken=1), batch_size=2, num_workers=workers)
        assert error_of(loader) is error_of(traced(loader))
        assert not set(psutil.Process().children(recursive=True)) - before


def test_persistent_workers_are_those_of_the_traced_loader_and_stay(servers):
    before = set(psutil.Process().children(recursive=True))
    loader = DataLoader(Makers(), batch_size=2, num_workers=2, persistent_workers=True)
    next(iter(loader))
    twin = traced(loader)
    pids = []
    for _ in range(2):
        with noting(twin) as times:
            list(twin)
        assert {made.worker for made in times} == {0, 1}
        pids.append({worker.pid for worker in twin._iterator._workers})
    assert pids[0] == pids[1]
    assert not pids[0] & {worker.pid for worker in loader._iterator._workers}
    del loader, twin
    deadline = time.monotonic() + 60
    while set(psutil.Process().children(recursive=True)) - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not set(psutil.Process().children(recursive=True)) - before


@pytest.mark.parametrize("what", [[[1, 2]], Makers(), None])
def test_what_is_no_loader_is_refused_by_name(what):
    with pytest.raises(TypeError, match=r"the loader is .* has to be a DataLoader") as refused:
        traced(what)
    assert f"{what!r:.60}" in str(refused.value)


def test_a_clock_of_each_process_is_refused(monkeypatch):
    tell(monkeypatch, "clock_gettime(CLOCK_PROCESS_CPUTIME_ID)")
    with pytest.raises(
        ClockError, match=r"perf_counter is clock_gettime\(CLOCK_PROCESS.*: tracing needs one of"
    ):
        system_wide_clock()


def tell(monkeypatch, implementation):
    info = time.get_clock_info("perf_counter")
    info.implementation = implementation
    monkeypatch.setattr(time, "get_clock_info", lambda name: info)
