"""What loading costs: the notes that a worker takes, and what is made of them."""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch
from children import children, number_since
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, get_worker_info, random_split
from torch.utils.data.datapipes.iter import IterableWrapper

from spritedocs.timing import time_epoch
from spritedocs.tuning import probes, probing
from spritedocs.tuning.failures import ArgumentError
from spritedocs.tuning.probes import (
    ITEMS,
    WATCHED,
    WHOLE,
    BatchError,
    CollateProbe,
    ItemError,
    ItemProbe,
    Notebook,
    Probed,
    StreamProbe,
)
from spritedocs.tuning.probing import probe
from spritedocs.tuning.steps import TimedStep
from spritedocs.tuning.variants import Variants

LIMIT_S = 60.0


class Numbers(Dataset[Any]):
    def __init__(self, count: int = 40, wait_s: float = 0.0, broken: int | None = None) -> None:
        self.count, self.wait_s, self.broken = count, wait_s, broken

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        if index == self.broken:
            raise ValueError("the sprite is torn")
        time.sleep(self.wait_s)
        return torch.full((3,), float(index))


class Whole(Numbers):
    """Loads all items of a batch at once."""

    def __getitems__(self, indices: list[int]) -> list[Any]:
        return [super(Whole, self).__getitem__(index) for index in indices]


class Stream(IterableDataset[Any]):
    def __init__(self, count: int, broken: int | None = None) -> None:
        self.count, self.broken = count, broken

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        for number in range(worker.id if worker else 0, self.count, worker.num_workers if worker else 1):
            if number == self.broken:
                raise ValueError("the stream is dry")
            yield torch.tensor(number)


class Fields(Numbers):
    def __getitem__(self, index: int) -> Any:
        return {"image": torch.zeros(8, dtype=torch.uint8), "more": [torch.zeros(2), "a name"]}


def as_array(samples: list[Any]) -> Any:
    return np.zeros((len(samples), 5))


def as_sparse(samples: list[Any]) -> Any:
    return torch.eye(len(samples)).to_sparse()


def refuse(samples: list[Any]) -> Any:
    raise ValueError("they do not fit")


def as_function(samples: list[Any]) -> Any:
    return lambda: samples


def end(samples: list[Any]) -> Any:
    os._exit(3)


def noted(dataset: Any, *, of: int = 4, collate: Any = list) -> list[Probed]:
    """The batches of a dataset, noted in this process."""
    notebook = Notebook()
    probe = (StreamProbe if isinstance(dataset, IterableDataset) else ItemProbe)(dataset, notebook)
    loader: Any = DataLoader(probe, of, collate_fn=CollateProbe(collate, notebook))  # type: ignore[arg-type]
    return list(loader)


@pytest.mark.parametrize("dataset", [Numbers(16), Stream(16), Subset(Numbers(99), range(16))])
def test_batches_are_noted_in_turns(dataset: Any) -> None:
    batches = noted(dataset)
    assert [batch.note.turn for batch in batches] == [WHOLE, ITEMS, WHOLE, WATCHED]
    assert [batch.note.items for batch in batches] == [4, 4, 4, 4]
    assert [len(batch.note.item_s) for batch in batches] == [0, 4, 0, 0]
    assert [len(batch.note.item_cpu_s) for batch in batches] == [0, 4, 0, 0]
    assert [float(item.flatten()[0]) for batch in batches for item in batch.batch] == list(range(16))


@pytest.mark.parametrize(
    "dataset", [Whole(16), Subset(Whole(99), range(16)), Subset(Subset(Whole(99), range(50)), range(16))]
)
def test_batches_that_are_loaded_at_once_are_no_items(dataset: Any) -> None:
    notes = [batch.note for batch in noted(dataset)]
    assert [note.items for note in notes] == [4, 4, 4, 4]
    assert [len(note.item_s) for note in notes] == [0, 1, 0, 0]


