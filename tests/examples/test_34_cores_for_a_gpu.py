"""Cores for a GPU: what is computed from one core's time is as a reader would compute it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from spritedocs.report import Measurement

NAME = "34_cores_for_a_gpu"


def test_each_photograph_becomes_what_the_model_takes(script: dict[str, Any]) -> None:
    for size, _ in script["STORED"].values():
        files = script["photographs"](size)
        assert {Image.open(file).size for file in files} == {size}
        assert {script["prepared"](file).nbytes for file in files} == {script["PIXELS"]}


def test_a_core_is_timed_for_one_photograph(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([1.0, 1.5])
    monkeypatch.setitem(script["one_core"].__globals__, "process_time", lambda: next(ticks))
    files = script["photographs"]((340, 255))
    taken = script["one_core"](files)
    assert taken["core_ms"] == 500 / len(files)
    assert taken["stored_kb"] == pytest.approx(len(b"".join(f.getvalue() for f in files)) / len(files) / 1000)


def test_it_computes_what_the_page_says(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    measured = values_of(NAME)
    values = {name: value.median for name, value in measured.items()}
    for stored in ("large", "small"):
        core_s, kilobytes = values[f"core_ms_{stored}"] / 1000, values[f"stored_{stored}"]
        for gpus in (1, 8, 64, 1024):
            assert values[f"cores_{stored}_{gpus}"] == pytest.approx(gpus * 1000 * core_s)
            assert values[f"read_{stored}_{gpus}"] == pytest.approx(gpus * 1000 * kilobytes / 1e6)
        # Round by round: of quotients the median is not quite the quotient of medians.
        fed = [128 / core_ms for core_ms in measured[f"core_ms_{stored}"].samples]
        assert measured[f"gpus_cores_{stored}"].samples == pytest.approx(fed)
        for wall, bytes_per_s in (("wide", 100e9 / 8), ("narrow", 25e9 / 8), ("disk", 7e9)):
            assert values[f"gpus_{wall}_{stored}"] == pytest.approx(bytes_per_s / (1000 * 1000 * kilobytes))
        # Where cores suffice, only the last digits differ.
        waits = [round(values[f"wait_{stored}_{cores}"], 6) for cores in (1, 2, 4, 8, 16)]
        assert waits == sorted(waits, reverse=True)
        # A core that is busy all the time lets a GPU train for as long as it takes to use that up.
        assert waits[0] == pytest.approx(100 * (1 - 0.001 / core_s), abs=2)
