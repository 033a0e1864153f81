"""Training with and without helpers: that pictures vary, that heroes learn, and on which device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from spritedocs.sprites import family_of, write_png_folder
from spritedocs.timeline import trace_epoch

NAME = "09_keeping_the_gpu_fed"

FEW = 12


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in the script, and on the processor: a machine of ours may have a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def lessons(script: dict[str, Any], tmp_path: Path) -> Any:
    return script["Lessons"](write_png_folder(tmp_path / "png", FEW, 96))


def test_pictures_are_bytes_scaled_and_in_memory_of_their_own(lessons) -> None:
    assert len(lessons) == FEW
    for index in range(FEW):
        pixels, family = lessons[index]
        assert (pixels.shape, pixels.dtype, family) == ((4, 64, 64), torch.uint8, family_of(index))
        assert pixels.is_contiguous()


def test_a_picture_is_changed_by_torchs_dice(lessons) -> None:
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return lessons[3][0]

    assert (drawn(1) == drawn(1)).all()
    assert len({tuple(drawn(seed).flatten().tolist()) for seed in range(8)}) > 4  # small moves may look alike


def test_a_wider_hero_has_more_to_compute(script) -> None:
    assert list(script["WIDTHS"]) == sorted(set(script["WIDTHS"]))
    sizes = [sum(p.numel() for p in script["make_net"](width).parameters()) for width in (4, 8, 16)]
    assert sizes == sorted(set(sizes))
    assert script["make_net"](4)(torch.zeros(2, 4, 64, 64)).shape == (2, 8)


def test_heroes_of_a_width_start_alike_and_learn(script, lessons) -> None:
    hero, other = script["Hero"](8), script["Hero"](8)  # who set the dice that change the pictures, too
    weights = other.net.state_dict()
    assert all((weight == weights[name]).all() for name, weight in hero.net.state_dict().items())
    batch = next(iter(DataLoader(lessons, batch_size=FEW)))
    hero.step(batch)
    first = hero.loss_of(1)
    for _ in range(15):
        hero.step(batch)
    assert 0 < hero.loss_of(15) < 0.9 * first


def test_an_epoch_that_is_traced_learns_from_every_batch(script, lessons) -> None:
    hero = script["Hero"](4)
    line = trace_epoch(DataLoader(lessons, batch_size=5), hero.compute, copy=hero.copy, device=hero.device)
    assert line.batches == 3
    assert hero.loss_of(line.batches) > 0
    assert hero.losses == 0  # the next epoch's begin anew


def test_it_measures_what_its_page_needs(values_of) -> None:
    values = values_of(NAME)
    arms = {f"{name}_{arm}" for name in ("utilisation", "data_wait", "epoch_s") for arm in ("0", "helped")}
    ratios = {"speedup_helped", "speedup_headroom", "helped_over_headroom", "fed_over_headroom"}
    assert set(values) >= arms | ratios | {"epoch_s_headroom", "first_batch_ms_0", "first_batch_ms_helped"}
    assert values["loss_last"].median < values["loss_first"].median
    # Wide on purpose: on one core, or beside other programs, helpers win nothing.
    assert 0 < values["utilisation_0"].median < 100
    assert values["speedup_headroom"].median > 1
