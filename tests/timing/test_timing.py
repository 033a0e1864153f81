"""Timing, with a clock that only moves when told to; real workers only where they are the point."""

from __future__ import annotations

import math
import multiprocessing
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, SequentialSampler

from spritedocs.machine import NotHere
from spritedocs.prefetching import Prefetcher
from spritedocs.timing import EpochTiming, TimingError, Training, epochs, time_epoch
from spritedocs.timing import comparing as timing
from spritedocs.timing.foreign_load import Reading

seconds = st.floats(0.001, 1000)


class Clock:
    """A clock that stands still, but for those who pass the time."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def spend(self, duration):
        self.now += duration


class Neighbours:
    """Others on the machine, who use so many cores during each epoch in turn, and then none."""

    def __init__(self, *cores):
        self.cores, self.at_s, self.foreign_s, self.asked = list(cores), 0.0, 0.0, 0

    def __call__(self):
        self.asked += 1
        if self.asked % 2 == 0:
            self.at_s += 1
            self.foreign_s += self.cores.pop(0) if self.cores else 0
        return Reading(self.at_s, self.foreign_s)


def compare(arms, *args, **options):
    """``timing.compare`` on a machine where nobody else computes, whatever else runs on this one."""
    return timing.compare(arms, *args, **{"load": Neighbours(), **options})


class SlowLoader:
    """Batches of two items each, whose start, fetching and end take the time they are told to."""

    def __init__(self, clock, starting, waits, ending, **attributes):
        self.clock, self.starting, self.waits, self.ending = clock, starting, waits, ending
        self.epochs = 0
        vars(self).update(attributes)

    def __iter__(self):
        self.epochs += 1
        self.clock.spend(self.starting)
        return self.batches()

    def batches(self):
        for wait in self.waits:
            self.clock.spend(wait)
            yield ["a", "b"]
        self.clock.spend(self.ending)


class Numbers(Dataset):
    """The squares below ``count`` squared; asking for number ``broken`` is an error."""

    def __init__(self, count=12, broken=None):
        self.count, self.broken = count, broken

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index == self.broken:
            raise ValueError(f"sprite {index} is torn")
        return torch.full((3, 2), index), index


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(5))


BEFORE = set()
"""The processes that earlier tests had left on purpose, such as multiprocessing's own servers."""


@pytest.fixture(autouse=True)
def _know_who_was_there():
    BEFORE.update(psutil.Process().children(recursive=True))
    yield
    BEFORE.clear()


def children():
    return [child for child in psutil.Process().children(recursive=True) if child not in BEFORE]


def test_where_the_time_goes():
    clock = Clock()
    loader = SlowLoader(clock, starting=5, waits=[1, 2, 3], ending=4)
    epoch = time_epoch(loader, lambda batch: clock.spend(10), clock=clock)
    assert epoch == EpochTiming(
        startup_s=6, total_s=45, items=6, batches=3, iter_s=5, wait_s=1 + 2 + 3 + 4, step_s=30
    )
    assert epoch.items_per_s == 6 / 45
    assert epoch.data_wait_share == 15 / 45


@given(seconds, st.lists(seconds, min_size=1, max_size=9), seconds, st.none() | seconds)
def test_the_parts_make_the_whole(starting, waits, ending, stepping):
    clock = Clock()
    step = None if stepping is None else lambda batch: clock.spend(stepping)
    epoch = time_epoch(SlowLoader(clock, starting, waits, ending), step, clock=clock)
    assert epoch.iter_s + epoch.wait_s + epoch.step_s == pytest.approx(epoch.total_s)
    assert epoch.startup_s == pytest.approx(starting + waits[0])
    assert epoch.batches == len(waits)
    assert 0 < epoch.data_wait_share <= 1 + 1e-9
    assert (epoch.step_s == 0) == (step is None)


def test_a_clock_too_coarse_to_divide_by():
    epoch = time_epoch([[1]], clock=lambda: 7.0)
    assert (epoch.items_per_s, epoch.data_wait_share) == (math.inf, 0)


def test_step_gets_every_batch_in_order():
    seen = []
    time_epoch([[1, 2], [3]], seen.append)
    assert seen == [[1, 2], [3]]


def tensor(*shape):
    return torch.zeros(shape)


