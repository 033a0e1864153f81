"""A loader's own work: every way delivers the same pixels in the same order."""

from __future__ import annotations

from typing import Any

import pytest
import torch

NAME = "36_a_loaders_own_work"
WAYS = ("loader", "unmarked", "loop", "ceiling")


@pytest.fixture
def data(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[torch.Tensor, torch.Tensor, int]:
    for name, number in (("COUNT", 24), ("EPOCHS", 2)):
        monkeypatch.setitem(script["loader"].__globals__, name, number)
    return torch.arange(24 * 4 * 9, dtype=torch.int16).reshape(24, 4, 3, 3), torch.arange(24), 8


def test_the_ways_are_told_apart(script: dict[str, Any]) -> None:
    assert tuple(script["WAYS"]) == WAYS


@pytest.mark.parametrize("way", WAYS)
def test_each_way_delivers_the_same_pixels_in_the_same_order(
    script: dict[str, Any], data: tuple[torch.Tensor, torch.Tensor, int], way: str
) -> None:
    kind, _ = script["WAYS"][way]
    seen = [pixels.clone() for pixels, *_ in kind(*data)]
    assert [len(pixels) for pixels in seen] == [8] * 6
    due = [data[0][indices] for indices in script["Batches"](*data)]
    assert torch.equal(torch.cat(seen), torch.cat(due))


def test_the_families_come_with_them(
    script: dict[str, Any], data: tuple[torch.Tensor, torch.Tensor, int]
) -> None:
    for way in WAYS[:-1]:
        for pixels, families in script["WAYS"][way][0](*data):
            assert torch.equal(data[0][families], pixels)


def test_one_of_them_opens_no_mark(
    script: dict[str, Any],
    data: tuple[torch.Tensor, torch.Tensor, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    marks = []
    record = torch.autograd.profiler.record_function

    def counted(name: str) -> Any:
        marks.append(name)
        return record(name)

    monkeypatch.setattr(torch.autograd.profiler, "record_function", counted)
    counts = {}
    for way in WAYS:
        list(script["WAYS"][way][0](*data))
        counts[way], marks[:] = len(marks), []
    assert counts == {"loader": 7, "unmarked": 0, "loop": 0, "ceiling": 0}  # six batches, and the end
