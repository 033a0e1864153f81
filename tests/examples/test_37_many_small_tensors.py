"""Many small tensors: each kind ends with the same columns, and taking a batch apart copies nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

NAME = "37_many_small_tensors"


@pytest.mark.parametrize("kind", ["many", "one", "whole"])
def test_each_kind_delivers_the_same_columns(script: dict[str, Any], kind: str) -> None:
    batch = next(iter(script["Columns"](script["KINDS"][kind][0], 0)))
    assert list(batch) == script["NAMES"]
    rows = (batch["column_0"][:, 0] / 256).long()
    assert len(rows.unique()) == 64
    assert torch.equal(torch.cat(list(batch.values()), dim=-1), script["TABLE"][rows])


def test_all_rows_of_an_epoch_come_as_often_as_the_kind_says(script: dict[str, Any]) -> None:
    for kind, times in (("one", 8), ("whole", 8)):
        loader = script["Columns"](script["KINDS"][kind][0], 0)
        seen = torch.cat([batch["column_31"][:, -1] for batch in loader])
        rows, counts = seen.unique(return_counts=True)
        assert len(rows) == 8192
        assert set(counts.tolist()) == {times}


def test_taking_a_batch_apart_copies_nothing(script: dict[str, Any]) -> None:
    batch = torch.zeros(4, 256)
    parts = script["apart"](batch)
    assert len(parts) == 32
    assert {part.untyped_storage().data_ptr() for part in parts.values()} == {
        batch.untyped_storage().data_ptr()
    }