@pytest.mark.parametrize(
    ("batch", "items"),
    [
        (tensor(4, 3, 2), 4),
        (tensor(4, 3).numpy(), 4),
        ((tensor(5, 3), tensor(5)), 5),
        ([{"name": ["a", "b"], "image": tensor(2, 7)}], 2),
        ({"deep": ([], (tensor(6),))}, 6),
        (tensor(0, 3), 0),
        (["a", "b", "c"], 3),
        ("a name", 1),
        (tensor(), 1),
        (None, 1),
        (["word"] * 1000, 1000),
    ],
    ids=repr,
)
def test_items_of_a_batch(batch, items):
    assert time_epoch([batch]).items == items


def as_they_are(samples):
    return samples


@pytest.mark.parametrize(
    ("loader", "items", "batches"),
    [
        (DataLoader(Numbers(), batch_size=5), 12, 3),
        (DataLoader(Numbers(), batch_size=5, drop_last=True), 10, 2),
        (DataLoader(Numbers(), batch_size=5, collate_fn=as_they_are), 12, 3),
        (DataLoader(Numbers(), batch_sampler=BatchSampler(SequentialSampler(range(12)), 5, False)), 12, 3),
        (DataLoader(Numbers(), batch_sampler=[[0, 1], [2]]), 3, 2),
        (DataLoader(Numbers(), batch_size=None), 12, 12),
        (DataLoader(Stream(), batch_size=None), 5, 5),
        (DataLoader(Stream(), batch_size=2), 5, 3),
    ],
    ids=[
        "batches",
        "drop last",
        "lists of samples",
        "batch sampler",
        "own",
        "items",
        "stream",
        "batched stream",
    ],
)
def test_items_of_a_data_loader(loader, items, batches):
    epoch = time_epoch(loader)
    assert (epoch.items, epoch.batches) == (items, batches)


def test_items_of_a_sampler_that_yields_batches():
    class Packed(Numbers):
        def __getitem__(self, indices):
            return torch.zeros(len(indices), 3)

    sampler = BatchSampler(SequentialSampler(range(12)), 5, False)
    assert time_epoch(DataLoader(Packed(), batch_size=None, sampler=sampler)).items == 12


def test_items_by_the_caller_s_own_count():
    assert time_epoch([(tensor(3, 9, 9), tensor(3, 8, 8))], count=len).items == 2


def test_cuda_work_is_finished_before_the_clock_is_read(monkeypatch):
    clock = Clock()
    waited = []

    def synchronize():
        waited.append(clock.now)
        clock.spend(7)

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    epoch = time_epoch([[1], [2]], lambda batch: clock.spend(1), clock=clock)
    assert len(waited) == 3
    assert (epoch.step_s, epoch.total_s) == (16, 16)


def test_cuda_is_left_alone_where_it_is_not_in_use(monkeypatch):
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: pytest.fail("there is nothing to wait for"))
    time_epoch([[1]], lambda batch: None)


