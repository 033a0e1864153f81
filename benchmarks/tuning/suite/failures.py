"""What fails in `tune_suite` does not end its run: it is said where the result would stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from suite.scores import Pick

from spritedocs.recordings import private_in

LONGEST = 200
"""Characters."""


def attempted(choose: Callable[[], Pick]) -> Pick:
    """What ``choose`` picks, or no pick that says why."""
    begun = time.perf_counter()
    try:
        return choose()
    except Exception as error:  # noqa: BLE001 - a row of the table says so
        return Pick(None, time.perf_counter() - begun, said(error))


def said(error: Exception) -> str:
    """An error as a table shows it: in one line, not too long, and without names of this machine."""
    kind = type(error).__name__
    text = f"{kind}: {' '.join(str(error).split())}"[:LONGEST]
    return kind if private_in({"cells": [{"outputs": [text]}]}) else text


@contextmanager
def noted(failures: list[str], what: str) -> Iterator[None]:
    """Whatever fails inside does not end the run: ``failures`` say that ``what`` did, and how."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a row of the table says so
        failures.append(f"{what}: {said(error)}")
