"""Slices of epochs: who is given which batches, and what goes on, begins anew or ends between them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from children import children, number_since
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    _utils,
    get_worker_info,
)

from spritedocs.model import Settings
from spritedocs.tuning.budget import OutOfTime
from spritedocs.tuning.pausing import Batch, PausingLoader
from spritedocs.tuning.slices import Length, Slices
from spritedocs.tuning.variants import Variants

NONE, ONE, TWO, THREE = (Settings(count, 2, count > 0) for count in range(4))
AHEAD = Settings(2, 8, True)
BATCH = 4
LONG = Length(600.0, 24)

pytestmark = pytest.mark.usefixtures("servers")


class Numbers(Dataset[Any]):
    def __len__(self) -> int:
        return 400

    def __getitem__(self, index: int) -> int:
        return index


class Torn(Numbers):
    def __getitem__(self, index: int) -> int:
        if index == 50:
            raise ValueError("the sprite is torn")
        return index


class Hanging(Numbers):
    def __getitem__(self, index: int) -> int:
        time.sleep(1000 * (index == 20))
        return index


class Stream(IterableDataset[Any]):
    """Numbers that the workers share, from 0 on in each epoch."""

    def __init__(self, count: int = 10**6) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        worker = get_worker_info()
        return iter(range(worker.id, self.count, worker.num_workers) if worker else range(self.count))


class Doubled(DataLoader[Any]):
    """Of a library: what iterates over it sees other batches."""

    def __iter__(self) -> Any:
        for batch in super().__iter__():
            yield batch * 2


class Joined(DataLoader[Any]):
    def __iter__(self) -> Any:
        batches = super().__iter__()
        for one, other in zip(batches, batches, strict=False):
            yield torch.cat([one, other])


def collected(loader: DataLoader[Any], **options: Any) -> tuple[Slices, list[list[int]]]:
    """Slices of a loader, and where its batches go."""
    seen: list[list[int]] = []
    variants = Variants.of(loader)
    return Slices(variants, lambda batch: seen.append(torch.as_tensor(batch).tolist()), **options), seen


def numbers(**options: Any) -> DataLoader[Any]:
    return DataLoader(Numbers(), BATCH, **options)


def came(seen: list[list[int]]) -> list[int]:
    found = [number for batch in seen for number in batch]
    seen.clear()
    return found


def goes_on(workers: int, rounds: int) -> list[int]:
    """The numbers of so many rounds: after the first block, new workers were woken by a batch for each."""
    first, woken = 24 * BATCH, workers * BATCH
    return [*range(first), *range(first + woken, rounds * first + woken)]


@pytest.mark.parametrize("settings", [NONE, ONE, TWO, AHEAD], ids=str)
def test_an_epoch_goes_on_where_it_paused(settings: Settings) -> None:
    slices, seen = collected(numbers())
    with slices:
        arm = slices.arms({settings: LONG})[settings]
        for _ in range(3):
            found = arm()
            assert found["items_per_s"] > 0
            assert 0 <= found["wait_share"] <= 1
    assert came(seen) == goes_on(settings.num_workers, 3)


def test_all_settings_of_a_round_are_given_the_same_and_of_the_next_others() -> None:
    slices, seen = collected(numbers(shuffle=True))
    with slices:
        arms = slices.arms(dict.fromkeys([NONE, TWO, THREE], LONG))
        rounds = []
        for _ in range(2):
            alike = []
            for arm in arms.values():
                arm()
                alike.append(came(seen))
            assert alike == [alike[0]] * 3
            rounds.append(set(alike[0]))
        assert not rounds[0] & rounds[1]


def test_workers_are_not_given_what_they_may_remember() -> None:
    """Those of two settings that share them; also not in the order in which these are measured."""
    slices, seen = collected(numbers(shuffle=True))
    with slices:
        two, ahead = slices.arms({TWO: LONG, AHEAD: LONG}).values()
        given: list[int] = []
        for arm in (two, ahead, ahead, two):
            arm()
            given += came(seen)
    assert len(set(given)) == len(given) == 4 * 24 * BATCH


def test_one_that_takes_few_is_given_the_first_of_those_that_others_take() -> None:
    slices, seen = collected(numbers(shuffle=True))
    with slices:
        few, many = slices.arms({TWO: Length(600.0, 6), THREE: LONG}).values()
        few()
        first = came(seen)
        many()
        assert came(seen)[: len(first)] == first
        assert len(first) == 6 * BATCH


def test_a_slice_ends_in_time_after_two_turns_of_the_workers() -> None:
    slices, seen = collected(numbers())
    with slices:
        for settings in (ONE, TWO, THREE):
            slices.arms({settings: Length(0.0, 90)})[settings]()
            fetched_ahead = 2 * settings.num_workers
            assert 2 * settings.num_workers <= len(seen) <= 2 * settings.num_workers + fetched_ahead
            assert len(seen) % settings.num_workers == 0
            seen.clear()


def test_a_stream_goes_on_and_is_begun_anew_where_it_ends() -> None:
    slices, seen = collected(DataLoader(Stream(40 * BATCH), BATCH))
    with slices:
        arm = slices.arms({TWO: Length(600.0, 16)})[TWO]
        arm()
        arm()
        woken = 2 * BATCH
        assert sorted(came(seen)) == list(range(woken, woken + 32 * BATCH))
        arm()  # 6 batches are left, and more are wanted
        assert arm()["items_per_s"] > 0
        assert sorted(came(seen))[-1] < 40 * BATCH


@pytest.mark.parametrize("settings", [NONE, TWO], ids=str)
def test_a_stream_that_is_shorter_than_a_slice_is_measured_whole(settings: Settings) -> None:
    slices, seen = collected(DataLoader(Stream(2 * BATCH), BATCH))
    with slices:
        assert slices.arms({settings: LONG})[settings]()["items_per_s"] > 0
    assert set(came(seen)) == set(range(2 * BATCH))


def test_nothing_is_fetched_between_slices() -> None:
    slices, _ = collected(numbers())
    with slices:
        slices.arms({AHEAD: LONG})[AHEAD]()
        (loader,) = slices._loaders.values()
        assert loader.loader._iterator._tasks_outstanding == 0
        assert loader.loader._iterator._task_info == {}


def test_settings_that_differ_in_prefetching_share_workers_and_the_others_can_be_dismissed() -> None:
    before = children()
    slices, _ = collected(numbers())
    with slices:
        for arm in slices.arms({TWO: LONG, AHEAD: LONG, THREE: LONG}).values():
            arm()
        assert number_since(before, 5) == 5
        slices.keep([TWO])
        assert number_since(before, 2) == 2
        assert slices.memory_mb.keys() == {2, 3}
    assert number_since(before) == 0


def test_one_at_a_time_has_workers_where_all_would_not_fit() -> None:
    before = children()
    slices, seen = collected(numbers(), crowded=True)
    with slices:
        for settings, arm in slices.arms({TWO: LONG, THREE: LONG}).items():
            arm()
            assert number_since(before) == 0
            assert slices.memory_mb[settings.num_workers] > 0
    assert len(seen) == 48


def test_a_short_epoch_is_measured_whole_and_drawn_anew_each_time() -> None:
    sampler = BatchSampler(SequentialSampler(range(10)), 3, drop_last=False)
    slices, seen = collected(DataLoader(Numbers(), batch_sampler=sampler), whole=4)
    with slices:
        arms = slices.arms({NONE: LONG, TWO: LONG})
        for arm in [*arms.values(), *arms.values()]:
            arm()
            assert seen == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
            seen.clear()


def test_a_sampler_without_a_length_is_counted_as_it_goes_by() -> None:
    sampler = ([number, number + 1] for number in range(10))
    slices, _ = collected(DataLoader(Numbers(), batch_sampler=sampler))  # type: ignore[arg-type]
    with slices:
        arm = slices.arms({NONE: Length(600.0, 6)})[NONE]
        arm()
        assert slices.batches is None
        arm()
        assert slices.batches == 10


def test_workers_that_do_not_stay_are_timed_from_their_start_to_their_end() -> None:
    before = children()
    new = Settings(2, 2, False)
    slices, seen = collected(numbers())
    with slices:
        assert slices.arms({new: LONG})[new]()["lead_s"] > 0
        assert number_since(before) == 0
    assert len(seen) == 4


@pytest.mark.parametrize("settings", [NONE, TWO], ids=str)
@pytest.mark.parametrize(("kind", "batches"), [(Doubled, 24), (Joined, 12)])
def test_a_subclass_that_changes_batches_gives_what_it_gives(
    settings: Settings, kind: type[DataLoader[Any]], batches: int
) -> None:
    slices, seen = collected(kind(Numbers(), BATCH))
    with slices:
        arm = slices.arms({settings: LONG})[settings]
        arm()
        arm()
    assert len(seen) == 2 * batches


def test_items_are_counted_by_their_indices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in a batch, and however a subclass divides or joins them."""
    times = itertools.count()
    for module in ("slices", "pausing"):
        monkeypatch.setattr(f"spritedocs.tuning.{module}.clock", lambda: next(times) / 1000)
    slices, _ = collected(numbers())
    joined, _ = collected(Joined(Numbers(), BATCH))
    single, _ = collected(DataLoader(Numbers(), batch_size=None))
    rates = []
    for each in (slices, joined, single):
        with each:
            rates.append(each.arms({NONE: LONG})[NONE]()["items_per_s"])
    # The clock ticks for each batch, or twice as often for each joined one.
    assert rates[0] / rates[2] == pytest.approx(BATCH, rel=0.05)
    assert rates[1] / rates[0] == pytest.approx(8 / 7, rel=0.3)


