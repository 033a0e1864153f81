"""What sprites in RAM lose to helpers, and how the cost at which the two break even is found."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from spritedocs.datasets import SpriteTensors
from spritedocs.machine import NotHere
from spritedocs.timing import EpochTiming, dismiss

NAME = "07_summoning_cost"


def test_an_epoch_has_so_many_batches_of_a_size(script) -> None:
    loader = script["make_loader"](SpriteTensors(5), 8, 0, batches=3)
    assert [images.shape for images, _ in loader] == [(8, 4, 16, 16)] * 3
    assert script["make_loader"](SpriteTensors(5), 8, 2, batches=3).persistent_workers


def test_a_dialled_sprite_is_the_same_sprite(script) -> None:
    dialled = script["DialledSprites"](3)
    dialled.turns.fill_(100)
    image, label = dialled[1]
    assert torch.equal(image, SpriteTensors(3)[1][0])
    assert label == SpriteTensors(3)[1][1]


@pytest.mark.usefixtures("forks")
def test_the_dial_turns_for_a_helper_that_is_there_already(script) -> None:
    class Telltale(script["DialledSprites"]):
        def __getitem__(self, index):
            return self.turns.item()

    dialled = Telltale(8)
    loader = script["make_loader"](dialled, 4, 1, batches=2)
    assert torch.cat(list(loader)).tolist() == [0] * 8
    dialled.turns.fill_(7)
    assert torch.cat(list(loader)).tolist() == [7] * 8
    dismiss(loader)


@pytest.fixture
def epochs(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Makes a pair of loaders whose epochs last as a function of the dial says."""
    names = script["break_even"].__globals__
    monkeypatch.setitem(names, "needs", lambda *what, cores=1: None)

    def timed(loader, step=None):
        total_s = loader.last_s(loader.dataset.turns.item())
        return EpochTiming(0.5, total_s, 1000, 125, 0.25, 1.25 if step else total_s, 0)

    monkeypatch.setitem(names, "time_epoch", timed)
    dataset = SimpleNamespace(turns=torch.zeros(1, dtype=torch.int64))
    return lambda *lasting: [SimpleNamespace(dataset=dataset, last_s=f, batch_size=8) for f in lasting]


def test_the_break_even_is_the_cost_without_helpers_where_both_last_as_long(script, epochs) -> None:
    found = script["break_even"](*epochs(lambda turns: 1 + turns / 10_000, lambda turns: 3))
    assert found["us"] == pytest.approx(3000, rel=0.05)
    assert found["ms"] == found["us"] * 8 / 1000


@pytest.mark.parametrize("helped_s", [0.5, 1e6])
def test_without_a_break_even_nothing_is_made_up(script, epochs, helped_s) -> None:
    with pytest.raises(NotHere, match="end other programs"):
        script["break_even"](*epochs(lambda turns: 1 + turns / 10_000, lambda turns: helped_s))


def test_receiving_is_what_next_takes_after_the_first_batch(script, epochs) -> None:
    found = script["bill"](*epochs(lambda turns: 2 + turns, lambda turns: 2))
    assert found == {"making_ms": 16, "handover_ms": pytest.approx(1000 / 124)}
