"""Batches on their way to a GPU, with CUDA streams that only note what happens after what."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils.data import DataLoader

from spritedocs import prefetching
from spritedocs.prefetching import Prefetcher, on_device


class FakeStream:
    """A CUDA stream: its work, and how far into other streams' work it has waited before each piece."""

    def __init__(self) -> None:
        self.work: list[tuple[str, dict[int, int]]] = []
        self.seen: dict[int, int] = {}

    def wait_stream(self, other: FakeStream) -> None:
        for key, count in (*other.seen.items(), (id(other), len(other.work))):
            self.seen[key] = max(self.seen.get(key, 0), count)

    def launch(self, what: str) -> None:
        self.work.append((what, dict(self.seen)))


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A CUDA device of two streams, on which copies are only noted."""
    main, side = FakeStream(), FakeStream()
    now = [main]

    @contextlib.contextmanager
    def on(stream: FakeStream) -> Iterator[None]:
        now.append(stream)
        yield
        now.pop()

    def copy(batch: Any, device: torch.device, non_blocking: bool) -> str:
        assert non_blocking
        now[-1].launch(f"copy {batch}")
        return f"batch {batch} on the {device.type} device"

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: side)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: now[-1])
    monkeypatch.setattr(prefetching, "on_device", copy)
    return SimpleNamespace(main=main, side=side, now=now)


def test_steps_and_copies_wait_for_what_they_need_and_for_nothing_more(streams: SimpleNamespace) -> None:
    for number, batch in enumerate(Prefetcher(range(5), "cuda")):
        assert batch == f"batch {number} on the cuda device"
        assert streams.now == [streams.main]
        # Launched before the step: this copy, and the next one if there is one.
        assert len(streams.side.work) == min(number + 2, 5)
        streams.main.launch(f"step {number}")
    # A step waits for its own copy, and not for the next.
    assert [seen[id(streams.side)] for _, seen in streams.main.work] == [1, 2, 3, 4, 5]
    # Before copy n + 2 the steps up to n are done, whose memory it may take; step n + 1, which it shall
    # overlap, is not launched yet.
    assert [seen.get(id(streams.main), 0) for _, seen in streams.side.work] == [0, 0, 1, 2, 3]


@pytest.mark.usefixtures("streams")
def test_all_batches_come_in_every_epoch_each_held_back_until_the_next_is_loaded() -> None:
    prefetcher = Prefetcher(range(3), "cuda")
    assert len(prefetcher) == 3
    assert [list(prefetcher), list(prefetcher)] == [[f"batch {n} on the cuda device" for n in range(3)]] * 2
    assert list(Prefetcher([], "cuda")) == []
    loaded: list[int] = []
    batches = Prefetcher((loaded.append(n) or n for n in range(3)), "cuda")
    assert [len(loaded) for _ in batches] == [2, 3, 3]


@pytest.mark.usefixtures("streams")
def test_a_batch_of_nothing_is_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetching, "on_device", on_device)
    for batches in ([None, None], ["a", None], [None, "a"]):
        assert list(Prefetcher(batches, "cuda")) == batches


def test_it_has_the_workers_of_its_loader() -> None:
    assert Prefetcher(DataLoader(range(2), num_workers=2), "cpu").num_workers == 2
    assert Prefetcher([1], "cpu").num_workers == 0


def test_without_cuda_batches_pass_through() -> None:
    batches = [torch.ones(2), torch.zeros(2)]
    assert all(batch is own for batch, own in zip(Prefetcher(batches, "cpu"), batches, strict=True))


class Pair(NamedTuple):
    """A batch whose parts have names."""

    left: torch.Tensor
    right: int


def test_all_tensors_of_a_batch_are_moved() -> None:
    batch = {"image": torch.ones(2), "more": (torch.zeros(1), ["name", 3]), "pair": Pair(torch.ones(1), 2)}
    moved = on_device(batch, torch.device("meta"))
    tensors = moved["image"], moved["more"][0], moved["pair"].left
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved["more"][1] == ["name", 3]
    assert [type(moved[key]) for key in batch] == [torch.Tensor, tuple, Pair]
    packed = on_device([pack_sequence([torch.ones(2), torch.ones(1)])], "meta")[0]
    assert isinstance(packed, PackedSequence)
    assert (packed.data.device.type, packed.batch_sizes.tolist()) == ("meta", [2, 1])
    other = SimpleNamespace(tensor=torch.ones(1))
    assert on_device(other, "meta") is other
