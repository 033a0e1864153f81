"""Settings measured against each other: how long their epochs are, and what becomes of their workers."""

from __future__ import annotations

import math
import multiprocessing
import random
from collections.abc import Iterator
from statistics import variance
from typing import Any

import psutil
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from spritedocs.machine import worker_pids
from spritedocs.model import Costs, Settings
from spritedocs.timing import Comparison, EpochTiming, compare
from spritedocs.tuning.trials import Lengths, Trials, label, scatter
from spritedocs.tuning.variants import Variants

LIMIT_S = 60.0
NONE, ONE, TWO = Settings(), Settings(1, 2, True), Settings(2, 2, True)


class Numbers(Dataset[Any]):
    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> Any:
        return torch.full((3,), float(index))


def lengths(costs: Costs, rates: dict[Settings, float], whole: int | None) -> dict[Settings, int | None]:
    return dict(Lengths.of(costs, rates, whole, costs.batch_size, epoch_s=1.0).batches)


def test_every_setting_has_a_name_of_its_own() -> None:
    settings = [NONE, ONE, TWO, Settings(2, 4, True), Settings(2, 2, False)]
    assert len({label(each) for each in settings}) == len(settings)
    assert label(NONE) == "no workers"


def test_epochs_of_like_items_last_as_long_whatever_the_speed() -> None:
    """Batches of 2; 60 and 200 items/s are 30 and 100 batches in the second that they should last."""
    costs = Costs((1.0,) * 50, (0.0,) * 50, 2)
    assert lengths(costs, {NONE: 60.0, TWO: 200.0}, None) == {NONE: 30, TWO: 100}
    assert lengths(costs, {NONE: 60.0, TWO: 200.0}, 99) == {NONE: 30, TWO: None}


def test_epochs_of_unlike_items_have_the_same_items() -> None:
    costs = Costs((1.0,) * 49 + (50.0,), (0.0,) * 50, 2)
    assert lengths(costs, {NONE: 60.0, TWO: 200.0}, None) == {NONE: 100, TWO: 100}
    assert lengths(costs, {NONE: 60.0, TWO: 200.0}, 90) == {NONE: None, TWO: None}


def test_items_that_differ_somewhat_only_have_to_even_out() -> None:
    """A scatter of a third among items is one of 3% among 124 of them, or 62 batches of 2."""
    costs = Costs((2.0, 4.0), (0.0, 0.0), 2)
    assert lengths(costs, {NONE: 60.0, TWO: 2000.0}, None) == {NONE: 62, TWO: 1000}


def test_an_epoch_that_is_short_anyway_is_measured_whole() -> None:
    costs = Costs((1.0,) * 49 + (50.0,), (0.0,) * 50, 2)
    assert lengths(costs, {NONE: 100.0, TWO: 1000.0}, 150) == {NONE: None, TWO: None}


def test_epochs_are_long_enough_to_show_the_pace_and_not_the_start() -> None:
    costs = Costs((1.0,), (0.0,), 2)
    many = Settings(8, 4, True)
    assert lengths(costs, {NONE: 1.0, many: 1.0}, None) == {NONE: 8, many: 4 * 8 * 4}


def made_up(arms: dict[str, list[float]]) -> Comparison:
    """Epochs of one item each, which take so many seconds."""
    return Comparison(
        {arm: tuple(EpochTiming(s, s, 1, 1, 0.0, s, 0.0) for s in seconds) for arm, seconds in arms.items()}
    )


def test_the_scatter_of_two_arms_is_that_of_their_ratio() -> None:
    one, other = [1.0, 2.0, 4.0, 3.0], [2.0, 3.0, 9.0, 5.0]
    spread, freedom = scatter(made_up({"one": one, "other": other}))
    assert spread == pytest.approx(variance([math.log(a / b) for a, b in zip(one, other, strict=True)]))
    assert freedom == 3


def test_what_all_arms_of_a_round_share_is_no_scatter() -> None:
    minutes, speeds = [1.0, 1.5, 0.7], {"a": 1.0, "b": 3.0, "c": 0.2}
    spread, freedom = scatter(made_up({arm: [speed * m for m in minutes] for arm, speed in speeds.items()}))
    assert spread == pytest.approx(0, abs=1e-12)
    assert freedom == 4