@pytest.mark.parametrize(
    ("held_up_s", "fastest"), [(0.0, 1.02), (0.5, 1.15)], ids=["evenly", "all at once, later"]
)
def test_what_arrives_at_once_was_not_loaded_at_once(
    monkeypatch: pytest.MonkeyPatch, held_up_s: float, fastest: float
) -> None:
    """A worker that falls behind holds up what the others have loaded ahead."""

    def scripted(loader: PausingLoader, ahead: int, block: Any, seconds: float, step: Any) -> Any:
        loader.gate.given[:] = block
        begun = time.perf_counter()
        arrivals = [begun + max(held_up_s, 0.01 * number) for number in range(1, 65)]
        asked = [begun, *arrivals]
        return [Batch(*each) for each in zip(asked, arrivals, arrivals, strict=False)], False

    monkeypatch.setattr(PausingLoader, "slice", scripted)
    slices, _ = collected(numbers())
    with slices:
        found = slices.arms({AHEAD: Length(0.3, 64)})[AHEAD]()
    assert 0.98 <= found["items_per_s"] / (BATCH / 0.01) <= fastest
    assert found["wait_share"] == pytest.approx(1.0, abs=0.05)


def test_copies_of_a_stream_are_no_items(monkeypatch: pytest.MonkeyPatch) -> None:
    times = itertools.count()
    for module in ("slices", "pausing"):
        monkeypatch.setattr(f"spritedocs.tuning.{module}.clock", lambda: next(times) / 1000)
    rates = []
    for copies in (False, True):
        slices, _ = collected(DataLoader(Stream(), BATCH), copies=copies)
        with slices:
            rates.append(slices.arms({TWO: LONG})[TWO]()["items_per_s"])
    assert rates[0] == pytest.approx(2 * rates[1])


