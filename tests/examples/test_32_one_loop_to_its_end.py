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


def test_less_arithmetic_makes_the_same_pictures(script: dict[str, Any]) -> None:
    images = torch.randint(0, 256, (16, 4, 8, 8), dtype=torch.uint8)
    made = []
    for prepare in (script["prepared"], script["prepared_at_once"]):
        torch.manual_seed(32)
        made.append(prepare(images.clone()))
    torch.testing.assert_close(*made)
    torch.manual_seed(32)
    still = torch.where(script["dice"](images) < 0.5, images.flip(-1), images)
    assert 0 < sum(not torch.equal(a, b) for a, b in zip(images, still, strict=True)) < 16


@pytest.mark.parametrize("buffer", [None, torch.empty((32, 4, 32, 32), dtype=torch.uint8)])
def test_whole_batches_hold_every_sprite_once(
    script: dict[str, Any], few: int, tmp_path: Path, buffer: torch.Tensor | None
) -> None:
    file = sprites.write_packed(tmp_path / "packed.npy", few, 32)
    whole = script["Whole"](file, buffer)
    loader = torch.utils.data.DataLoader(whole, batch_size=None, sampler=whole)
    epochs = [[(image.clone(), family) for image, family in loader] for _ in range(2)]
    for epoch in epochs:
        images, families = map(torch.cat, zip(*epoch, strict=True))
        order = [torch.nonzero((whole.images == image).flatten(1).all(1)).item() for image in images]
        assert sorted(order) == list(range(few))
        assert families.tolist() == [sprites.family_of(int(index)) for index in order]
    assert not torch.equal(epochs[0][0][0], epochs[1][0][0])


def test_each_row_is_a_loop_that_trains(
    script: dict[str, Any], few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def epoch_ms(batches: Any, augment: Any = lambda images: images) -> float:
        return float(sum(len(augment(images)) for images, _ in batches))

    with monkeypatch.context() as counted:
        counted.setitem(script["loops"].__globals__, "trainer", lambda device: epoch_ms)
        arms = script["loops"]("cpu", tmp_path)
    assert arms.keys() == script["TITLES"].keys()
    assert {name: arm() for name, arm in arms.items()} == dict.fromkeys(arms, few)
    assert script["loops"]("cpu", tmp_path)["bare"]() > 0
