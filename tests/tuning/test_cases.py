"""Loaders of people who asked for help in public: the direction, the name and the notes of each answer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cases import (
    BATCH,
    Buckets,
    Changed,
    HardlyEverSlow,
    ListsFirst,
    Pictures,
    Remembering,
    Shared,
    Tiles,
    WholeInEachWorker,
    WithWorkersOnly,
    open_file,
    zipped,
)
from children import children, number_since
from torch.utils.data import DataLoader

from spritedocs.tuning import Tuning, search, slices, tune

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="workers start by fork here"),
    pytest.mark.usefixtures("short", "servers"),
]


ATTEMPTS = 6
"""Other programs may spoil a search, or some: one has to find what the data are like."""


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Directions show in short slices, too, after which nobody asks how much memory workers have."""
    monkeypatch.setattr(slices, "peak_worker_memory_mb", lambda loader: None)
    monkeypatch.setattr(search, "PROBING_S", 0.2)
    monkeypatch.setattr(search, "SLICE_S", 0.06)
    monkeypatch.setattr(search, "FINAL_S", 0.1)
    monkeypatch.setattr(search, "LOOKS", (6, 12))
    before = children()
    yield
    assert number_since(before) == 0


def tuned(dataset: Any, max_workers: int = 2, **options: Any) -> Tuning:
    return tune(dataset, max_workers=max_workers, start_method="fork", **{"budget_s": 40.0, **options})


def found_to_be(made: Callable[[], Any], holds: Callable[[Tuning], bool], **options: Any) -> Tuning:
    """A search of the dataset or loader that is ``made``, of which this ``holds``."""
    missed = []
    for _ in range(ATTEMPTS):
        found = tuned(made(), **options)
        if holds(found):
            return found
        missed.append((found.line, found.diagnosis, found.gain, found.doubt, rates(found)))
    raise AssertionError(missed)


def workers(found: Tuning) -> int:
    return int(found.recommended["num_workers"])


def gain(found: Tuning) -> float:
    return found.gain.median if found.gain else 0.0


def rates(found: Tuning) -> dict[int, float]:
    return {each.settings.num_workers: each.measured.median for each in found.candidates if each.measured}


def explained(found: Tuning) -> float:
    """What was measured without workers, times what the probe in a worker explains."""
    [alone] = [each for each in found.candidates if not each.settings.num_workers]
    assert alone.measured is not None
    return alone.measured.median / alone.predicted_items_per_s


def test_a_cache_of_few_items_of_many_is_as_cold_as_in_training() -> None:
    found_to_be(
        lambda: DataLoader(Tiles(50_000), BATCH, shuffle=True, num_workers=2, persistent_workers=True),
        lambda found: workers(found) == 2 and rates(found)[0] < found.throughput.median,
    )


def test_what_is_remembered_after_an_epoch_promises_nothing() -> None:
    """The other tests may compute, too, which is a reason as well."""
    found = found_to_be(
        lambda: DataLoader(Remembering(), BATCH), lambda found: workers(found) == 2 and bool(found.doubt)
    )
    assert found.gain is None
    assert found.doubt.startswith("No gain is promised: ")


def test_a_stream_without_a_length_has_no_short_epoch() -> None:
    found = found_to_be(
        lambda: DataLoader(Shared(10**7), BATCH, num_workers=4),
        lambda found: (
            rates(found)[0] < found.throughput.median and found.diagnosis in {"waiting", "nothing-to-gain"}
        ),
    )
    assert found.batches is None


def test_a_stream_that_lists_files_and_fills_a_buffer_first_is_not_begun_in_every_slice() -> None:
    found_to_be(
        lambda: DataLoader(ListsFirst(6000, start_s=0.3, held=200), BATCH),
        # Half a second in each slice would leave hardly any of what the probe explains.
        lambda found: workers(found) == 2 and gain(found) > 1.3 and explained(found) > 0.4,
    )


def test_a_stream_delivered_whole_by_each_worker_gains_nothing() -> None:
    found = tuned(DataLoader(WholeInEachWorker(), BATCH))
    assert workers(found) <= 1
    assert any("deliver the whole stream" in warning for warning in found.warnings)


def test_a_sampler_that_sorts_before_each_epoch() -> None:
    found = found_to_be(
        lambda: DataLoader(Pictures(), batch_sampler=Buckets(0.5), num_workers=1, persistent_workers=True),
        lambda found: found.diagnosis == "epoch-start",
    )
    assert any("sampler" in remedy.says for remedy in found.remedies)
    # 400 items take 0.4 s with two workers, and 0.5 s pass before.
    assert found.throughput.median < 400 / 0.5


def test_a_rare_slow_item_leaves_an_answer() -> None:
    """Which one is a matter of luck; there used to be none."""
    found = tuned(DataLoader(HardlyEverSlow(), BATCH, shuffle=True), budget_s=10)
    assert found.line.startswith("DataLoader(..., num_workers=")


def test_what_works_with_workers_only_is_tuned_with_them() -> None:
    found = found_to_be(
        lambda: DataLoader(WithWorkersOnly(), BATCH, num_workers=1, worker_init_fn=open_file),
        lambda found: workers(found) == 2 and gain(found) > 1.3,
    )
    assert any(warning.startswith("Without workers the dataset fails") for warning in found.warnings)


def test_items_are_counted_whatever_a_batch_is() -> None:
    # Not 3/8, the channels of a picture in place of 8 pictures.
    found = found_to_be(
        lambda: Changed(Pictures(), BATCH, collate_fn=zipped),
        lambda found: 0.45 < explained(found) < 2.2,
        max_workers=1,
    )
    assert found.batch_size == BATCH
