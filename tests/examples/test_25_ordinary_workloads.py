"""Ordinary workloads: what an item of each is, and which number of helpers is enough."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from spritedocs.machine import NotHere
from spritedocs.report import Gap, Measurement

NAME = "25_ordinary_workloads"


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("pictures", (3, 224, 224)),
        ("audio", (201, 101)),
        ("text", None),
        pytest.param("rows", (20,), marks=pytest.mark.peers),
    ],
)
def test_an_item_is_what_a_model_takes(
    script: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, shape: Any
) -> None:
    if kind in ("pictures", "audio"):  # a few files will do
        monkeypatch.setitem(script["make_loader"].__globals__, "range", lambda count: range(min(count, 16)))
    dataset = script["KINDS"][kind](tmp_path)
    item = dataset[0]
    assert shape is None or item.shape == shape
    assert bool(torch.isfinite(item).all())
    batches = list(script["make_loader"](lambda: dataset, 0))
    assert sum(map(len, batches)) == len(dataset)


def test_text_is_numbered_by_its_words_and_padded(script: dict[str, Any], tmp_path: Path) -> None:
    text = script["Text"](tmp_path)
    text.items = ["Word3 word7, word9999", "word1"]
    assert [text[index].tolist() for index in (0, 1)] == [[3, 7, 0, 0], [1]]
    (batch,) = script["make_loader"](lambda: text, 0)
    assert sorted(batch.tolist()) == [[1, 0, 0, 0], [3, 7, 0, 0]]


@pytest.mark.peers
def test_rows_of_all_groups_are_read(script: dict[str, Any], tmp_path: Path) -> None:
    rows = script["Rows"](tmp_path)
    assert len({tuple(rows[index].tolist()) for index in range(len(rows))}) == len(rows)


def test_without_pyarrow_rows_are_missing_with_a_remedy(
    script: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(script["make_loader"].__globals__, "find_spec", lambda name: None)
    with pytest.raises(NotHere, match="pip install pyarrow"):
        script["Rows"](tmp_path)


@pytest.mark.parametrize(
    ("gains", "number"),
    [((0.7, 0.9, 0.8), 0), ((0.8, 1.5, 1.6), 4), ((0.8, 1.58, 1.6), 2), ((1.6, 1.5, 1.4), 1)],
)
def test_the_smallest_number_that_may_be_as_fast_is_enough(
    script: dict[str, Any], gains: tuple[float, ...], number: int
) -> None:
    def gain(ratio: float) -> Measurement:
        return Measurement.of("gain", [ratio * (1 + 0.001 * k) for k in range(6)], "×")

    found = {n: gain(ratio) for n, ratio in zip((1, 2, 4), gains, strict=True)}
    enough: Callable[[Any], int] = script["enough"]
    assert enough(found) == number


def test_of_what_is_missing_no_number_is_enough(script: dict[str, Any]) -> None:
    with pytest.raises(NotHere, match="pip install pyarrow"):
        script["enough"]({1: Gap("rows_speedup_1", "Rows need pyarrow: pip install pyarrow.")})
