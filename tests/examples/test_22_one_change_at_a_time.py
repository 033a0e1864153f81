"""One change at a time: that each loop differs from the one before in one thing, and works."""

from __future__ import annotations

import pytest
import torch

from spritedocs.machine import NotHere, worker_pids
from spritedocs.prefetching import Prefetcher
from spritedocs.sprites import family_of, write_png_folder

NAME = "22_one_change_at_a_time"


@pytest.fixture
def pngs(tmp_path):
    return write_png_folder(tmp_path / "pngs", 8)


def test_whole_batches_are_the_same_arithmetic(script, pngs, monkeypatch) -> None:
    # The dice are loaded, so that both ways throw the same.
    monkeypatch.setattr(torch, "rand", lambda size: torch.full(size, 0.25))
    one_by_one, together = script["Scrolls"](pngs), script["ScrollsByBatch"](pngs)
    indices = [4, 0, 5]
    for (image, family), index in zip(together.__getitems__(indices), indices, strict=True):
        own_image, own_family = one_by_one[index]
        assert torch.equal(image, own_image)
        assert family == own_family == family_of(index)
        assert image.shape == (4, 16, 16)
    assert not hasattr(one_by_one, "__getitems__")


def test_pictures_are_flipped_and_brightened_each_by_its_own_dice(script) -> None:
    torch.manual_seed(0)
    images = torch.zeros(200, 1, 1, 2, dtype=torch.uint8)
    images[..., 0] = 255
    left, right = (script["prepared"](images) * 0.25 + 0.5)[:, 0, 0].unbind(1)
    brightness = torch.maximum(left, right)
    assert 0.8 <= brightness.min() < brightness.max() <= 1.2
    assert 60 < int((right > left).sum()) < 140


def test_each_line_changes_one_thing(script) -> None:
    changes = [change for _, change in script["CHANGES"].values()]
    assert [len(change) for change in changes] == [0, *[1] * 7]
    assert len({key for change in changes for key in change}) == 7


def test_the_training_learns_and_is_timed(script) -> None:
    torch.manual_seed(15)
    trainer, losses = script["Trainer"]("cpu"), []
    batch = torch.rand(8, 4, 16, 16), torch.arange(8) % 2
    for _ in range(60):
        assert trainer.epoch_ms([batch]) > 0
        losses.append(trainer.loss)
    assert losses[-1] < losses[0]


@pytest.mark.usefixtures("forks")
def test_a_loop_is_what_it_is_told(script, pngs, monkeypatch) -> None:
    trained = []
    told = {"num_workers": 1, "persistent_workers": True, "kind": script["ScrollsByBatch"]}
    trainer = script["Trainer"]("cpu")
    monkeypatch.setattr(trainer, "epoch_ms", lambda batches, non_blocking: trained.append(batches) or 1.0)
    assert script["loop"](trainer, pngs, **told)() == 1.0
    assert script["loop"](trainer, pngs, ahead=True)() == 1.0
    helped, ahead = trained
    assert (helped.num_workers, helped.persistent_workers) == (1, True)
    assert type(helped.dataset) is script["ScrollsByBatch"]
    assert isinstance(ahead, Prefetcher)
    assert type(ahead.loader.dataset) is script["Scrolls"]
    assert worker_pids(helped) == ()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_pinned_memory_needs_a_gpu(script, pngs) -> None:
    with pytest.raises(NotHere, match="CUDA"):
        script["loop"](script["Trainer"]("cpu"), pngs, pin_memory=True)()