def test_drawing_indices_takes_its_time_in_each_slice() -> None:
    slices, _ = collected(numbers(), drawing_s=0.005)
    with slices:
        for arm in slices.arms({NONE: LONG, TWO: LONG}).values():
            assert arm()["seconds"] >= 24 * 0.005


def test_batches_that_overtake_others_are_all_there() -> None:
    slices, seen = collected(numbers(in_order=False))
    with slices:
        arm = slices.arms({TWO: LONG})[TWO]
        arm()
        arm()
    assert sorted(came(seen)) == goes_on(2, 2)


class MadeUp(PausingLoader):
    """Its workers start in a second; then each of them, or the main process, takes 20 ms for a batch.

    At the end fewer share the cores, and take half as long.
    """

    def slice(self, ahead: int, block: Iterable[Any], seconds: float, step: Any) -> tuple[list[Batch], bool]:
        self.gate.given = list(block)
        turns, now_s, seen = len(self.gate.given) // max(1, self.workers), 1.0, list[Batch]()
        for turn in range(turns):
            asked_s, now_s = now_s, now_s + (0.01 if self.workers and turn == turns - 1 else 0.02)
            seen += [Batch(asked_s, now_s, now_s)] * max(1, self.workers)
        return seen, True


def test_a_slice_shows_the_pace_and_not_how_the_pipe_fills(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spritedocs.tuning.slices.PausingLoader", MadeUp)
    slices, _ = collected(numbers())
    with slices:
        alone, three = (arm()["items_per_s"] for arm in slices.arms({NONE: LONG, THREE: LONG}).values())
    assert alone == pytest.approx(BATCH / 0.02)
    assert three == pytest.approx(3 * BATCH / 0.02)


def test_what_fails_leaves_no_worker() -> None:
    before = children()

    slices, _ = collected(DataLoader(Torn(), BATCH))
    with slices, pytest.raises(ValueError, match="the sprite is torn"):
        slices.arms({TWO: LONG})[TWO]()
    assert number_since(before) == 0


@pytest.mark.parametrize("settings", [NONE, TWO], ids=str)
def test_a_slice_ends_with_the_time(settings: Settings) -> None:
    slices, seen = collected(numbers(), ends_s=0.0)
    with slices, pytest.raises(OutOfTime):
        slices.arms({settings: LONG})[settings]()
    assert seen == []


@pytest.mark.parametrize(("raised", "timeout_s"), [(OutOfTime, 1000.0), (RuntimeError, 0.2)])
def test_workers_in_the_middle_of_an_item_are_ended_at_once(
    monkeypatch: pytest.MonkeyPatch, raised: type[Exception], timeout_s: float
) -> None:
    monkeypatch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 1000.0)
    before = children()

    def waits(are_starting: bool) -> None:
        if not are_starting and raised is OutOfTime:
            raise OutOfTime

    slices = Slices(replace(Variants.of(DataLoader(Hanging(), BATCH)), waits=waits), timeout_s=timeout_s)
    with slices, pytest.raises(raised):
        slices.arms({TWO: LONG})[TWO]()
    assert number_since(before) == 0
    assert _utils.MP_STATUS_CHECK_INTERVAL == 1000


