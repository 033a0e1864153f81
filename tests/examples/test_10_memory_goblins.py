"""The goblins: that all storages hold the same, and that only looking into a list writes."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch

NAME = "10_memory_goblins"

CLASSES = ("CaptionList", "CaptionArray", "CaptionTensor", "NoCaptions")


@pytest.fixture
def made(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A small dataset of each class."""
    monkeypatch.setitem(script["caption_of"].__globals__, "CAPTIONS", 120)
    return {name: script[name]() for name in CLASSES}


@pytest.mark.parametrize("name", CLASSES)
def test_every_storage_holds_the_same_captions(script, made, name: str) -> None:
    captions = [script["caption_of"](index) for index in range(120)]
    assert len(made[name]) == 120
    assert [made[name][index] for index in range(120)] == captions
    assert len(set(captions)) == 120
    assert len({len(caption) for caption in captions}) > 1  # so that there are rows to fill up


def test_sizes_are_those_of_objects_and_of_rows(script, made) -> None:
    longest = len(script["caption_of"](119))
    assert made["CaptionTensor"].captions.shape == (120, longest)
    assert made["CaptionTensor"].captions.dtype == torch.uint8
    assert made["CaptionArray"].megabytes() == made["CaptionTensor"].megabytes() == 120 * longest / 1e6
    assert made["CaptionList"].megabytes() > (120 * (longest - 2) + 120 * (8 + 32)) / 1e6


def test_only_the_list_gives_away_objects_of_its_own(made) -> None:
    objects = made["CaptionList"].captions
    before = sys.getrefcount(objects[7])
    batch = [made["CaptionList"][index] for index in range(120)]
    held = sys.getrefcount(objects[7])  # outside an assert, where pytest would hold it, too
    assert held == before + 1
    assert batch[7] is objects[7]
    assert made["CaptionArray"][7] is not made["CaptionArray"][7]


def test_an_epoch_tells_the_size_and_the_reading_of_a_dataset(script, made) -> None:
    alone = script["epoch_of"](script["CaptionTensor"], 0)
    assert alone["size_mb"] == made["CaptionTensor"].megabytes()
    assert min(alone["read_us"]) > 0
    assert "uss_mb" not in alone
