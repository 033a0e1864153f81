"""From notes to costs: worked out by hand."""

from __future__ import annotations

import pytest

from spritedocs.tuning import costing
from spritedocs.tuning.costing import Arrival, Starting, costs_of, suspects
from spritedocs.tuning.probes import ITEMS, WATCHED, WHOLE, Note


def note(
    *item_s: float, turn: str = ITEMS, begun: float = 0.0, late_s: float = 0.0, cpu: float = 0.5
) -> Note:
    """A batch whose items took so long, ``cpu`` of it on the processor; item by item if it is their turn."""
    whole, each = sum(item_s), item_s if turn == ITEMS else ()
    return Note(
        turn,
        begun,
        cpu * begun,
        begun + whole,
        cpu * (begun + whole),
        begun + whole + 0.25,
        cpu * (begun + whole) + 0.25,
        items=len(item_s),
        item_s=tuple(each),
        item_cpu_s=tuple(cpu * seconds for seconds in each),
        late_s=late_s,
    )


def test_items_stay_in_their_order_those_of_whole_batches_with_their_mean() -> None:
    item_s, item_cpu_s = costing._items([note(2, 4, turn=WHOLE), note(1, 5), note(3, 4, turn=WATCHED)])
    assert item_s == (3, 3, 1, 5, 3.5, 3.5)
    assert item_cpu_s == (1.5, 1.5, 0.5, 2.5, 1.75, 1.75)


def test_reading_clocks_does_not_make_items_dear() -> None:
    """Noted one by one they take 30 µs, as a whole batch 10 µs each."""
    item_s, _ = costing._items([note(*[10e-6] * 4, turn=WHOLE), note(*[30e-6] * 4)])
    assert item_s == pytest.approx([10e-6] * 8)


def test_a_slow_item_of_a_whole_batch_does_not_make_all_of_them_slow() -> None:
    notes = [note(1, 1, 1, 1), note(1, 1, 1, 1, turn=WHOLE), note(1, 1, 37, 1, turn=WHOLE)]
    item_s, item_cpu_s = costing._items(notes)
    assert sorted(item_s) == pytest.approx([1] * 11 + [37])
    assert sum(item_cpu_s) == pytest.approx(sum(item_s) / 2)


def test_batches_loaded_at_once_are_means() -> None:
    at_once = note(8)._replace(items=4)
    item_s, item_cpu_s = costing._items([note(2, 4, turn=WHOLE), at_once])
    assert (item_s, item_cpu_s) == ((3, 3, 2, 2, 2, 2), (1.5, 1.5, 1, 1, 1, 1))


def test_how_much_of_the_loading_holds_the_lock() -> None:
    watched = [note(4, turn=WATCHED, late_s=1.5), note(4, turn=WATCHED, late_s=0.5)]
    assert costing._gil_share(watched) == 0.25
    assert costing._gil_share([note(4, turn=WATCHED, late_s=9)]) == 0.5, "no more than what computes"
    assert costing._gil_share([note(4, turn=WATCHED, late_s=9, cpu=1.0)]) == 1
    assert costing._gil_share([note(0.001, turn=WATCHED, late_s=0.001)]) == 0, "too short to tell"
    assert costing._gil_share([]) == 0


def arrivals(*batches: float) -> list[Arrival]:
    """Batches of two items that took so long, one a minute; 2 s later they arrive, which costs 0.5 s."""
    notes = [note(s / 2, s / 2, begun=60.0 * place) for place, s in enumerate(batches)]
    return [Arrival(each, each.collated_s + 2.0, 0.5) for each in notes]


def test_the_first_batch_warms_up_and_middles_are_medians() -> None:
    starting = Starting(0.1, 0.2, 0.3, 0.4)
    costs = costs_of(arrivals(50, 4, 4, 4), starting, drawing_s=0.01, collate_s=0.25, tensors=1)
    assert costs.item_s == (2,) * 6
    assert (costs.batch_size, costs.collate_s, costs.receive_s, costs.main_s) == (2, 0.25, 0.5, 0.01)
    assert (costs.start_s, costs.boot_s, costs.resume_s, costs.stop_s) == (0.1, 0.2, 0.3, 0.4)
    # In the minute from one batch to the next 30 s are computed; loading and collating are not sending.
    assert costs.send_s == pytest.approx(30 - 2 - 0.25)


def test_collating_that_takes_longer_in_a_worker_is_handing_over() -> None:
    seen, starting = arrivals(50, 4, 4, 4), Starting(0.1, 0.2, 0.3, 0.4)
    alike, longer = (
        costs_of(seen, starting, drawing_s=0.01, collate_s=seconds, tensors=1) for seconds in (0.25, 0.05)
    )
    assert longer.collate_s == 0.05
    assert longer.send_s == pytest.approx(alike.send_s + 0.2)


def test_batches_that_took_much_longer_are_suspected_worst_first_but_not_the_first() -> None:
    assert suspects(arrivals(50, 1, 1, 4, 1, 2, 9, 1, 1)) == [6, 3]
    assert len(suspects(arrivals(*[1] * 20, *[9] * 9))) == costing.MOST_SUSPECTS


def test_where_processor_time_comes_in_ticks_its_sum_is_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows: of four batches that compute for 4 ms each one has a whole tick, and the others nothing."""
    monkeypatch.setattr(costing.sys, "platform", "win32")
    notes = [note(0.004, turn=WHOLE, cpu=cpu) for cpu in (0, 0, 0, 4)]
    item_s, item_cpu_s = costing._items(notes)
    assert item_cpu_s == pytest.approx(item_s)
