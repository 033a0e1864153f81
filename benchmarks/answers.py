"""What ``spritedocs tune`` answers, as a user who types the command would see it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from runs import PROJECT

import spritedocs.tuning  # noqa: F401 - the command that is run here uses all of it: so says the fingerprint
from spritedocs.report import Gap, Measurement


def answer(*arguments: str) -> tuple[dict[str, Any] | str, float]:
    """What the command answered, or its last line if it failed; and the seconds until it had ended."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "spritedocs", "tune", *arguments, "--json"],
        cwd=PROJECT.root,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begun
    if done.returncode:
        return (done.stderr.splitlines() or ["It failed without a word."])[-1], seconds
    found: dict[str, Any] = json.loads(done.stdout)
    return found, seconds


def value(name: str, median: float | None, interval: list[float] | None, unit: str) -> Measurement | Gap:
    """A value as the command told it: the samples stayed there."""
    if median is None:
        return Gap(name, "It promises no gain.")
    return Measurement(name, unit, median, (interval[0], interval[1]) if interval else None, (median,))
