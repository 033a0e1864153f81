"""Watching workers over an epoch: what is looked at and when, and that nothing stays behind."""

from __future__ import annotations

import gc

import psutil
import pytest
from torch.utils.data import DataLoader, IterableDataset

from spritedocs.machine import MemoryUse, NotHere, start_method
from spritedocs.timing import memory_watch, watch_memory

pytestmark = pytest.mark.skipif(start_method() != "fork", reason="a spawned worker takes seconds")


@pytest.fixture(autouse=True, scope="module")
def nothing_frozen():
    """As in a reader's process, and unlike in that of all tests."""
    gc.unfreeze()
    yield
    gc.freeze()


def loader_of(workers, **options):
    options = {"batch_size": 10, "num_workers": workers, "collate_fn": sum} | options
    return DataLoader(range(120), **options)


@pytest.fixture
def seen(monkeypatch):
    """The looks of a run: how many batches had been given out, as memory that grows with them."""
    looks = []
    given = []

    class Counting(memory_watch._EmptyFirst):
        def __iter__(self):
            for batch in super().__iter__():
                given.append(len(batch))
                yield batch

    def look(pid):
        looks.append(sum(given))
        return MemoryUse(pid, 100.0, 10.0 + sum(given), None)

    monkeypatch.setattr(memory_watch, "_EmptyFirst", Counting)
    monkeypatch.setattr(memory_watch, "memory_of", look)
    return looks


def test_the_first_look_comes_before_any_worker_has_been_given_an_item(seen):
    found = watch_memory(loader_of(3), looks=(0, 50, 100))
    assert seen[:3] == [0, 0, 0]
    assert len(seen) == 9
    assert seen[-1] == 120
    assert found["uss_at_0_mb"] == [10] * 3
    assert found["uss_mb"] == found["uss_at_100_mb"] == [130] * 3
    assert (found["growth_mb"], found["rss_growth_mb"]) == ([120] * 3, [0] * 3)
    assert 60 <= seen[3] <= 120


def test_later_epochs_are_watched_with_the_same_workers(seen):
    found = watch_memory(loader_of(2, persistent_workers=True), epochs=2)
    assert len(found["later_growth_mb"]) == 2
    assert found["growth_mb"] == [120, 120]
    assert seen[-1] == 240


def test_a_run_leaves_its_loader_no_worker_and_nothing_frozen():
    before = set(psutil.Process().children(recursive=True))
    loader = loader_of(2, persistent_workers=True)
    found = watch_memory(loader)
    assert found["rss_sum_mb"] > sum(found["rss_mb"]) > 0
    assert list(loader) == [sum(range(start, start + 10)) for start in range(0, 120, 10)]
    del loader
    gc.collect()
    assert gc.get_freeze_count() == 0
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.parametrize("freeze", [True, False])
def test_what_was_frozen_before_stays_so(freeze):
    gc.freeze()
    try:
        watch_memory(loader_of(0), freeze=freeze)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_workers_that_leave_after_an_epoch_have_no_later_growth():
    with pytest.raises(
        ValueError, match=r"^epochs is 2, but .* make the loader with persistent_workers=True$"
    ):
        watch_memory(loader_of(2), epochs=2)


@pytest.mark.parametrize("freeze", [True, False])
def test_objects_are_frozen_when_the_workers_start(monkeypatch, freeze):
    frozen = []
    monkeypatch.setattr(
        memory_watch, "worker_pids", lambda iterator: frozen.append(gc.get_freeze_count()) or ()
    )
    watch_memory(loader_of(0), freeze=freeze)
    assert (frozen[0] > 0) is freeze


def test_a_loader_that_fails_leaves_no_worker_and_nothing_frozen():
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(TypeError):
        watch_memory(loader_of(2, collate_fn="".join))
    assert set(psutil.Process().children(recursive=True)) <= before
    assert gc.get_freeze_count() == 0


def test_what_a_system_does_not_tell_is_said(monkeypatch):
    monkeypatch.setattr(memory_watch, "memory_of", lambda pid: MemoryUse(pid, 9.0, None, None))
    monkeypatch.setattr(memory_watch, "memory_of_tree", lambda: (MemoryUse(1, 9.0, None, None),))
    found = watch_memory(loader_of(2))
    assert found["rss_sum_mb"] == 9
    assert found["rss_growth_mb"] == [0, 0]
    for field in ("growth_mb", "uss_mb", "uss_at_0_mb", "total_mb", "rss_overcount"):
        assert isinstance(found[field], NotHere)
        assert "cannot be read here" in str(found[field])


@pytest.mark.parametrize("looks", [(), (0, 50), (10, 100), (0, 60, 50, 100)])
def test_looks_go_from_the_beginning_to_the_end(looks):
    with pytest.raises(ValueError, match="from 0 to 100, in order"):
        watch_memory(loader_of(0), looks=looks)


def test_only_a_loader_with_batches_can_be_watched():
    class Stream(IterableDataset):
        def __iter__(self):
            yield 1

    for loader in ([1, 2], DataLoader(Stream()), DataLoader(range(3), batch_size=None)):
        with pytest.raises(TypeError, match="give a DataLoader that makes batches"):
            watch_memory(loader)
