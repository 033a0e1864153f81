"""The model of the loader: cases calculated by hand, and what must hold for any costs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spritedocs.model import Costs, Prediction, Settings, predict
from spritedocs.model.sharing import Process, SharedCores, Work, fair_shares


def items_of(*seconds: float, cpu: bool = False, **others: Any) -> Costs:
    """Costs of batches of one item that take so long each, waiting or on the processor; plenty of cores."""
    return Costs(seconds, seconds if cpu else (0.0,) * len(seconds), 1, **{"cores": 64.0, **others})


def persistent(num_workers: int, prefetch_factor: int = 2) -> Settings:
    return Settings(num_workers, prefetch_factor, persistent_workers=True)


def test_without_workers_all_takes_turns() -> None:
    """Three batches of two take 1+2, 3+1 and 2+3; with 0.25 to draw, 0.5 to collate and a step of 1 each."""
    costs = Costs((1.0, 2.0, 3.0), (1.0, 0.0, 3.0), batch_size=2, collate_s=0.5, main_s=0.25)
    assert predict(costs, Settings(), batches=3, step_s=1.0) == Prediction(17.25, 14.25, 3.75, 6 / 17.25)


def test_handing_over_costs_nothing_without_workers() -> None:
    costs = items_of(1.0, send_s=9.0, receive_s=9.0, latency_s=9.0, start_s=9.0, boot_s=9.0, stop_s=9.0)
    assert predict(costs, Settings(), batches=4).epoch_s == 4


def test_one_worker_behind_a_slow_step_is_waited_for_once() -> None:
    costs = items_of(1.0, send_s=0.5, latency_s=0.25, receive_s=0.125)
    prediction = predict(costs, persistent(1), batches=4, step_s=3.0)
    assert prediction.first_batch_s == 1.875
    assert prediction.epoch_s == 1.875 + 3 + 3 * (0.125 + 3)
    assert prediction.wait_s == 1.875 + 3 * 0.125


def test_workers_that_wait_divide_the_time_on_any_number_of_cores() -> None:
    assert predict(items_of(1.0, cores=1.0), persistent(4), batches=24).epoch_s == pytest.approx(6)


@pytest.mark.parametrize("workers", [2, 4, 8])
def test_workers_that_compute_divide_it_among_the_cores_only(workers: int) -> None:
    assert predict(items_of(1.0, cpu=True, cores=2.0), persistent(workers), 24).epoch_s == pytest.approx(12)


def test_a_quota_leaves_a_fraction_of_a_core() -> None:
    costs = items_of(1.0, cpu=True, cores=1.5)
    assert predict(costs, persistent(3), batches=24).epoch_s == pytest.approx(16)
    assert predict(items_of(1.0, cpu=True, cores=0.5), Settings(), batches=2).epoch_s == pytest.approx(4)


def test_a_step_on_the_processor_takes_its_part_of_the_cores() -> None:
    """One core: four batches of 1 to load and four steps of 1, which nobody can do at the same time."""
    costs = items_of(1.0, cpu=True, cores=1.0)
    assert predict(costs, persistent(2), 4, step_s=1.0, step_cpu_share=1.0).epoch_s == pytest.approx(8)
    assert predict(costs, persistent(2), 4, step_s=1.0).epoch_s == pytest.approx(2 + 4)


def test_a_slow_batch_freezes_the_window() -> None:
    """Batch 0 takes 10. Worker 1 has batch 1 after 1, but is given no other until batch 0 was yielded."""
    costs = items_of(10, 1, 1, 1, 1, 1)
    assert predict(costs, persistent(2, prefetch_factor=1), batches=6).epoch_s == pytest.approx(12)


def test_fetching_further_ahead_begins_a_slow_batch_earlier() -> None:
    """Batch 4 takes 8; steps take 2.

    With a window of 2, it is dealt out when batch 2 is yielded, at 5, and ready at 13 instead of at 9.
    With a window of 8, worker 0 begins it after batches 0 and 2, at 2, and it is ready at 10.
    """
    costs = items_of(1, 1, 1, 1, 8, 1, 1, 1)
    assert predict(costs, persistent(2, prefetch_factor=1), 8, step_s=2.0).wait_s == pytest.approx(1 + 4)
    assert predict(costs, persistent(2, prefetch_factor=4), 8, step_s=2.0).wait_s == pytest.approx(1 + 1)


def test_turns_ignore_who_is_busy() -> None:
    """Worker 0 has batches 0, 2 and 4, however far it looks ahead: 10 + 1 + 1."""
    assert predict(items_of(10, 1, 1, 1, 1, 1), persistent(2, 16), batches=6).epoch_s == pytest.approx(12)


def test_out_of_order_the_others_overtake() -> None:
    """Worker 1 makes batches 1, 3, 4 and 5 while worker 0 makes 0 and 2: 10 + 1."""
    prediction = predict(items_of(10, 1, 1, 1, 1, 1), persistent(2), batches=6, in_order=False)
    assert prediction.first_batch_s == pytest.approx(1)
    assert prediction.epoch_s == pytest.approx(11)


def test_a_batch_that_arrives_early_is_received_while_the_first_is_waited_for() -> None:
    """Batch 1 arrives at 1 and is received by 1.5, batch 0 at 2 and by 2.5; batch 1 is there already."""
    assert predict(items_of(2, 1, receive_s=0.5), persistent(2), batches=2).epoch_s == pytest.approx(2.5)


def test_workers_start_one_after_another_and_boot_meanwhile() -> None:
    """All are started at 3, and can load from 3, 4 and 5 on, for 1 each; three stops of 0.5 follow."""
    costs = items_of(1.0, start_s=1.0, boot_s=2.0, stop_s=0.5, resume_s=0.25)
    prediction = predict(costs, Settings(3), batches=3)
    assert prediction == Prediction(7.5, 7.5, 4.0, 3 / 7.5)
    assert predict(costs, persistent(3), 3, first_epoch=True).epoch_s == 6
    assert predict(costs, persistent(3), 3).epoch_s == 0.75 + 1


def test_the_end_waits_for_a_worker_that_still_boots() -> None:
    assert predict(items_of(1.0, boot_s=5.0, start_s=2.0), Settings(2), batches=1).epoch_s == 9


def test_a_worker_that_keeps_the_lock_delays_the_batch_before() -> None:
    """Batch 0 is made at 0.04 and arrives half a batch later; nothing holds the last one up."""
    costs = items_of(0.04, cpu=True, gil_share=0.5)
    prediction = predict(costs, persistent(1), batches=3)
    assert prediction.first_batch_s == pytest.approx(0.06)
    assert prediction.epoch_s == pytest.approx(0.12)
    at_most = predict(replace(costs, lock_delay_s=0.01), persistent(1), batches=3)
    assert at_most.first_batch_s == pytest.approx(0.05)


def test_items_come_in_the_order_in_which_they_were_measured() -> None:
    """The slow item is the fifth of six: it is in batches 2, 5 and 8, and in the last one 12 times."""
    costs = Costs((1, 1, 1, 1, 7, 1), (0,) * 6, batch_size=2)
    assert predict(costs, Settings(), batches=3).epoch_s == 12
    assert predict(costs, Settings(), batches=2).epoch_s == 4


def test_a_mean_batch_size_need_not_be_whole() -> None:
    """The second of two batches ends with item 5.8, which is 6."""
    costs = Costs((1.0,), (0.0,), batch_size=2.9)
    assert predict(costs, Settings(), batches=2).epoch_s == 6


@pytest.mark.parametrize(
    ("settings", "batches"), [(Settings(), 0), (Settings(-1), 4), (Settings(2, prefetch_factor=0), 4)]
)
def test_impossible_epochs_are_refused(settings: Settings, batches: int) -> None:
    with pytest.raises(ValueError, match="is no epoch: give 1 batch"):
        predict(items_of(1.0), settings, batches)


def test_costs_need_items_with_both_times() -> None:
    with pytest.raises(ValueError, match="0 items' seconds"):
        Costs((), (), 1)
    with pytest.raises(ValueError, match="1 items' seconds and 2 items' processor seconds"):
        Costs((1.0,), (1.0, 2.0), 1)


def test_processes_share_a_core_and_waiting_needs_none() -> None:
    """One core: pieces of 1 and 2 share it until 2, the second is done at 3; who waits for 1 is done at 1."""
    cores, ended = SharedCores(1.0), {}

    def work(name: str, piece: Work) -> Process:
        yield piece
        ended[name] = cores.now

    for name, piece in {"short": Work(1), "long": Work(2), "waiting": Work(1, 0)}.items():
        cores.proceed(work(name, piece))
    cores.run()
    assert ended == pytest.approx({"waiting": 1, "short": 2, "long": 3})


demands = st.floats(0, 4)


@given(st.lists(demands, min_size=1, max_size=9), st.floats(0.1, 8))
def test_all_cores_are_shared_out_and_no_more(wanted: list[float], cores: float) -> None:
    shares = fair_shares(wanted, cores)
    assert sum(shares) == pytest.approx(min(cores, sum(wanted)))
    most = max(shares)
    for share, want in zip(shares, wanted, strict=True):
        assert share == want or share == pytest.approx(most)


def test_rounding_leaves_somebody_to_take_the_rest() -> None:
    assert 0.1 + 0.2 + 0.3 > 0.6
    assert fair_shares([0.1, 0.2, 0.3], cores=0.6) == pytest.approx([0.1, 0.2, 0.3])


# Less than a picosecond is taken for none.
seconds = st.just(0.0) | st.floats(1e-6, 0.1)
item_times = st.lists(st.tuples(seconds, st.floats(0, 1)), min_size=1, max_size=7)


@st.composite
def all_costs(draw: st.DrawFn) -> Costs:
    items = draw(item_times)
    item_s = tuple(item for item, _ in items)
    others = ["collate_s", "send_s", "receive_s", "latency_s", "main_s"]
    others += ["start_s", "boot_s", "resume_s", "stop_s"]
    return Costs(
        item_s,
        tuple(item * share for item, share in items),
        batch_size=draw(st.floats(1, 9)),
        cores=draw(st.floats(0.25, 5)),
        gil_share=draw(st.sampled_from([0, 0.5, 1])),
        **{name: draw(seconds) for name in others},
    )


settings_tried = st.builds(Settings, st.integers(0, 5), st.integers(1, 3), st.booleans())
batch_counts = st.integers(1, 12)


def work_of(costs: Costs, settings: Settings, batches: int) -> float:
    """Processor seconds that an epoch must take at least, whoever does what."""
    items = range(round(batches * costs.batch_size))
    loading = sum(costs.item_cpu_s[item % len(costs.item_cpu_s)] for item in items)
    each = costs.collate_s + costs.main_s
    if not settings.num_workers:
        return loading + batches * each
    starting = costs.resume_s if settings.persistent_workers else costs.start_s + costs.boot_s + costs.stop_s
    handing_over = costs.send_s + costs.receive_s
    return loading + batches * (each + handing_over) + settings.num_workers * starting


@given(all_costs(), settings_tried, batch_counts, seconds, st.floats(0, 1))
def test_no_epoch_beats_its_steps_or_its_cores(
    costs: Costs, settings: Settings, batches: int, step_s: float, share: float
) -> None:
    prediction = predict(costs, settings, batches, step_s, share)
    work = work_of(costs, settings, batches) + batches * step_s * share
    assert prediction.epoch_s >= batches * step_s * (1 - 1e-9)
    assert prediction.epoch_s >= work / costs.cores * (1 - 1e-6)
    assert 0 <= prediction.first_batch_s <= prediction.epoch_s
    assert prediction.wait_s <= prediction.epoch_s * (1 + 1e-9)


@given(all_costs(), settings_tried, batch_counts, seconds)
def test_what_is_not_step_is_waiting(costs: Costs, settings: Settings, batches: int, step_s: float) -> None:
    prediction = predict(costs, settings, batches, step_s)
    assert prediction.wait_s + batches * step_s == pytest.approx(prediction.epoch_s)


@given(settings_tried, batch_counts, st.just(0.0) | st.floats(0.001, 0.1))
def test_an_epoch_of_no_costs_is_its_steps(settings: Settings, batches: int, step_s: float) -> None:
    prediction = predict(items_of(0.0), settings, batches, step_s)
    assert prediction.epoch_s == pytest.approx(batches * step_s)
    assert prediction.wait_s == pytest.approx(0, abs=1e-9)
    assert prediction.items_per_s == (pytest.approx(1 / step_s) if step_s else math.inf)


@given(all_costs(), settings_tried, batch_counts, seconds)
def test_nothing_beats_a_core_for_each_process(
    costs: Costs, settings: Settings, batches: int, step_s: float
) -> None:
    """Yet a few cores more may be slower: a batch that begins earlier competes with one that is waited for.

    So does a batch that is received while another is waited for, which is why receiving costs nothing here.
    """
    shared = replace(costs, receive_s=0.0)
    free = replace(shared, cores=settings.num_workers + 1.0)
    slower, faster = (predict(each, settings, batches, step_s).epoch_s for each in (shared, free))
    assert faster <= slower * (1 + 1e-6) or shared.cores > free.cores
