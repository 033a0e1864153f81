"""Other loaders, same sprites: each delivers every sprite once, or its row says why it does not."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import LIMIT_S

from spritedocs.machine import NotHere, Outcome, program, run_program

NAME = "31_other_loaders"
OTHERS = [
    "dali",
    "datasets",
    "grain",
    "litdata",
    "nodes_processes",
    "nodes_threads",
    "opencv",
    "spdl_processes",
    "spdl_threads",
    "tensordict",
    "webdataset",
]
NOT_AMONG_THE_PEERS = {"dali": "nvidia", "litdata": "litdata"}
"""DALI has nearly a gigabyte, and litdata brings a torchvision that may not fit torch."""


@pytest.fixture(scope="module")
def loading() -> dict[str, Any]:
    """What the program defines."""
    path = program("other_loaders")
    found: dict[str, Any] = {"__name__": "other_loaders", "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), found)
    return found


@pytest.fixture
def folder(script: dict[str, Any], tmp_path: Path) -> Path:
    script["store"](tmp_path, 12 * 256)
    return tmp_path


def test_the_rows_are_the_loaders_of_the_program(script: dict[str, Any], loading: dict[str, Any]) -> None:
    assert script["LOADERS"].keys() == loading["LOADERS"].keys() == {"torch_again", *OTHERS}


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        ([], "30 of 30 sprites are missing"),
        ([range(29)], "1 of 30 sprites are missing"),
        ([range(30), [3]], "31 sprites came, of 30"),
        ([[*range(29), 3]], "1 of 30 sprites are missing"),
    ],
)
def test_a_loader_that_does_not_deliver_each_sprite_once_has_no_figure(
    loading: dict[str, Any], script: dict[str, Any], tmp_path: Path, batches: list[Any], said: str
) -> None:
    script["store"](tmp_path, 30)
    sprites = loading["Sprites"](tmp_path)
    given = [loading["a_batch"](sprites, indices) for indices in batches]
    with pytest.raises(ValueError, match=said):
        loading["order_of"](given, sprites)


def test_how_well_an_order_is_mixed(loading: dict[str, Any]) -> None:
    shuffled = np.random.default_rng(31).permutation(3000)
    assert 95 < loading["mixed_pct"](shuffled) < 105
    assert loading["mixed_pct"](range(3000)) < 1


@pytest.mark.parametrize(
    ("status", "text", "why"),
    [
        (None, "", "took over 90 s"),
        (1, "ValueError: 3 of 8192 sprites are missing", "ValueError: 3 of 8192 sprites are missing"),
        (0, "nothing", "printed no answer"),
    ],
)
def test_what_fails_is_told_in_its_row_and_the_rest_goes_on(
    script: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    status: int | None,
    text: str,
    why: str,
) -> None:
    outcome = Outcome(text, status, 1.0, "other_loaders.py")
    monkeypatch.setattr("spritedocs.machine.programs._run", lambda *_: outcome)
    assert why in script["beside_torch"]("grain", Path("nowhere"))["why"]


def test_the_lines_of_a_loader_are_those_that_it_needs_beside_the_sprites(loading: dict[str, Any]) -> None:
    lines = {
        name: loading["lines_of"](name) for name in ("torch_again", "datasets", "decoded_rows", "decoded")
    }
    assert lines["datasets"] == lines["torch_again"] + lines["decoded_rows"] + 6
    assert lines["decoded_rows"] == 2
    assert lines["decoded"] == 0


def test_torch_s_own_needs_nothing_else(folder: Path) -> None:
    _delivers("torch_again", folder)


@pytest.mark.peers
@pytest.mark.parametrize("name", OTHERS)
def test_each_loader_delivers_every_sprite_once(folder: Path, name: str) -> None:
    if (package := NOT_AMONG_THE_PEERS.get(name)) and not find_spec(package):
        pytest.skip(f"{name} is not among the peers")
    _delivers(name, folder)


def test_what_is_missing_is_named_as_pip_knows_it(script: dict[str, Any], tmp_path: Path) -> None:
    if find_spec("nvidia"):
        pytest.skip("DALI is installed")
    script["store"](tmp_path, 30)
    with pytest.raises(NotHere, match="pip install nvidia-dali-cuda120"):
        assert run_program("other_loaders", arguments=("dali", str(tmp_path), "1"), limit_s=LIMIT_S).answer


def _delivers(name: str, folder: Path) -> None:
    found = run_program("other_loaders", arguments=(name, str(folder), "1"), limit_s=LIMIT_S).answer
    assert re.fullmatch(r"[a-z0-9-]+ \d+\.\d+.*", found["package"])
    assert found["alone"]["mixed_pct"] > (10 if name == "litdata" else 20)  # it mixes an eighth at a time
    assert len(found["arms"]["torch"]) == len(found["arms"]["other"]) == 1
