"""The search for bad files: what is planted is bad, and each wrapper says of it what the story says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import UnidentifiedImageError

from spritedocs.report import Measurement

NAME = "18_one_bad_file"


@pytest.fixture(scope="module")
def sprites(script, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("sprites")
    return script["spoilt_sprites"](folder)


def test_three_files_are_bad_and_the_others_are_sprites(script, sprites) -> None:
    cut, empty, page = script["BAD"]
    assert len(sprites) == 2000
    assert (sprites[0].shape, sprites[0].dtype) == ((16, 16, 4), torch.uint8)
    assert not torch.equal(sprites[1], sprites[0])
    with pytest.raises(OSError, match="truncated"):
        sprites[cut]
    for index in (empty, page):
        with pytest.raises(UnidentifiedImageError):
            sprites[index]


def test_the_wrapper_names_the_item_and_keeps_the_cause(script, sprites) -> None:
    wrapped = script["Named"](sprites)
    assert torch.equal(wrapped[3], sprites[3])
    with pytest.raises(RuntimeError, match="item 1234") as error:
        wrapped[1234]
    assert isinstance(error.value.__cause__, OSError)


def test_a_scan_returns_errors_and_none_stands_for_them(script, sprites) -> None:
    scanned, missing = script["Scanned"](sprites), script["OrNone"](sprites)
    assert [scanned[index] for index in (3, 1234)] == [(3, ""), (1234, "OSError")]
    assert [missing[index] is None for index in (1233, 1234, 1500, 1777)] == [False, True, True, True]
    batch = script["without_none"]([missing[index] for index in (1233, 1234, 1235)])
    assert batch.shape == (2, 16, 16, 4)
    with pytest.raises((IndexError, RuntimeError, TypeError)):
        script["without_none"]([None])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("item 1234", [1234]),
        ("001500.png and 1777", [1500, 1777]),
        ('File "x.py", line 1234, in f', []),
        ("0x1234, a1234, 12345", []),
    ],
)
def test_an_index_is_a_number_that_counts_no_lines(script, text: str, found: list[int]) -> None:
    assert script["named_in"](text) == found


def test_it_measures_what_the_page_says(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = {name: value.median for name, value in values_of(NAME).items()}
    assert values["bad_files_named_bare"] == 0
    assert values["bad_index_found"] == 1234
    assert values["bad_files_scanned_out"] == values["bad_files_planted"] == 3
    assert (values["items_scanned"], values["items_kept"]) == (2000, 1997)
    assert values["none_messages"] >= 2
    assert 0 < values["batches_after_error"] < 40
