"""Several ranks are told of once: by the last to end an epoch, and in one table, or each for itself."""

from __future__ import annotations

import pytest
from torch import distributed

from spritedocs.watching import ranks, watch, watches
from spritedocs.watching.epochs import Epoch
from spritedocs.watching.ranks import Ranks
from spritedocs.watching.telling import of_ranks, table_of_ranks


@pytest.fixture(autouse=True)
def store(monkeypatch):
    """The one that all ranks share; nobody waits for those who are late."""
    shared = distributed.HashStore()
    monkeypatch.setattr(distributed.distributed_c10d, "_get_default_store", lambda: shared)
    monkeypatch.setattr(ranks, "_PATIENCE_S", 0)
    return shared


def ended(number, wait_s, batches=10):
    """An epoch of ten seconds, the first of which was the first batch's."""
    return Epoch(
        number, 2, batches=batches, items=8 * batches, seconds=11, first_s=1, wait_s=wait_s, ended="done"
    )


def two(most=20):
    return [Ranks("training", rank, 2, most) for rank in (0, 1)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_last_to_end_an_epoch_has_those_of_all_in_their_order(order):
    each, epochs = two(), [ended(1, 0), ended(1, 8)]
    first, last = order
    assert each[first].leave(epochs[first]) == []
    assert each[last].leave(epochs[last]) == epochs


def test_the_first_rank_has_the_table_of_all_and_the_others_none():
    each = two()
    for number in (1, 2):
        for rank in each:
            rank.leave(ended(number, 4 * rank.rank))
    own = [ended(1, 0), ended(2, 0)]
    assert each[0].table(own).splitlines() == [
        "epoch  ranks  seconds  items/s  first batch, s  waited least  most  on rank",
        "    1      2     11.0     14.5            1.00            0%   40%        1",
        "    2      2     11.0     14.5            1.00            0%   40%        1",
    ]
    assert each[1].table(own) == ""


def test_who_ends_without_the_first_rank_has_a_table_of_its_own():
    each = two()
    each[1].leave(ended(1, 4))
    assert each[1].table([ended(1, 4)]) is None


def test_a_rank_that_never_ends_is_left_out_of_the_table():
    each = [Ranks("training", rank, 3, 20) for rank in range(3)]
    for rank in each[:2]:
        rank.leave(ended(1, 4))
    assert each[0].table([ended(1, 4)]).split()[-8:-6] == ["1", "2"]  # the epoch, and how many ranks


def test_a_store_that_is_gone_leaves_each_rank_to_itself(store, monkeypatch):
    def fail(*_):
        raise distributed.DistNetworkError("connection was closed")

    each = two()
    each[0].leave(ended(1, 0))
    monkeypatch.setattr(type(store), "set", fail)
    monkeypatch.setattr(type(store), "check", fail)
    assert each[0].leave(ended(2, 0)) == [ended(2, 0)]
    assert each[0].table([ended(1, 0)]) is None
    assert each[1].table([ended(1, 0)]) is None


def test_the_store_keeps_the_last_epochs_only(store):
    each = two(most=2)
    for number in range(1, 5):
        for rank in each:
            rank.leave(ended(number, 0))
    names = {number: f"spritedocs/training/{number}/0" for number in range(1, 5)}
    assert [number for number, key in names.items() if store.check([key])] == [3, 4]


def test_a_rank_that_alone_watches_waits_for_nobody():
    alone = Ranks("training", 0, 2, 20)
    assert alone.leave(ended(1, 8)) == [ended(1, 8)]
    assert alone.table([ended(1, 8)]) is None


def test_the_slow_rank_is_named_where_it_differs():
    assert of_ranks([ended(3, 0), ended(3, 8), ended(3, 1)]) == (
        "epoch 3 on 3 ranks: 11.0 s, 21.8 items/s, first batch after 1.00 s, "
        "then waited 0% (rank 0) to 80% (rank 1): ranks that share gradients wait for rank 1"
    )
    assert of_ranks([ended(3, 2.0), ended(3, 2.2)]) == (
        "epoch 3 on 2 ranks: 11.0 s, 14.5 items/s, first batch after 1.00 s, then waited 20% to 22%"
    )


def test_ranks_with_different_numbers_of_batches_are_told_of():
    assert "11.0 s, 9 to 10 batches, " in of_ranks([ended(1, 0), ended(1, 0, batches=9)])


def test_an_epoch_that_nobody_ended_has_no_row():
    assert len(table_of_ranks([{}, {0: ended(2, 1)}]).splitlines()) == 2


def test_two_ranks_say_one_line_one_verdict_and_one_table(clock, said, monkeypatch):
    class Loader(list):
        """One of its own on each rank."""

    loaders = []
    for rank in (0, 1):
        monkeypatch.setattr(watches, "WATCHES", [])
        loaders.append((rank, watch(Loader([[1], [2], [3]]), name="training"), watches.WATCHES))

    def as_rank(rank, run):
        monkeypatch.setattr(watches, "_rank", lambda: (rank, 2))
        return run()

    def train(batches):
        for _ in batches:
            clock.spend(1)

    # In turns, as both begin before one ends.
    for _ in range(2):
        begun = [as_rank(rank, lambda loader=loader: iter(loader)) for rank, loader, _ in loaders]
        for (rank, _, _), batches in zip(loaders, begun, strict=True):
            as_rank(rank, lambda batches=batches: train(batches))
    first, verdict, second = said()
    assert first.startswith(
        "training, epoch 1 on 2 ranks: 6.00 s, 1.00 items/s, first batch after 3.00 s, then waited 0% to 0%"
    )
    assert verdict.startswith("training: Waits under 5%")
    assert second.startswith("training, epoch 2 on 2 ranks: ")
    for rank, _, own in reversed(loaders):
        monkeypatch.setattr(watches, "WATCHES", own)
        as_rank(rank, watches._close)
    assert [line.split(",")[0] for line in said()[:1]] == ["training"]


def test_a_rank_whose_others_died_in_the_first_epoch_is_told_of_at_the_end(clock, said, monkeypatch):
    monkeypatch.setattr(watches, "_rank", lambda: (0, 2))
    loader = watch([[1], [2]], name="training")
    Ranks("training", 1, 2, 20)  # which watches, and never ends its epoch
    assert len(list(loader)) == 2
    assert said() == []
    watches._close()
    assert [line.split()[0] for line in said()] == ["rank", "epoch", "1"]


def test_after_many_epochs_the_longest_rank_decides_whether_a_short_one_is_told(monkeypatch, capsys):
    monkeypatch.setattr(watches, "MOST_LINES", 0)
    each = [watches.Watch("training", "key") for _ in range(2)]
    for rank, its in enumerate(each):
        its._ranks = Ranks("training", rank, 2, 20)
    for number, seconds in ((1, (1.01, 0.99)), (2, (0.6, 0.5))):
        for its, s in zip(each, seconds, strict=True):
            its.ended(
                Epoch(number, 2, batches=10, items=80, seconds=s, first_s=0.1, ended="done"), at=9 * number
            )
    told = [line for line in capsys.readouterr().err.splitlines() if ", epoch " in line]
    assert len(told) == 1
    assert told[0].startswith("spritedocs: training, epoch 1 on 2 ranks: 1.01 s")
