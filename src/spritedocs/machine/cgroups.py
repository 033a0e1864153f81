"""What this process's cgroup allows: cores, memory, and processes. A container's limits are such."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ROOT", "memory_limit", "quota_cores", "tasks_limit", "text_of"]

ROOT = Path("/")  # Tests have a tree of their own.


def quota_cores(root: Path = ROOT) -> float | None:
    """The CPU time that the cgroup allows, in cores; ``None`` for no limit, or no cgroups.

    The smallest along the path from this process's group up, as limits of outer groups hold for
    inner ones. Sources: ``cpu.max`` in the kernel's *Control Group v2* documentation, and
    ``cpu.cfs_quota_us`` in its *CFS Bandwidth Control* documentation for version 1.
    """
    quotas = []
    for group in _cgroups(root, "cpu"):
        numbers = _numbers(group, "cpu.max") or _numbers(group, "cpu.cfs_quota_us", "cpu.cfs_period_us")
        if len(numbers) == 2 and all(numbers):
            quotas.append(numbers[0] / numbers[1])
    return min(quotas, default=None)


def memory_limit(root: Path = ROOT) -> int | None:
    """The memory that the cgroup allows, in bytes; ``None`` for no limit, or no cgroups."""
    groups = _cgroups(root, "memory")
    limits = [_numbers(group, "memory.max") + _numbers(group, "memory.limit_in_bytes") for group in groups]
    return min(itertools.chain(*limits), default=None)


def tasks_limit(root: Path = ROOT) -> tuple[int, int] | None:
    """The processes and threads that the cgroup allows, and those that it has; ``None`` for no limit.

    Of the group with room for the fewest more along the path from this process's group up. Source:
    ``pids.max`` and ``pids.current`` in the kernel's *Process Number Controller* documentation; both
    versions of cgroups have them.
    """
    limits = []
    for group in _cgroups(root, "pids"):
        if most := _numbers(group, "pids.max"):
            limits.append((most[0], sum(_numbers(group, "pids.current"))))
    return min(limits, key=lambda limit: limit[0] - limit[1], default=None)


def _cgroups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's groups, innermost first, for one controller.

    A container sees its own group mounted as the top, under the path that the host knows: then the
    inner folders do not exist, and the top is the one that counts.
    """
    for line in text_of(root / "proc/self/cgroup").splitlines():
        hierarchy, controllers, path = [*line.split(":", 2), "", ""][:3]
        if hierarchy == "0" and not controllers:
            mounts = ["", "unified"]
        elif controller in controllers.split(","):
            mounts = [controllers, controller]
        else:
            continue
        inner = Path(path.strip("/"))
        for mount, group in itertools.product(mounts, (inner, *inner.parents)):
            yield root / "sys/fs/cgroup" / mount / group


def text_of(path: Path) -> str:
    """The text of a file of the kernel's, ``""`` where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _numbers(group: Path, *names: str) -> list[int]:
    """The whole numbers in a group's files: neither ``max`` nor -1, which both mean no limit."""
    words = [word for name in names for word in text_of(group / name).split()]
    return [int(word) for word in words if word.isdigit()]
