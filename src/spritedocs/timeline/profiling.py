"""What ``torch.profiler`` says of a piece of code, without what its tracer says of itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from torch.profiler import ProfilerActivity, profile

__all__ = ["ProfilerRow", "profiled"]

T = TypeVar("T")


class ProfilerRow(NamedTuple):
    """A line of ``key_averages()``, of this process's processor time line."""

    name: str
    calls: int
    total_s: float
    """*CPU total*: seconds from the beginning to the end of each call, added up."""
    self_s: float
    """*Self CPU*: what of that was spent outside of other rows."""


def profiled(run: Callable[[], T]) -> tuple[T, list[ProfilerRow]]:
    """What ``run`` returns, and the rows that ``torch.profiler`` has of it, on the processor alone.

    Whatever ``run`` raises passes through.

    Examples:
        >>> import torch
        >>> result, rows = profiled(lambda: torch.ones(2).sum().item())
        >>> result, [row.calls for row in rows if row.name == "aten::sum"]
        (2.0, [1])
    """
    with _without_tracer_messages():
        profiler = profile(activities=[ProfilerActivity.CPU], acc_events=True)
        profiler.start()
    try:
        result = run()
    finally:
        with _without_tracer_messages():
            profiler.stop()
    found = profiler.key_averages()
    return result, [
        ProfilerRow(row.key, row.count, row.cpu_time_total / 1e6, row.self_cpu_time_total / 1e6)
        for row in found
    ]


@contextmanager
def _without_tracer_messages() -> Iterator[None]:
    """The tracer of torch 2.13 says on standard error that it begins and ends, past Python's own."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