def test_scatter_is_that_which_was_planted() -> None:
    draw = random.Random(5)
    arms = {arm: [math.exp(draw.gauss(0, 0.1)) for _ in range(400)] for arm in "abc"}
    assert scatter(made_up(arms))[0] == pytest.approx(2 * 0.1**2, rel=0.2)


def test_one_arm_or_one_round_shows_no_scatter() -> None:
    assert scatter(made_up({"one": [1.0, 2.0]})) == (0.0, 0)
    assert scatter(made_up({"one": [1.0], "other": [2.0]})) == (0.0, 0)


@pytest.fixture
def trials(servers: None) -> Iterator[Trials]:
    before = set(psutil.Process().children(recursive=True))
    variants = Variants.of(DataLoader(Numbers(), 4))
    batches = {NONE: 3, ONE: 5, TWO: None, Settings(2, 2, False): None}
    with Trials(variants, Lengths(batches, 4.0), timeout_s=LIMIT_S) as trials:
        yield trials
    assert set(psutil.Process().children(recursive=True)) <= before


def test_settings_are_measured_in_epochs_of_their_lengths(trials: Trials) -> None:
    told: list[tuple[int, int]] = []
    found = trials.run([NONE, ONE, TWO], 2, lambda done, planned: told.append((done, planned)))
    counts = {arm: [epoch.batches for epoch in epochs] for arm, epochs in found.arms.items()}
    assert counts == {label(NONE): [3, 3], label(ONE): [5, 5], label(TWO): [6, 6]}
    assert told[0][0] == 1
    assert told[-1][0] >= 3, "two rounds, and one to warm up"
    assert trials.memory_mb(NONE) is None
    memory_mb = trials.memory_mb(TWO)
    assert memory_mb is not None
    assert 0 < memory_mb < 100_000


def test_workers_stay_until_they_are_not_wanted(trials: Trials) -> None:
    trials.run([ONE, TWO], 1)
    loaders = dict(trials._loaders)
    pids = worker_pids(loaders[TWO])
    assert len(pids) == 2
    trials.run([NONE, TWO], 1)
    assert worker_pids(loaders[TWO]) == pids
    assert worker_pids(loaders[ONE]) == ()


def test_what_runs_already_needs_no_round_to_warm_up(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    warmed: list[bool] = []

    def noting(*arguments: Any, warmup: bool, **more: Any) -> Comparison:
        warmed.append(warmup)
        return compare(*arguments, warmup=warmup, **more)

    monkeypatch.setattr("spritedocs.tuning.trials.compare", noting)
    trials.run([NONE, TWO], 1)
    trials.run([NONE, TWO, Settings(2, 2, False)], 1)
    trials.run([ONE, TWO], 1)
    assert warmed == [True, False, True]


def test_where_memory_is_short_only_one_loader_at_a_time_has_workers(trials: Trials) -> None:
    trials.crowded = True
    counts: list[int] = []
    trials.step = lambda batch: counts.append(len(multiprocessing.active_children()))
    trials.run([ONE, TWO], 1)
    assert {*counts} == {1, 2}
    assert trials.memory_mb(TWO) is not None


def test_all_workers_are_gone_afterwards(servers: None) -> None:
    variants = Variants.of(DataLoader(Numbers(), 4))
    with Trials(variants, Lengths({ONE: 3, TWO: 3}, 4.0), timeout_s=LIMIT_S) as trials:
        trials.run([ONE, TWO], 1)
        loaders = list(trials._loaders.values())
        assert [len(worker_pids(loader)) for loader in loaders] == [1, 2]
    assert [worker_pids(loader) for loader in loaders] == [(), ()]


def test_present_settings_may_start_new_workers_in_every_epoch(trials: Trials) -> None:
    new = Settings(2, 2, False)
    found = trials.run([TWO, new], 1)
    assert set(found.arms) == {"2 workers, prefetch 2", "2 workers, prefetch 2, new each epoch"}
    assert trials.memory_mb(new) is None


def test_the_step_is_called(servers: None) -> None:
    seen: list[Any] = []
    variants = Variants.of(DataLoader(Numbers(), 4))
    with Trials(variants, Lengths({NONE: 3}, 4.0), seen.append, LIMIT_S) as trials:
        trials.run([NONE], 1)
    assert len(seen) >= 6
