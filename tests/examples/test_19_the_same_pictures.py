"""The same pictures: an item's key gives it its picture, whoever loads it, and the epoch reaches all."""

from __future__ import annotations

import numpy as np
import pytest
import torch

NAME = "19_the_same_pictures"


@pytest.mark.parametrize(("key", "numpy", "pytorch"), [("sum", 17, 17), ("shifted", 32, 16)])
def test_keys_differ_as_far_as_the_generator_takes_them(script, key: str, numpy: int, pytorch: int) -> None:
    for draw, expected in (("with_numpy", numpy), ("with_torch", pytorch)):
        assert script["unique"]("keys", script[draw], script["KEYS"][key]).median == expected


def test_a_list_does_not_collide_and_makes_a_seed_for_torch(script) -> None:
    assert script["unique"]("keys", script["with_numpy"], script["KEYS"]["list"]).median == 32

    def mixed(epoch: int, index: int) -> int:
        return int(np.random.SeedSequence([0, epoch, index]).generate_state(1)[0])

    assert script["unique"]("keys", script["with_torch"], mixed).median == 32


def test_a_key_gives_an_item_its_picture_whatever_was_drawn_before(script) -> None:
    sprites, others = script["Augmented"](), script["Augmented"]()
    picture = sprites[3]["key"]
    others[1]
    assert picture.shape == (4, 16, 16)
    assert torch.equal(picture, others[3]["key"])
    sprites.set_epoch(1)
    assert not torch.equal(picture, sprites[3]["key"])


def test_a_key_differs_from_item_to_item(script) -> None:
    sprites = script["Augmented"]()
    sprites.sprites.images[:] = sprites.sprites.images[0].clone()
    assert len({tuple(sprites[index]["key"].flatten().tolist()) for index in range(16)}) == 16


def test_an_augmentation_moves_and_lights(script) -> None:
    image = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 16)
    assert torch.equal(script["augment"](image, 0.25, 0.5)[0, 0, :5], torch.tensor([12.0, 13, 14, 15, 0]))
    assert torch.equal(script["augment"](image, 0, 0), image / 2)


@pytest.mark.usefixtures("forks")
def test_the_key_does_not_care_who_loads_and_kept_workers_hear_of_the_epoch(script) -> None:
    with torch.random.fork_rng(devices=[]):
        alone, new = script["two_epochs"](0), script["two_epochs"](2)
        kept = script["two_epochs"](2, persistent_workers=True)
    differ = script["differ"]
    for run in (new, kept):
        assert str(differ("n", alone, run, "key")) == "0 of 32"
        assert str(differ("n", alone, run, "global")) == "32 of 32"
        assert run["shared"].tolist() == [0] * 16 + [1] * 16
    assert (new["attribute"].tolist(), kept["attribute"].unique().tolist()) == ([0] * 16 + [1] * 16, [0])