def test_timing_needs_no_torch(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    assert time_epoch([[1]], lambda batch: None).items == 1
    assert "torch" not in sys.modules


@pytest.mark.parametrize("loader", [[], DataLoader(Numbers(3), batch_size=4, drop_last=True)])
def test_an_empty_loader(loader):
    with pytest.raises(ValueError, match="the loader yielded no batch: give it"):
        time_epoch(loader)
    with pytest.raises(ValueError, match="arm 'hungry' yielded no batch"):
        compare({"hungry": loader})


def test_a_loader_that_is_none():
    with pytest.raises(TypeError, match="the loader is 5, which yields no batches"):
        time_epoch(5)
    with pytest.raises(TypeError, match="arm 'five' is 5"):
        compare({"five": 5})
    with pytest.raises(TypeError, match="arm 'five' is 5"):
        compare({"five": lambda: 5})
    with pytest.raises(TypeError, match=r"arm 'once' is .*a function that makes one"):
        compare({"once": iter([[1]])})


def torn(after):
    yield from [[1]] * after
    raise OSError("the disk\nis on fire")


@pytest.mark.parametrize(("after", "words"), [(0, "0 batches"), (1, "1 batch"), (2, "2 batches")])
def test_a_loader_that_raises(after, words):
    with pytest.raises(TimingError, match=f"the loader raised OSError after {words}: the disk; ") as caught:
        time_epoch(torn(after))
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(TimingError, match=f"arm 'burning' raised OSError after {words}"):
        compare({"burning": lambda: torn(after)})


def test_a_loader_that_raises_as_it_starts():
    class Stubborn:
        def __iter__(self):
            raise RuntimeError

    with pytest.raises(TimingError, match="the loader raised RuntimeError after 0 batches"):
        time_epoch(Stubborn())


def test_an_interrupted_loader_is_no_failure():
    class Interrupted:
        def __iter__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        time_epoch(Interrupted())


def test_what_the_step_raises_passes_through():
    def step(batch):
        raise StopIteration("enough")

    with pytest.raises(StopIteration, match="enough"):
        time_epoch([[1]], step)


def test_a_step_that_raises_closes_the_generator():
    left = []

    def loader():
        try:
            yield [1]
        finally:
            left.append(True)

    generator = loader()
    with pytest.raises(ZeroDivisionError):
        time_epoch(generator, lambda batch: 1 / 0)
    assert left


def test_a_loader_is_used_again_and_a_factory_called_anew():
    clock, made = Clock(), []

    def factory():
        made.append(SlowLoader(clock, 1, [1], 1))
        clock.spend(1000)
        return made[-1]

    loader = SlowLoader(clock, 1, [1], 1)
    result = compare({"same": loader, "new": factory}, rounds=2, clock=clock)
    assert loader.epochs == len(made) == 3
    assert {epoch.total_s for arm in result.arms.values() for epoch in arm} == {3}


@pytest.mark.parametrize("fails", [False, True])
def test_a_loader_that_is_kept_serves_every_round_and_goes_at_the_end(fails):
    clock, gone, steps = Clock(), [], []

    def factory():
        iterator = SimpleNamespace(_shutdown_workers=lambda: gone.append(made))
        made = SlowLoader(clock, 1, [1], 1, _iterator=iterator)
        return made

    def step(batch):
        steps.append(batch)
        assert not gone
        if fails and len(steps) == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        compare({"kept": factory}, rounds=3, keep=True, step=step, clock=clock)
    assert [loader.epochs for loader in set(gone)] == [2 if fails else 4]


def test_an_arm_that_cannot_run_here_is_missing(monkeypatch):
    def no_gpu():
        raise NotHere("There is no GPU: get one.")

    monkeypatch.setattr(timing, "why_no_helpers", lambda: "No folder: make one.")
    clock = Clock()
    arms = {"gpu": no_gpu, "alone": lambda: SlowLoader(clock, 0, [1] * 5, 0)}
    arms["two"] = SlowLoader(clock, 0, [1] * 5, 0, num_workers=2)
    result = compare(arms, rounds=6, clock=clock)
    assert result.missing == {"gpu": "There is no GPU: get one.", "two": "No folder: make one."}
    assert [len(epochs) for epochs in result.arms.values()] == [0, 6, 0]
    assert (arms["two"].epochs, result.warnings) == (0, ())


def test_step_and_count_reach_every_epoch():
    stepped = []
    result = compare({"a": [["x"]]}, rounds=2, step=stepped.append, count=lambda batch: 42)
    assert stepped == [["x"]] * 3
    assert [epoch.items for epoch in result.arms["a"]] == [42, 42]


def test_what_others_do_while_a_loader_is_made_is_no_matter():
    clock = Clock()
    foreign = [0.0]

    def factory():
        foreign[0] += 50
        return SlowLoader(clock, 0, [1], 0)

    assert compare({"a": factory}, 2, clock=clock, load=lambda: Reading(clock.now, foreign[0])).retaken == 0


def test_steady_arms_need_the_fewest_rounds():
    clock = Clock()
    arms = {"a": SlowLoader(clock, 0, [1] * 5, 0), "b": SlowLoader(clock, 0, [2] * 5, 0)}
    result = compare(arms, clock=clock, limit_s=1000)
    assert [len(arm) for arm in result.arms.values()] == [6, 6]
    assert result.warnings == ()


def warned(monkeypatch, rounds=6, cores=2, wait=0.02, drift=0.0, batches=8, **attributes):
    """The warnings about one arm, by the word that tells them apart."""
    monkeypatch.setattr(timing, "usable_cores", lambda: cores)
    clock = Clock()

    def factory(epochs=[0]):  # noqa: B006 - it counts its calls
        epochs[0] += 1
        return SlowLoader(clock, 0, [wait * (1 + drift * (epochs[0] % 2))] * batches, 0, **attributes)

    return compare({"arm": factory}, rounds=rounds, clock=clock).warnings


def test_nothing_to_warn_of(monkeypatch):
    assert warned(monkeypatch) == ()
    assert warned(monkeypatch, num_workers=2) == ()
    assert warned(monkeypatch, drift=0.1) == ()


@pytest.mark.parametrize(
    ("situation", "words", "remedy"),
    [
        ({"rounds": 5}, "Too few rounds (5)", "use rounds=6"),
        ({"drift": 0.5}, "arm: its epochs vary by 22%", "end other programs"),
        ({"wait": 0.004}, "arm: 0.032 s an epoch is too short", "for 0.05 s"),
        ({"batches": 4}, "arm: 4 batches are too few", "for 5"),
        ({"num_workers": 2, "batches": 7}, "arm: 7 batches are too few", "for 8"),
        (
            {"num_workers": 3, "batches": 12},
            "arm: more workers (3) than usable cores (2)",
            "use num_workers=2",
        ),
    ],
    ids=["rounds", "spread", "short", "few batches", "few batches a worker", "workers"],
)
def test_each_warning_names_its_remedy(monkeypatch, situation, words, remedy):
    (warning,) = warned(monkeypatch, **situation)
    assert warning.startswith(words)
    assert remedy in warning


def test_one_round_has_no_spread(monkeypatch):
    (warning,) = warned(monkeypatch, rounds=1)
    assert warning.startswith("Too few rounds (1)")


# From here on with real workers: at most two, on any machine torch then keeps its peace.

forks = pytest.mark.skipif(
    sys.platform == "win32" or multiprocessing.get_all_start_methods()[0] != "fork",
    reason="starting workers takes seconds here; the examples' tests start them under every method",
)


def loader_of(workers=1, broken=None, **options):
    return DataLoader(Numbers(broken=broken), batch_size=2, num_workers=workers, **options)


@forks
def test_no_process_is_left_behind():
    alive, kept = [], []
    before = children()

    def persistent():
        alive.append(children())
        kept.append(loader_of(persistent_workers=True))
        return kept[-1]

    arms = {
        "none": loader_of(0),
        "reused": loader_of(),
        "factory": loader_of,
        "persistent factory": persistent,
    }
    result = compare(arms, rounds=2)
    assert children() == before
    assert alive == [before] * 3
    assert {epoch.items for arm in result.arms.values() for epoch in arm} == {12}


@forks
def test_persistent_workers_persist():
    loader = loader_of(persistent_workers=True)
    seen = []
    for arm, keep, stay in ((loader, False, 1), (lambda: loader_of(persistent_workers=True), True, 0)):
        seen.clear()
        compare({"mine": arm}, rounds=2, keep=keep, step=lambda batch: seen.append(children()[0].pid))
        assert len(set(seen)) == 1
        assert len(children()) == stay
        epochs.dismiss(loader)


@forks
@pytest.mark.parametrize("persistent", [False, True])
def test_a_worker_that_raises_leaves_no_process(persistent):
    loader = loader_of(broken=7, persistent_workers=persistent)
    with pytest.raises(TimingError) as caught:
        compare({"torn": loader})
    assert not children()
    assert str(caught.value).startswith("arm 'torn' raised ValueError after 3 batches: sprite 7 is torn; ")
    assert "worker process 0" in str(caught.value.__cause__)
    loader.dataset.broken = None
    assert time_epoch(loader).items == 12
    epochs.dismiss(loader)


@forks
@pytest.mark.parametrize(
    "wrap", [lambda loader: Training(loader, id), lambda loader: Prefetcher(loader, "cpu")]
)
def test_workers_of_a_loader_that_is_wrapped_are_reached(wrap):
    loader = loader_of(persistent_workers=True)
    compare({"wrapped": lambda: wrap(loader)}, rounds=1)
    assert not children()
    assert loader._iterator is None


@forks
@pytest.mark.parametrize("persistent", [False, True])
def test_a_step_that_raises_leaves_no_process(persistent):
    with pytest.raises(KeyboardInterrupt) as caught:
        time_epoch(loader_of(persistent_workers=persistent), interrupt)
    assert caught.value is not None
    assert not children()


def interrupt(batch):
    raise KeyboardInterrupt


# torch's __del__ misses an attribute in an iterator that is half made, and then ends the workers.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@forks
def test_a_start_that_fails_half_way_leaves_no_process(monkeypatch):
    started = []
    start = multiprocessing.process.BaseProcess.start

    def second_fails(process):
        if started:
            raise OSError("no more processes")
        started.append(process)
        start(process)

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", second_fails)
    with pytest.raises(TimingError, match="OSError after 0 batches: no more processes") as caught:
        time_epoch(loader_of(2))
    assert started
    started[0].join(60)  # torch ends one that has not begun yet, and does not wait for that
    assert not children()
    assert caught.value.__cause__ is not None
