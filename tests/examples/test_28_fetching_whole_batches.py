"""Fetching whole batches: every rung holds the same sprites, and delivers each of them once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from spritedocs.machine import NotHere

NAME = "28_fetching_whole_batches"
RUNGS = ("files", "bytes", "decoder", "packed", "getitems", "whole", "reused", "alone", "ceiling")


@pytest.fixture
def data(script: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name, number in (("COUNT", 24), ("BATCH", 8), ("LONG", 2)):
        monkeypatch.setitem(script["datasets"].__globals__, name, number)
    made: dict[str, Any] = script["datasets"](tmp_path)
    return made


def test_every_rung_has_a_title(script: dict[str, Any]) -> None:
    assert tuple(script["RUNGS"]) == RUNGS


@pytest.mark.parametrize(
    "rung",
    [pytest.param(each, marks=pytest.mark.peers) if each == "decoder" else each for each in RUNGS[:-1]],
)
def test_a_rung_delivers_the_same_sprites_in_the_same_order(
    script: dict[str, Any], data: dict[str, Any], rung: str
) -> None:
    seen = []
    for pixels, families in script["batches_of"](rung, data[rung]):
        seen += [(image.tolist(), int(family)) for image, family in zip(pixels, families, strict=True)]
    order = list(script["Shuffled"](len(seen) // 24, batches=False))
    expected = [(image.tolist(), family) for image, family in (data["files"][n] for n in order)]
    assert seen == expected


def test_a_buffer_is_used_again(data: dict[str, Any]) -> None:
    first, second = (data["reused"][torch.arange(8)][0] for _ in range(2))
    assert first.data_ptr() == second.data_ptr()
    assert data["whole"].buffer is None


def test_the_ceiling_copies_the_same_pixels(script: dict[str, Any], data: dict[str, Any]) -> None:
    copied = [pixels.clone() for [pixels] in script["batches_of"]("ceiling", data["ceiling"])]
    fetched = [pixels.clone() for pixels, _ in script["batches_of"]("alone", data["alone"])]
    assert torch.equal(torch.cat(copied), torch.cat(fetched))


@pytest.mark.parametrize("rung", ["reused", "alone", "ceiling"])
def test_helpers_have_neither_the_buffer_nor_the_ceiling(
    script: dict[str, Any], data: dict[str, Any], rung: str
) -> None:
    with pytest.raises(NotHere, match="share no buffer"):
        script["batches_of"](rung, data[rung], 2)


def test_without_opencv_its_rung_is_missing_with_a_remedy(
    script: dict[str, Any], data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(script["batches_of"].__globals__, "find_spec", lambda name: None)
    with pytest.raises(NotHere, match="pip install opencv-python-headless"):
        script["batches_of"]("decoder", data["decoder"])
