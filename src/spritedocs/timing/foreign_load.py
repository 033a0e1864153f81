"""Foreign load: what the processor does, during a measurement, for others than this process and its workers.

It is the busy time of the cores that this process may use, less what this process and its descendants
used, those that have ended included. Busy is what the kernel books as user, nice, system, interrupts
and *steal*: another tenant of the same hardware is foreign too. So is what the kernel does in threads
of its own, for us or for others, such as writing a cache back to a disk. In a container that has a quota
and no cores of its own, what other containers do on any core of the computer is foreign.

Known on Linux only. Windows keeps no account of children that have ended, and macOS none of the
children of a living child, as the workers of a fork server are: there, a worker's own time would be
taken for foreign load, so ``read`` says ``None``.

How exact it is. The kernel books the time of cores by sampling, and shows it in ticks of usually 10 ms;
the time of processes it knows to the microsecond. So on a quiet machine of 2 cores the load of a window
of 0.1 s comes out as 0 ± 0.1 of a core, that of 0.5 s as 0 ± 0.03. Each reading says how far it may be
off, and only what is beyond that counts as certain.

Sources: *proc_stat(5)*, *getrusage(2)*, *clock_getcpuclockid(3)*, and for the identifier that this
makes of a process, ``include/linux/posix-timers.h``.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

__all__ = ["DISTURBING_CORES", "Reading", "certain_cores", "cores", "read"]

DISTURBING_CORES = 0.2
"""Where more foreign load than this, in cores, is certain, a sample is taken again."""


class Reading(NamedTuple):
    """Counters at one moment: what matters is the difference of two readings."""

    at_s: float
    """When, in seconds."""
    foreign_s: float
    """Processor seconds that were not ours, up to then."""
    error_s: float = 0.0
    """By how much a difference of two such may be off."""


def read() -> Reading | None:
    """The counters now, or ``None`` where they are not known. Takes about a millisecond.

    A child that ends between two readings is not lost: its time moves to that of the ended children
    of the process that waited for it. One that outlives its parent takes all of its time along, so that the
    window in which its parent ends shows it as foreign load. ``None`` also in a container whose
    ``/proc/stat`` does not number the cores as the scheduler does.
    """
    if sys.platform != "linux":
        return None
    for _ in range(3):
        try:
            at_s, (busy_s, error_s) = time.perf_counter(), _busy_s()
            return Reading(at_s, busy_s - _own_s(), error_s)
        except (OSError, psutil.NoSuchProcess):
            continue  # a worker of a fork server ended meanwhile: its time has moved
    return None


def cores(windows: Sequence[tuple[Reading, Reading]]) -> float:
    """The mean foreign load of windows, each from one reading to another, in cores.

    Sampling may make it a little less than 0.

    Examples:
        >>> cores([(Reading(10.0, 3.0), Reading(12.0, 4.0)), (Reading(15.0, 7.0), Reading(17.0, 7.0))])
        0.25
    """
    seconds = sum(end.at_s - begin.at_s for begin, end in windows)
    return sum(end.foreign_s - begin.foreign_s for begin, end in windows) / seconds if seconds else 0.0


def certain_cores(windows: Sequence[tuple[Reading, Reading]]) -> float:
    """The foreign load that is certain, in cores: in one of the windows, or in all of them together.

    A window may be too short for its own load to be certain; that of a whole round is known better.

    Examples:
        >>> short = [(Reading(0, 0.0, 0.01), Reading(0.1, 0.03, 0.01))]
        >>> round(certain_cores(short), 3), round(certain_cores(short * 4), 3)
        (0.2, 0.275)
    """
    return max(_certain(some) for some in (windows, *([window] for window in windows)))


def _certain(windows: Sequence[tuple[Reading, Reading]]) -> float:
    seconds = sum(end.at_s - begin.at_s for begin, end in windows)
    error_s = max(end.error_s for _, end in windows)
    return max(0.0, cores(windows) - error_s / seconds) if seconds else 0.0


if sys.platform == "linux":
    import resource

    TICKS_PER_S = os.sysconf("SC_CLK_TCK")

    def _busy_s() -> tuple[float, float]:
        """Seconds for which the cores that we may use were busy, or kept from us; and how exact that is."""
        usable = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        ticks, found = 0, 0
        with Path("/proc/stat").open(encoding="ascii") as lines:
            for line in lines:
                name, *fields = line.split()
                if not name.startswith("cpu"):
                    break  # the cores stand first
                if name in usable:
                    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
                    found += 1
                    ticks += user + nice + system + irq + softirq + steal
        if not found:
            raise OSError("/proc/stat does not have the cores that this process may use")
        # Each core's counters are cut to whole ticks by themselves: their errors add up as random ones do.
        return ticks / TICKS_PER_S, math.sqrt(len(usable)) / TICKS_PER_S

    def _own_s() -> float:
        """Processor seconds of this process and of its descendants, the living and those that have ended."""
        own = psutil.Process()
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        total = time.process_time() + ended.ru_utime + ended.ru_stime
        for child in own.children(recursive=True):
            # The clock of a process: psutil's times of it are in ticks, which would blur a short window.
            total += time.clock_gettime(~child.pid << 3 | 2)
            ended_there = child.cpu_times()
            total += ended_there.children_user + ended_there.children_system
        return total
