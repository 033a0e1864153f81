"""How much memory is left, in this process's cgroup too: in a container the system tells the host's."""

from __future__ import annotations

import re
from pathlib import Path

import psutil

from spritedocs.machine.cgroups import ROOT, _cgroups, _numbers, text_of

__all__ = ["memory_left"]


def memory_left(root: Path = ROOT) -> int:
    """Bytes that may still be taken: what the system has, or less where a cgroup has a limit.

    Of a cgroup that is its limit without what it uses, but for files in the page cache that nobody reads
    just now, which it gives up first. Sources: ``memory.max``, ``memory.current`` and ``memory.stat`` in the
    kernel's *Control Group v2* documentation, and ``memory.limit_in_bytes``, ``memory.usage_in_bytes`` and
    ``memory.stat`` in that of version 1.
    """
    left = [psutil.virtual_memory().available]
    for group in _cgroups(root, "memory"):
        limits = _numbers(group, "memory.max") + _numbers(group, "memory.limit_in_bytes")
        used = sum(_numbers(group, "memory.current") or _numbers(group, "memory.usage_in_bytes"))
        if limits:
            stat = text_of(group / "memory.stat")
            cache = re.search(r"^(?:total_)?inactive_file (\d+)$", stat, re.MULTILINE)
            left.append(max(0, min(limits) - used + (int(cache[1]) if cache else 0)))
    return min(left)
