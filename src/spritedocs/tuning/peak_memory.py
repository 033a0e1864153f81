"""The most memory that a worker ever held for itself: what an item takes for a moment has to fit, too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psutil

from spritedocs.machine import memory_of, worker_pids

__all__ = ["peak_worker_memory_mb"]

PROC = Path("/proc")


def peak_worker_memory_mb(loader: Any) -> float | None:
    """The most that any of a loader's workers has held for itself, in MB (10⁶ bytes).

    Its USS, or RSS where the system does not tell that, and by how much its RSS was larger at its highest.
    Without that where the system does not tell the highest, as on macOS. ``None`` without workers, or if all
    have ended.
    """
    found = []
    for pid in worker_pids(loader):
        try:
            use = memory_of(pid)
        except ProcessLookupError:
            continue
        own_mb = use.rss_mb if use.uss_mb is None else use.uss_mb
        found.append(own_mb + max(0.0, (_highest_rss_mb(pid) or 0.0) - use.rss_mb))
    return max(found, default=None)


def _highest_rss_mb(pid: int) -> float | None:
    """Of the process ``pid``; of a forked one since it was forked. ``None`` where the system does not say."""
    try:
        status = (PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        try:
            highest = getattr(psutil.Process(pid).memory_info(), "peak_wset", None)  # of Windows
        except psutil.Error:
            return None
        return highest / 1e6 if highest else None
    found = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else None