@pytest.mark.parametrize("dataset", [Numbers(6), Stream(6)])
def test_the_last_batch_has_the_items_that_are_left(dataset: Any) -> None:
    assert [batch.note.items for batch in noted(dataset)] == [4, 2]


def test_the_times_of_a_note_follow_each_other() -> None:
    """Waiting is no processor time; between two clocks of a note lies what it says."""
    shares = []
    for batch in noted(Numbers(16, wait_s=0.002)):
        note = batch.note
        assert note.begun_s < note.loaded_s <= note.collated_s
        assert note.begun_cpu_s <= note.loaded_cpu_s <= note.collated_cpu_s
        assert sum(note.item_s) <= note.loaded_s - note.begun_s
        shares.append((note.loaded_cpu_s - note.begun_cpu_s) / (note.loaded_s - note.begun_s))
    assert min(shares) < 0.5  # garbage may be collected in any of them


def test_a_thread_that_watches_ends_with_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes.LockWatch, "end", lambda watch, end=probes.LockWatch.end: end(watch) * 0 + 7)
    notes = [batch.note for batch in noted(Numbers(16, wait_s=0.001))]
    assert "watching the lock" not in [thread.name for thread in threading.enumerate()]
    assert [note.late_s for note in notes] == [0, 0, 0, 7]


def test_an_item_that_fails_is_named() -> None:
    with pytest.raises(ItemError, match=r"^item 1,234 raised ValueError: the sprite is torn$") as raised:
        noted(Numbers(1300, broken=1234))
    assert isinstance(raised.value.__cause__, ValueError)
    with pytest.raises(ItemError, match=r"^the stream raised ValueError: the stream is dry$"):
        noted(Stream(16, broken=9))
    with pytest.raises(ItemError, match=r"^__getitems__\(\[8, 9, 10, 11\]\) raised ValueError"):
        noted(Whole(16, broken=9))
    with pytest.raises(ItemError, match=r"^item 9 raised"):
        noted(Subset(Numbers(99, broken=9), range(16)))


def test_a_batch_that_cannot_be_made_or_sent() -> None:
    with pytest.raises(BatchError, match=r"cannot be collated \(ValueError: they do not fit\)"):
        noted(Numbers(), collate=refuse)
    with pytest.raises(BatchError, match=r"cannot be pickled to leave its worker \(\w+: Can't"):
        noted(Numbers(), collate=as_function)


def test_a_probe_passes_for_what_it_wraps_and_travels() -> None:
    notebook = Notebook()
    probe, collate = ItemProbe(Whole(7), notebook), CollateProbe(as_array, notebook)
    assert isinstance(probe, Whole)
    assert (len(probe), probe.count) == (7, 7)
    travelled, its_collate = pickle.loads(pickle.dumps((probe, collate)))
    travelled[3]
    assert its_collate.notebook.items == 1, "they share a notebook"


