"""Small files against one: all ways give the same sprites, and a cold epoch begins cold or is a gap."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader

from spritedocs.machine import NotHere
from spritedocs.sprites import draw_sprite, family_of

NAME = "14_slow_disks"


@pytest.fixture(scope="module")
def files(script: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    return script["write_all"](tmp_path_factory.mktemp("files"))


def test_every_way_holds_all_sprites(script, files) -> None:
    weights = {way: script["weigh"](os.path.getsize, found) for way, found in files.items()}
    assert {way: len(found) for way, found in files.items()} == {"png": 768, "blob": 1, "packed": 1}
    assert weights["png"] == weights["blob"] < weights["packed"] == 1024
    assert files["blob"][0].read_bytes() == b"".join(file.read_bytes() for file in files["png"])


@pytest.mark.parametrize("way", ["blob", "packed"])
def test_one_file_gives_the_sprites_as_drawn_by_batches(script, files, way: str) -> None:
    sizes = [file.stat().st_size for file in files["png"]] if way == "blob" else [1024] * 768
    decode = script["decoded" if way == "blob" else "as_pixels"]
    dataset = script["OneFile"](files[way][0], sizes, decode)
    assert len(dataset) == 768
    order = [3, 767, 0, 41]
    images, labels = next(iter(DataLoader(dataset, 4, sampler=order)))
    for image, index in zip(images, order, strict=True):
        assert (image.permute(1, 2, 0).numpy() == draw_sprite(index)).all()
    assert labels.tolist() == [family_of(n) for n in order]


def test_the_order_is_shuffled_and_complete(script) -> None:
    assert sorted(script["ORDER"]) == list(range(768)) != script["ORDER"]


def test_the_cache_is_warmed_or_dropped_before_an_epoch(script, files, monkeypatch) -> None:
    done: list[str] = []
    monkeypatch.setitem(script["STATES"], "cold", lambda files: done.append("dropped"))
    monkeypatch.setitem(script["epoch_s"].__globals__, "time_epoch", lambda loader: done.append("timed"))
    with pytest.raises(AttributeError):  # of the time of nothing
        script["epoch_s"]("cold", files["packed"], [])
    assert done == ["dropped", "timed"]


def test_where_nothing_can_be_dropped_there_is_no_cold_epoch(script, files, monkeypatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(NotHere, match="cold reads need Linux"):
        script["epoch_s"]("cold", files["packed"], [])


def test_it_measures_what_its_page_needs(values_of: Callable[[str], dict[str, Any]]) -> None:
    values = values_of(NAME)
    names = {f"us_{way}_warm_{n}" for way in ("png", "blob", "packed") for n in (0, 4)}
    assert set(values) >= names | {"png_over_blob_warm", "packed_speedup_4_warm", "png_over_decoding"}
    # Wide on purpose: nothing may depend on the disk, and decoding takes tens of times as long as copying.
    assert values["png_over_packed_warm"].median > 2
    assert values["content_bytes_packed"].median > 2 * values["content_bytes_png"].median