@pytest.mark.parametrize(("loading_s", "step_s"), [(0.1, 0.001), (0.1, 0.011)], ids=["loading", "stepping"])
def test_few_turns_show_the_pace_of_many(
    monkeypatch: pytest.MonkeyPatch, loading_s: float, step_s: float
) -> None:
    """The first wait, or the last steps, come once in an epoch."""
    workers, turns = 12, 3
    turn_s = max(loading_s, workers * step_s)

    def scripted(loader: PausingLoader, ahead: int, block: Any, seconds: float, step: Any) -> Any:
        loader.gate.given[:] = block
        asked_s, seen = time.perf_counter(), list[Batch]()
        for turn in range(len(block) // workers):
            ready_s = asked_s + loading_s if not turn else seen[-workers].arrived_s + turn_s
            for _ in range(workers):
                arrived_s = max(asked_s, ready_s)
                seen.append(Batch(asked_s, arrived_s, arrived_s + step_s))
                asked_s = seen[-1].done_s
        now[0] = asked_s
        return seen, False

    now = [0.0]
    monkeypatch.setattr("spritedocs.tuning.slices.clock", lambda: now[0] or time.perf_counter())
    monkeypatch.setattr(PausingLoader, "slice", scripted)
    slices, _ = collected(numbers())
    settings = Settings(workers, 2, True)
    with slices:
        slices._loaders[workers] = PausingLoader(slices._variants, settings, 1.0, 0.0)
        slices._loaders[workers]._has_begun = True
        found = slices.arms({settings: Length(0.3, turns * workers)})[settings]()
    assert found["items_per_s"] == pytest.approx(workers * BATCH / turn_s, rel=0.05)
    assert found["wait_share"] == pytest.approx(1 - workers * step_s / turn_s, abs=0.05)
    assert found["once_s"] == pytest.approx(min(loading_s, workers * step_s), rel=0.1)