@pytest.fixture(autouse=True)
def _no_worker_is_left(servers: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """However long the first few batches take, they are waited for."""
    monkeypatch.setattr(probing, "LONG", 10_000)
    before = children()
    yield
    assert number_since(before) == 0


def probed(dataset: Any, batch_size: int | None = 4, **options: Any) -> probing.Probe:
    loader: Any = DataLoader(dataset, batch_size, **options)
    return probe(Variants.of(loader), seconds=0.05, timeout_s=LIMIT_S)


def test_what_waiting_items_cost() -> None:
    seen = probed(Numbers(80, wait_s=0.002))
    costs = seen.costs
    assert costs.batch_size == 4
    assert len(costs.item_s) >= 20
    assert median(costs.item_s) > 3 * median(costs.item_cpu_s)
    assert min(costs.item_s) >= 0.002
    assert all(seconds > 0 for seconds in (costs.receive_s, costs.start_s, costs.resume_s))
    # Differences: where the main process has to wait for a core, a worker may begin before it is seen to be
    # started, and collating may take longer in the one than in the other.
    assert min(costs.send_s, costs.boot_s) >= 0
    assert all(
        seconds > 0 for seconds in (costs.collate_s, costs.stop_s, costs.main_s, seen.empty_handover_s)
    )
    assert seen.alone.batches >= probing.FEWEST_BATCHES
    assert (seen.tensors_per_batch, seen.bytes_per_batch) == (1, 4 * 3 * 4)
    assert seen.memory_mb is not None
    assert 0 < seen.memory_mb < 100_000


def test_the_step_is_called_with_batches_as_they_are() -> None:
    batches: list[Any] = []
    loader: Any = DataLoader(Numbers(40), 4)
    seen = probe(Variants.of(loader), batches.append, seconds=0.05, timeout_s=LIMIT_S)
    assert len(batches) == 1 + seen.alone.batches > 1
    assert all(batch.shape == (4, 3) for batch in batches)


def test_the_first_step_is_no_measure_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may compile."""
    called: list[Any] = []
    before: list[int] = []

    def timed(*arguments: Any, **options: Any) -> Any:
        before.append(len(called))
        return time_epoch(*arguments, **options)

    monkeypatch.setattr(probing, "time_epoch", timed)
    step = TimedStep(called.append)
    seen = probe(Variants.of(DataLoader(Numbers(40), 4)), step, seconds=0.05, timeout_s=LIMIT_S)
    assert before == [1]
    assert len(called) == 1 + step.count == 1 + seen.alone.batches


def test_a_small_last_batch_does_not_say_how_large_batches_are() -> None:
    assert probed(Numbers(41)).bytes_per_batch == 4 * 3 * 4


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_a_sparse_batch_does_not_say_how_large_it_is() -> None:
    seen = probed(Numbers(40), collate_fn=as_sparse)
    assert (seen.tensors_per_batch, seen.bytes_per_batch) == (1, 0)


@pytest.mark.parametrize(
    ("dataset", "batch_size", "options", "items", "tensors", "size"),
    [
        (Fields(), 4, {}, 4, 2, 4 * 8 + 4 * 2 * 4),
        (Numbers(), 4, {"collate_fn": as_array}, 4, 1, 4 * 5 * 8),
        (Numbers(), None, {}, 1, 1, 3 * 4),
        (Whole(), 4, {}, 4, 1, 4 * 3 * 4),
        (random_split(Numbers(80), [40, 40])[0], 4, {}, 4, 1, 4 * 3 * 4),
        (Stream(40), 4, {}, 4, 1, 4 * 8),
        (Stream(40), None, {}, 1, 1, 8),
        (Numbers(), 1, {"batch_sampler": [[1, 2], [3, 4]] * 6}, 2, 1, 2 * 3 * 4),
    ],
    ids=["dict", "array", "no batches", "at once", "subset", "stream", "stream of items", "batch sampler"],
)
def test_every_kind_of_data_set_and_of_batch(
    dataset: Any, batch_size: int | None, options: Any, items: int, tensors: int, size: int
) -> None:
    seen = probed(dataset, batch_size, **options)
    assert seen.costs.batch_size == items
    assert (seen.tensors_per_batch, seen.bytes_per_batch) == (tensors, size)
    assert len(seen.costs.item_s) == len(seen.costs.item_cpu_s) >= 1
    assert min(seen.costs.item_s) > 0


@pytest.mark.parametrize(("count", "said"), [(0, "is empty"), (3, r"has 1 batch \(3 items\)")])
def test_a_stream_without_a_second_batch(count: int, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        probed(Stream(count))


def test_a_worker_that_fails_leaves_nothing() -> None:
    with pytest.raises(ItemError, match="item 9 raised ValueError"):
        probed(Numbers(broken=9))
    # Torch's handler of SIGCHLD says so as well, wherever this process is: told() knows its words.
    with pytest.raises(RuntimeError, match="exit code 3"):
        probed(Numbers(), collate_fn=end)


class Plus(DataLoader[Any]):
    """Does something to each batch."""

    def __iter__(self) -> Iterator[Any]:
        for batch in super().__iter__():
            yield batch.tolist(), "a sprite"


class PlusLower(DataLoader[Any]):
    """Does so as PyTorch Geometric's NeighborLoader."""

    def _get_iterator(self) -> Any:
        return ((batch.tolist(), "a sprite") for batch in super()._get_iterator())  # type: ignore[misc]


@pytest.mark.parametrize("kind", [Plus, PlusLower])
def test_a_subclass_that_changes_batches_is_gone_through_by_all_but_the_notes(kind: Any) -> None:
    steps: list[Any] = []
    seen = probe(Variants.of(kind(Numbers(), 4, shuffle=True)), steps.append, seconds=0.05, timeout_s=LIMIT_S)
    assert seen.bytes_per_batch == 4 * 3 * 4
    assert seen.alone is not None
    assert len(steps) == seen.alone.batches
    assert all(step[1] == "a sprite" and len(step[0]) == 4 for step in steps)


class OpenedByWorkers(Numbers):
    file: Any = None

    def __getitem__(self, index: int) -> Any:
        return torch.tensor(self.file[index])


def open_file(worker: int) -> None:
    info: Any = get_worker_info()
    info.dataset.file = range(40)


def test_what_loads_in_workers_alone() -> None:
    steps: list[Any] = []
    loader: Any = DataLoader(OpenedByWorkers(), 4, num_workers=1, worker_init_fn=open_file)
    seen = probe(Variants.of(loader), steps.append, seconds=0.05, timeout_s=LIMIT_S)
    assert seen.alone is None
    assert seen.fails_alone == "TypeError: 'NoneType' object is not subscriptable"
    assert seen.costs.collate_s > 0
    assert len(steps) > probing.FEWEST_BATCHES, "the step needs a worker too"
    assert probed(Numbers()).fails_alone is None


class Nothing(Stream):
    """Has nothing to give in the main process."""

    def __iter__(self) -> Iterator[Any]:
        return super().__iter__() if get_worker_info() else iter(())


def test_a_stream_that_is_empty_without_workers() -> None:
    seen = probed(Nothing(40))
    assert seen.alone is None
    assert "yielded no batch" in str(seen.fails_alone)


class Unshared(Stream):
    """Every worker delivers all of it; asked is what it looks at."""

    def __init__(self, *looks: str) -> None:
        super().__init__(80)
        self.looks = looks

    def __iter__(self) -> Iterator[Any]:
        for look in self.looks:
            getattr(get_worker_info(), look)
        yield from map(torch.tensor, range(80))


def share_out(worker: int) -> None:
    info: Any = get_worker_info()
    info.dataset.count = info.num_workers


def name_it(worker: int) -> None:
    os.environ["SPRITE_WORKER"] = str(worker)


def seed_it(worker: int) -> None:
    os.environ["SPRITE_SEED"] = str(worker + 7)
    assert get_worker_info() is not None


@pytest.mark.parametrize(
    ("dataset", "init", "asked"),
    [
        (Stream(80), None, True),
        (Unshared(), None, False),
        (Unshared("id"), None, True),
        (Unshared("dataset"), None, True),
        (Unshared("__class__"), None, False),
        (Unshared(), share_out, True),
        (Unshared(), name_it, True),
        (Unshared(), seed_it, False),
        (Numbers(80), None, False),
        (IterableWrapper(range(80)), None, False),
        (IterableWrapper(range(80)).sharding_filter(), None, True),
    ],
)
@pytest.mark.filterwarnings("ignore")  # pipes are deprecated
def test_whether_anybody_asks_which_worker_it_is(dataset: Any, init: Any, asked: bool) -> None:
    seen = probed(dataset, num_workers=1, worker_init_fn=init)
    assert seen.asked_who_it_is is asked


class Listing(Stream):
    """Takes as long to begin, at once or with the first item."""

    def __init__(self, at_once: bool) -> None:
        super().__init__(80)
        self.at_once = at_once

    def __iter__(self) -> Iterator[Any]:
        return self.begun() if self.at_once else self.items()

    def begun(self) -> Iterator[Any]:
        time.sleep(0.4)
        return super().__iter__()

    def items(self) -> Iterator[Any]:
        yield from self.begun()


@pytest.mark.parametrize("at_once", [True, False])
def test_the_start_of_a_stream_is_no_cost_of_an_item_or_of_a_worker(at_once: bool) -> None:
    def is_told_apart() -> bool:
        """Not where the system holds up a process just then."""
        seen = probed(Listing(at_once))
        others_s = (*seen.costs.item_s, seen.costs.resume_s, seen.costs.main_s)
        return seen.start_s > 0.3 and max(others_s) < 0.2 and probed(Stream(80)).start_s < 0.2

    assert any(is_told_apart() for _ in range(20))
    first = noted(Listing(at_once))[0].note
    assert first.loaded_s - first.begun_s >= 0.4, "the first batch begins before the stream does"


class Sorting:
    begun = 0

    def __iter__(self) -> Iterator[Any]:
        self.begun += 1
        time.sleep(0.4)
        yield from [[place, place + 1] for place in range(0, 40, 2)]


def test_the_start_of_a_sampler_is_paid_once_and_is_no_cost_of_a_worker() -> None:
    sorting = Sorting()
    seen = probed(Numbers(), 1, batch_sampler=sorting)
    assert seen.drawing_start_s >= 0.3
    assert seen.costs.main_s < 0.2
    assert sorting.begun == 1


class Batches:
    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def __iter__(self) -> Iterator[Any]:
        return iter([self.kind([place, place + 1, place + 2]) for place in range(0, 36, 3)])


@pytest.mark.parametrize(
    ("index", "items"),
    [(list, 3), (np.array, 3), (tuple, 1), (str, 1)],
)
def test_items_are_counted_by_their_indices(index: Any, items: int) -> None:
    """A sampler may give batches of indices, or indices that are pairs or names."""
    seen = probed(Anything(), None, sampler=Batches(index))
    assert seen.costs.batch_size == items
    assert seen.alone is not None


class Anything(Numbers):
    def __getitem__(self, index: Any) -> Any:
        if (isinstance(index, str) and index == "torn") or (isinstance(index, tuple) and self.broken):
            raise ValueError("the sprite is torn")
        return torch.zeros(2, 3)


def test_an_index_that_is_a_pair_or_a_name_is_one_item() -> None:
    notebook = Notebook()
    dataset: Any = ItemProbe(Anything(broken=1), notebook)
    with pytest.raises(ItemError, match=r"^item \(5, 24\) raised ValueError"):
        dataset[5, 24]
    with pytest.raises(ItemError, match=r"^item torn raised ValueError"):
        dataset["torn"]


class Nested(IterableDataset[Any]):
    def __init__(self) -> None:
        self.loader: Any = DataLoader(Numbers(), 4, num_workers=2)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.loader)


def test_a_dataset_that_starts_workers_is_told_what_it_holds() -> None:
    said = (
        r"its \.loader is a DataLoader with num_workers=2: give that DataLoader, or let it have num_workers=0"
    )
    with pytest.raises(ArgumentError, match=said) as raised:
        probed(Nested(), None)
    assert raised.value.__suppress_context__


@dataclass
class Pair:
    images: Any
    more: Any


def as_pair(samples: list[Any]) -> Pair:
    return Pair(torch.stack(samples), [torch.zeros(2), None])


def test_tensors_of_a_batch_of_any_class_are_counted() -> None:
    seen = probed(Numbers(), collate_fn=as_pair)
    assert (seen.tensors_per_batch, seen.bytes_per_batch) == (2, 4 * 3 * 4 + 2 * 4)


def as_none(samples: list[Any]) -> None: ...


@pytest.mark.parametrize("collate", [as_none, len, str])
def test_a_batch_may_be_anything(collate: Any) -> None:
    seen = probed(Numbers(), collate_fn=collate)
    assert (seen.costs.batch_size, seen.tensors_per_batch, seen.fails_alone) == (4, 0, None)
