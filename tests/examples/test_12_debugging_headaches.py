"""The debugging example: the programs fail as told, and what they print names the lines that were planted."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest
from running import LIMIT_S
from tiny import Traces

from spritedocs.machine import program, run_program, run_script
from spritedocs.report import Measurement

NAME = "12_debugging_headaches"

CRASHES = ("crashes while the loop waits", "crashes while the loop trains")


def test_an_exception_comes_at_its_batch_with_and_without_helpers() -> None:
    parts = run_program("cursed", limit_s=LIMIT_S).parts
    assert list(parts) == ["0 helpers", "2 helpers"]
    for part in parts.values():
        # Not by lines: a helper may print into one.
        assert part.text.count("trained on batch ") == 45 // 8
        assert part.error == "ValueError: sprite 45 is cursed"
        assert part.frames[-1].function == "__getitem__"
    assert "Caught ValueError in DataLoader worker process 1." in parts["2 helpers"].text


def test_steps_are_the_lines_that_tell_of_one(script) -> None:
    said = "trained on batch 0\nsprite 45 strikes\ntrained on batch 1\nTraceback (most recent call last):\n"
    assert script["steps"](said) == 2


def test_a_hang_is_found_by_its_line_and_nothing_of_it_stays(script, traces: Traces) -> None:
    outcome = run_program("locked", limit_s=LIMIT_S)
    inside, outside = outcome.parts.values()
    assert outcome.status == 0
    assert inside.text.count("trained on batch ") == 1
    assert "DataLoader timed out after" in inside.error
    planted = script["line_of"]("locked", "DOOR.acquire")
    # The other helper may be seen at another line of it, where it waits for a core.
    assert planted in [frame.line for frame in inside.frames if frame.function == "__getitem__"]
    seen = [frame.line for frame in outside.frames if frame.function == "__getitem__"]
    assert planted in seen or not seen  # py-spy may not be installed, or not be allowed to look
    assert traces.processes() == []
    assert traces.files() == []


@pytest.mark.skipif(os.name == "nt", reason="there ctypes turns the crash into an exception")
def test_a_crash_shows_its_line_only_if_faulthandler_is_enabled_in_the_worker(script) -> None:
    """As the page says, ``python -X faulthandler`` is not enough."""
    source = program("fallen").read_text(encoding="utf-8")
    text = re.sub(r"ways = \[\(killed.*", "ways = [(crashes, 0), (crashes, 0.01)]", source)
    for old, new in {
        "import torch\n": "import torch\nfaulthandler.enable()\n",
        "def watch(worker_id):\n": "def watch(worker_id):\n    if STEPS[-1]:\n        return\n",
        "        try:\n": "        STEPS = [step_s]\n        try:\n",
    }.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    parts = run_script(text, limit_s=LIMIT_S).parts
    for name, is_enabled_there in zip(CRASHES, (True, False), strict=True):
        assert "DataLoader worker" in parts[name].text
        seen = [frame for frame in parts[name].frames if frame.function == "crashes"]
        assert bool(seen) is is_enabled_there


def test_a_cause_is_a_signal_or_an_exit_code(script) -> None:
    found = [
        script["cause_in"](f"worker (pid 12) {told}. ")
        for told in (
            "is killed by signal: Segmentation fault",
            "gone with exit code 3",
            "exited unexpectedly",
        )
    ]
    assert found == ["killed by signal: Segmentation fault", "exit code 3", "not named"]


def test_it_measures_what_the_page_says(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = {name: value.median for name, value in values_of(NAME).items()}
    assert values["batches_before_error_0"] == values["batches_before_error_2"] == 45 // 8
    assert values["batches_trained_meanwhile_0"] == 0
    assert 0 < values["batches_trained_meanwhile_2"] <= 5
    assert values["traceback_lines_0"] < values["traceback_lines_2"] < 100
    assert values["causes_in_last_line"] < values["deaths"]
    assert values["deaths_pointing_into_the_dataset"] == 0
    assert values["hang_line"] == values["hang_line_planted"]
