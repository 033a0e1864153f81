"""Feeding from other machines: each sprite comes once, or the rows say why nothing was measured."""

from __future__ import annotations

import runpy
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from running import LIMIT_S

from spritedocs.machine import Outcome, program, run_program
from spritedocs.report import Gap, Measurement
from spritedocs.sprites import family_of, write_png_folder

NAME = "33_feeding_from_other_machines"
COUNTED = ("once", "twice", "never")


@pytest.fixture(scope="module")
def loading() -> dict[str, Any]:
    """What the program defines."""
    return runpy.run_path(str(program("two_nodes")))


@pytest.fixture
def sprites(loading: dict[str, Any], tmp_path: Path) -> Any:
    return loading["Sprites"](write_png_folder(tmp_path / "sprites", 12, loading["SIZE"]))


def batches_of(sprites: Any, numbers: list[list[int]]) -> list[dict[str, torch.Tensor]]:
    return [{"sprite": torch.stack([torch.tensor(sprites[n]["sprite"]) for n in each])} for each in numbers]


def tallied(loading: dict[str, Any], sprites: Any, numbers: list[list[int]], folder: Path) -> dict[str, Any]:
    due = {*loading["sums"](batches_of(sprites, [[*range(len(sprites))]])[0]["sprite"])}
    assert len(due) == len(sprites)
    counted: dict[str, Any] = loading["tally"](
        batches_of(sprites, numbers), due, lambda batch: None, folder / "notes"
    )
    return counted


def test_each_sprite_has_its_family_and_pixels_of_its_own(loading: dict[str, Any], sprites: Any) -> None:
    assert [each["family"] for each in sprites] == [family_of(number) for number in range(12)]
    again = loading["Sprites"](sprites.files[0].parent)
    assert all((one["sprite"] == two["sprite"]).all() for one, two in zip(sprites, again, strict=True))


@pytest.mark.parametrize(
    ("numbers", "counted"),
    [
        ([[*range(6)], [*range(6, 12)]], [12, 0, 0]),
        ([[*range(6)], [*range(5, 12)]], [11, 1, 0]),
        ([[*range(5)], [*range(6, 12)]], [11, 0, 1]),
    ],
)
def test_what_comes_twice_or_never_is_counted(
    loading: dict[str, Any], sprites: Any, tmp_path: Path, numbers: list[list[int]], counted: list[int]
) -> None:
    found = tallied(loading, sprites, numbers, tmp_path)
    assert [found[name] for name in COUNTED] == counted


def test_a_sprite_that_there_is_not_is_no_sprite(
    loading: dict[str, Any], sprites: Any, tmp_path: Path
) -> None:
    batches = batches_of(sprites, [[0], [1]])
    batches[1]["sprite"] += 1
    with pytest.raises(ValueError, match="1 sprites came that there are not"):
        loading["tally"](
            batches,
            {*loading["sums"](batches[0]["sprite"])},
            lambda batch: None,
            tmp_path / "notes",
        )


@pytest.mark.parametrize(
    ("status", "text", "why"),
    [
        (None, "", "two_nodes.py took over 240 s"),
        (1, "OSError: AF_UNIX path length cannot exceed 107 bytes", "OSError: AF_UNIX path length"),
        (
            1,
            '  File "two_nodes.py", line 9, in <module>\n'
            "NotImplementedError: Ray joins several nodes on Linux only",
            "cannot do that here: Ray joins several nodes on Linux only.",
        ),
    ],
)
def test_what_fails_is_told_in_every_row(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch, status: int | None, text: str, why: str
) -> None:
    monkeypatch.setitem(script["two_nodes"].__globals__, "find_spec", lambda name: name)
    monkeypatch.setattr(
        "spritedocs.machine.programs._run", lambda *_: Outcome(text, status, 1.0, "two_nodes.py")
    )
    _missing(script, why)


def test_without_ray_every_row_has_the_remedy(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(script["two_nodes"].__globals__, "find_spec", lambda name: None)
    _missing(script, 'pip install "ray[data,train]"')


def _missing(script: dict[str, Any], why: str) -> None:
    found = script["two_nodes"]()
    for part, name in (("turns", "ray_over_torch"), ("epochs", "once_death")):
        values = found.part(part)
        gap = (
            values.ratio(name, "ray", "torch", "items_per_s")
            if part == "turns"
            else values.value(name, "death", "once")
        )
        assert isinstance(gap, Gap)
        assert why in gap.reason


@pytest.fixture
def taken_ports() -> Iterator[None]:
    """Others have the ports that Ray has a number for: of its cluster, its dashboard, clients and agents."""
    with ExitStack() as stack:
        for port in (6379, 8265, 10001, 52365):
            with suppress(OSError):  # it is taken already
                stack.enter_context(socket.create_server(("", port)))
        yield


@pytest.mark.peers
@pytest.mark.usefixtures("taken_ports")
def test_two_nodes_deliver_every_sprite_once_and_one_of_them_too(loading: dict[str, Any]) -> None:
    found = run_program("two_nodes", arguments=("1",), limit_s=LIMIT_S).answer
    assert [len(found["turns"][name]) for name in ("torch", "ray")] == [1, 1]
    for name in ("torch", "ray", "death"):
        [counted] = found["epochs"][name]
        assert [counted[each] for each in COUNTED] == [loading["COUNT"], 0, 0]
    [ray], [death] = found["epochs"]["ray"], found["epochs"]["death"]
    assert ray["made"] == death["made"] == loading["COUNT"] // loading["BATCH"]


def test_it_measures_what_the_page_says(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = values_of(NAME)
    if "once_death" in values:  # where Ray is installed
        assert {values[f"once_{name}"].median for name in ("torch", "ray", "death")} == {3072}
        assert values["again_ray"].median == 0
