"""How many processes can compute at the same time here, and how Python starts them.

A container often sees more cores than it may use: ``usable_cores`` asks the scheduler's affinity mask *and*
the cgroup's quota.
"""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import psutil

from spritedocs.machine.cgroups import ROOT, quota_cores

__all__ = ["affinity_cores", "start_method", "usable_cores"]


def usable_cores(root: Path = ROOT) -> int:
    """How many processes can compute at the same time here: at least 1. Does not import torch.

    The smallest of the affinity mask, ``os.process_cpu_count()`` (Python 3.13 on) and the cgroup's
    quota, rounded down: a worker that gets half a core is late half of the time.
    """
    process_cpu_count = getattr(os, "process_cpu_count", os.cpu_count)
    limits = [affinity_cores(), process_cpu_count(), quota_cores(root)]
    return max(1, int(min((limit for limit in limits if limit is not None), default=1)))


def start_method() -> str:
    """How Python starts workers in this process: fork, forkserver or spawn."""
    # Without allow_none the answer would settle the matter: set_start_method() raises from then on.
    return multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]


def affinity_cores() -> int | None:
    """Cores that this process may be scheduled on; ``None`` where the system does not say."""
    # macOS has no affinity, and psutil no such method there.
    cpu_affinity = getattr(psutil.Process(), "cpu_affinity", None)
    return len(cpu_affinity()) if cpu_affinity else None
