"""Finding the number: what the kinds of item are, how helpers are told, and where the procedure stops."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest
import torch

from spritedocs.machine import NotHere, worker_pids
from spritedocs.report import Measurement, measured
from spritedocs.timing import dismiss, time_epoch

NAME = "08_finding_the_right_number"


@pytest.fixture
def dataset(script, tmp_path):
    return script["Kinds"](tmp_path / "png")


def test_an_index_names_its_kind(dataset) -> None:
    assert dataset["waiting", 3].shape == dataset["computing", 3].shape == (4, 16, 16)
    assert dataset["png", 3].shape == (4, 32, 32)
    assert dataset["png", 3].dtype == torch.uint8
    assert torch.equal(dataset["waiting", 3], dataset["computing", 3])


def test_sleeping_needs_no_core_and_computing_needs_one(script, dataset, monkeypatch) -> None:
    slept = [0.0]
    monkeypatch.setattr(time, "sleep", lambda seconds: slept.append(slept[-1] + seconds))
    # A clock that stands still while the thread waits for a core, which would count as sleep.
    monkeypatch.setattr(time, "perf_counter", lambda: time.thread_time() + slept[-1])
    shares = {kind: script["core_pct"](dataset, kind) for kind in script["KINDS"]}
    assert slept[-1] == pytest.approx(32 * 0.002)
    assert shares["waiting"] < 30
    assert shares["computing"] > 90


@pytest.mark.usefixtures("forks")
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_the_same_helpers_fetch_one_kind_after_the_other(script, dataset) -> None:
    loader = script["make_loader"](dataset, 2)
    epochs = [script["epoch_of"](loader, kind) for kind in ("waiting", "png")]
    pids = worker_pids(loader)
    assert [epoch.items for epoch in epochs] == [16 * 6] * 2
    assert next(iter(loader)).shape == (16, 4, 32, 32)
    assert worker_pids(loader) == pids
    assert len(pids) == 2
    dismiss(loader)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_more_than_32_helpers_are_not_started(script, dataset) -> None:
    with pytest.raises(NotHere, match="Over 32"):
        script["items_per_s"](script["make_loader"](dataset, 33), "waiting")


def test_training_without_helpers_waits_for_each_batch(script, dataset, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "sleep", lambda seconds: now.append(now[-1] + seconds))
    timed = partial(time_epoch, clock=lambda: now[-1])
    monkeypatch.setitem(script["epoch_of"].__globals__, "time_epoch", timed)
    found = script["train"](script["make_loader"](dataset, 0))
    # 16 sleeps of 2 ms for each batch, and a step of 14 ms.
    assert 1 / found["steps_per_s"] == pytest.approx(0.046)
    assert found["data_wait_pct"] == pytest.approx(100 * 0.032 / 0.046)


@pytest.mark.parametrize(
    ("data_wait", "gain", "number"),
    [
        ({0: 3, 2: 1}, {2: 1.5}, 0),
        ({0: 60, 2: 2, 4: 1}, {2: 2.4, 4: 1.5}, 2),
        ({0: 60, 2: 30, 4: 1}, {2: 1.7, 4: 1.4}, 4),
        ({0: 60, 2: 30, 4: 29}, {2: 1.7, 4: 1.01}, 2),
        ({0: 60, 2: 58}, {2: 0.9}, 0),
        ({0: 60, 2: 30, 4: 15}, {2: 1.7, 4: 1.4}, 4),
        ({0: 6, 2: 4}, {2: 1.01}, 0),
    ],
)
def test_the_procedure_stops_at_the_smallest_good_number(script, data_wait, gain, number) -> None:
    data_wait = {helpers: measured("data_wait_pct", wait, "%") for helpers, wait in data_wait.items()}
    gain = {helpers: measured("gain", ratio, "×") for helpers, ratio in gain.items()}
    assert script["smallest_good"](data_wait, gain) == number


def test_a_step_up_counts_only_if_its_whole_interval_does(script) -> None:
    data_wait = {0: measured("data_wait_pct", 60, "%"), 2: measured("data_wait_pct", [2, 7], "%")}
    assert script["smallest_good"](data_wait, {2: measured("gain", [1.01, 1.5], "×")}) == 0
    more = data_wait | {4: measured("data_wait_pct", 1, "%")}
    gain = {2: measured("gain", 2, "×"), 4: measured("gain", 1.2, "×")}
    assert script["smallest_good"](more, gain) == 4, "2 may leave a data wait of 7%"


def test_it_measures_what_the_guide_quotes(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = values_of(NAME)
    kinds = "waiting", "computing", "png"
    assert set(values) >= {f"{kind}_{what}" for kind in kinds for what in ("at_cores", "beyond_cores")}
    # Wide on purpose: eight sleepers against one; a model that starves against one that is fed.
    assert values["waiting_speedup_8"].median > 2
    assert values["waiting_data_wait_pct_8"].median < values["waiting_data_wait_pct_0"].median / 2
    assert values["smallest_good_waiting"].median in (2, 4, 8)
