"""The time of an accelerator's work, on the host's clock.

An accelerator works through its stream while the host runs ahead, so a host clock around a call
times the launch. CUDA events are stamped by the device, as the stream reaches them, on a clock of its
own that has another zero and another rate. Two anchors put it on the host's: stamps that the host
waited for, so that it knows between which two readings of its clock each was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, Protocol

import torch

__all__ = ["Accelerator", "Anchor", "Cuda", "Stamp", "accelerator", "anchor", "host_times"]

_ANCHORINGS = 8


class Stamp(Protocol):
    """A point in a stream, as ``torch.cuda.Event`` is one."""

    def synchronize(self) -> None:
        """Wait until the stream has reached it."""

    def elapsed_time(self, later: Any, /) -> float:
        """Milliseconds from this stamp to ``later``, both reached."""


class Accelerator(Protocol):
    """What tracing needs of a device."""

    def stamp(self) -> Stamp:
        """A stamp behind all that was launched on the current stream."""

    def synchronize(self) -> None:
        """Wait until the device has nothing left to do."""


class Cuda:
    """A CUDA device (an NVIDIA GPU, or an AMD one with ROCm)."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def stamp(self) -> Stamp:
        """See ``Accelerator.stamp``."""
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def synchronize(self) -> None:
        """See ``Accelerator.synchronize``."""
        torch.cuda.synchronize(self.device)


def accelerator(device: str | torch.device) -> tuple[str, Accelerator | None]:
    """The name of ``device`` with its index, such as ``"cuda:0"``, and what stamps there; none on the CPU.

    Raises ``ValueError`` for a kind of device that cannot be traced, or one that is not there.
    """
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device is {device!r}, which torch does not know: {error}") from None
    if wanted.type == "cpu":
        return "cpu", None
    if wanted.type != "cuda":
        raise ValueError(f"device is {str(device)!r}, and only 'cpu' and 'cuda' can be traced")
    if not torch.cuda.is_available() or (wanted.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device is {str(device)!r}, but torch finds {torch.cuda.device_count()} such devices, "
            "numbered from 0"
        )
    index = torch.cuda.current_device() if wanted.index is None else wanted.index
    return f"cuda:{index}", Cuda(torch.device("cuda", index))


class Anchor(NamedTuple):
    """A stamp, and the host's time: it was made within ``bracket_s`` / 2 of ``host_s``."""

    stamp: Stamp
    host_s: float
    bracket_s: float


def anchor(device: Accelerator, clock: Callable[[], float]) -> Anchor:
    """The tightest of several anchors, made while the device has nothing else to do."""
    device.synchronize()
    found = []
    for _ in range(_ANCHORINGS):
        before = clock()
        stamp = device.stamp()
        stamp.synchronize()
        after = clock()
        found.append(Anchor(stamp, (before + after) / 2, after - before))
    return min(found, key=lambda candidate: candidate.bracket_s)


def host_times(first: Anchor, stamps: Sequence[Stamp], last: Anchor) -> list[float]:
    """When each stamp was made, in seconds of the host's clock.

    ``stamps`` are of one stream, in its order, made between the two anchors. Between these time is
    taken to run evenly, which takes out a difference in rate; a stamp's time is then off by no more
    than half the wider bracket.
    """
    # From each to the next: CUDA gives milliseconds as float32, which over a minute is off by
    # microseconds, as long as a small copy takes.
    steps = [early.elapsed_time(late) for early, late in pairwise([first.stamp, *stamps, last.stamp])]
    *reached, whole = accumulate(steps)
    pace = (last.host_s - first.host_s) / whole if whole else 0.0
    return [first.host_s + pace * milliseconds for milliseconds in reached]
