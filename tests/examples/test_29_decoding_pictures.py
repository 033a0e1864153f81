"""Decoding pictures: all ways lead to the same picture, and what is missing is left out with a remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from spritedocs.machine import NotHere

NAME = "29_decoding_pictures"
WAYS = [
    pytest.param(way, marks=pytest.mark.peers) if way in {"opencv", "halved"} else way
    for way in ("pillow", "draft", "opencv", "halved", "small", "pixels")
]


@pytest.fixture
def folder(script: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(script["store"].__globals__, "COUNT", 3)
    script["store"](tmp_path)
    return tmp_path


def test_each_way_has_a_title(script: dict[str, Any]) -> None:
    assert script["WAYS"].keys() == script["OPEN"].keys()


@pytest.mark.parametrize("way", WAYS)
def test_each_way_leads_to_the_same_picture(script: dict[str, Any], folder: Path, way: str) -> None:
    pictures = []
    for each in ("pillow", way):
        torch.manual_seed(3)
        (batch,) = script["make_loader"](folder, each, 0)
        assert batch.shape == (3, 3, 224, 224)
        assert 0 <= batch.min() <= batch.max() <= 1
        pictures.append(torch.nn.functional.avg_pool2d(batch, 28))  # what the noise leaves
    torch.testing.assert_close(*pictures, atol=0.12, rtol=0)


@pytest.mark.parametrize(
    ("way", "size"), [("pillow", (1000, 750)), ("draft", (500, 375)), ("small", (340, 255))]
)
def test_no_more_is_decoded_than_asked_for(
    script: dict[str, Any], folder: Path, way: str, size: tuple[int, int]
) -> None:
    picture = script["OPEN"][way](folder, 0)
    assert isinstance(picture, Image.Image)
    assert picture.size == size


@pytest.mark.parametrize("way", ["opencv", "halved"])
def test_without_opencv_its_ways_are_missing_with_a_remedy(
    script: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setitem(script["make_loader"].__globals__, "find_spec", lambda name: None)
    with pytest.raises(NotHere, match="pip install opencv"):
        script["make_loader"](folder, way, 0)
