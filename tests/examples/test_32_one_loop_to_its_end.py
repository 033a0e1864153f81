"""One loop to its end: whatever is put together or left out, the model is given the same pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from spritedocs import sprites

NAME = "32_one_loop_to_its_end"


@pytest.fixture
def few(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> int:
    """So many sprites in place of thousands, in two batches."""
    monkeypatch.setitem(script["loops"].__globals__, "COUNT", 64)
    return 64


@pytest.fixture
def file(few: int, tmp_path: Path) -> Path:
    return Path(sprites.write_packed(tmp_path / "packed.npy", few, 32))


def test_less_arithmetic_makes_the_same_pictures_but_for_flips(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = torch.randint(0, 256, (16, 4, 8, 8), dtype=torch.uint8)
    scale = torch.rand(16, 1, 1, 1)
    monkeypatch.setitem(script["prepared"].__globals__, "dice", lambda images: scale)
    monkeypatch.setattr(torch, "where", lambda condition, flipped, images: images)
    floats = torch.empty(images.shape)
    made = script["brightened"](images, floats)
    torch.testing.assert_close(made, script["prepared"](images))
    assert made.data_ptr() == floats.data_ptr()


def test_whole_batches_hold_every_sprite_once(script: dict[str, Any], few: int, file: Path) -> None:
    whole = script["Whole"](file)
    epochs = [_epoch(whole) for _ in range(2)]
    for images, families in epochs:
        order = [torch.nonzero((whole.images == image).flatten(1).all(1)).item() for image in images]
        assert sorted(order) == list(range(few))
        assert families.tolist() == [sprites.family_of(int(index)) for index in order]
    assert not torch.equal(epochs[0][0], epochs[1][0])


def test_to_flip_is_to_choose(script: dict[str, Any], few: int, file: Path) -> None:
    """Of both ways each picture lies there, one is chosen anew in each epoch, and once."""
    mirrored = script["Mirrored"](file)
    numbers = torch.arange(few, dtype=torch.uint8)
    mirrored.images[:, 0, 0, 0] = numbers.repeat(2)
    mirrored.images[few:, 1, 0, 0] += 1  # sprites are symmetric
    (first, families), (second, _) = _epoch(mirrored), _epoch(mirrored)
    order = first[:, 0, 0, 0].tolist()
    assert sorted(order) == list(range(few))
    assert families.tolist() == [sprites.family_of(index) for index in order]
    turned = [images[:, 1, 0, 0][images[:, 0, 0, 0].argsort()] for images in (first, second)]
    assert not torch.equal(*turned)
    assert torch.equal(mirrored.images[few:, 2], mirrored.images[:few, 2].flip(-1))


def _epoch(data: Any) -> tuple[torch.Tensor, torch.Tensor]:
    loader = torch.utils.data.DataLoader(data, batch_size=None, sampler=data)
    images, families = zip(*[(images.clone(), families) for images, families in loader], strict=True)
    return torch.cat(images), torch.cat(families)


def test_each_row_is_a_loop_that_trains(
    script: dict[str, Any], few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def epoch_ms(batches: Any, augment: Any = lambda images: images) -> float:
        told = batches() if callable(batches) else batches
        return float(sum(len(augment(images)) for images, _ in told))

    with monkeypatch.context() as counted:
        counted.setitem(script["loops"].__globals__, "trainer", lambda device: epoch_ms)
        arms = script["loops"]("cpu", tmp_path)
    assert arms.keys() == script["TITLES"].keys()
    assert {name: arm() for name, arm in arms.items()} == dict.fromkeys(arms, few)
    for name in ("stored", "end", "augmented"):
        assert script["loops"]("cpu", tmp_path)[name]() > 0
