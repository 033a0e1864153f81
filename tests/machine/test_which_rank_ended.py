"""Ranks that ended: which of them was the first, and whether that was a mistake of its program."""

from __future__ import annotations

import errno
import signal

import pytest

from spritedocs.errors import ending
from spritedocs.machine import why_ranks_ended

REMEDY = "end other programs, and run it again"
KILLED = f"{ending(-9)}: {REMEDY}"


@pytest.mark.parametrize(
    ("statuses", "why"),
    [
        ({0: 1, 1: -9}, f"rank 1 {KILLED}"),  # 0 lost the other, and said so
        ({0: -9, 1: -15}, f"rank 0 {KILLED}"),  # 1 was ended because of the other
        ({0: -signal.SIGABRT, 1: -9}, f"rank 1 {KILLED}"),
        ({0: -signal.SIGSEGV, 1: 1}, f"rank 0 crashed (SIGSEGV): {REMEDY}"),
        ({0: 0xC0000005, 1: 1}, f"rank 0 crashed (0xC0000005): {REMEDY}"),
        (
            {0: errno.EADDRINUSE, 1: -15},
            "another program took the port that rank 0 was to listen on: run it again",
        ),
        ({0: 1, 1: -15}, ""),  # a mistake
        ({0: None, 1: 3}, ""),
        ({0: 0, 1: 0}, ""),
    ],
)
def test_the_rank_that_ended_the_others_is_named(statuses: dict[int, int | None], why: str) -> None:
    assert why_ranks_ended(statuses) == why
