"""What will bite a ``DataLoader`` on this machine, in plain words: what ``spritedocs doctor`` says.

``facts`` looks, ``limits``, ``costs`` and ``devices`` judge, each check by
itself: so what is said of another machine can be tried with facts that somebody typed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from spritedocs.doctor import costs, devices, limits
from spritedocs.doctor.facts import Facts, look
from spritedocs.doctor.findings import BITES, BREAKS, FINE, UNKNOWN, Finding

__all__ = ["CHECKS", "Facts", "Finding", "breaks", "examine", "look"]

CHECKS: tuple[Callable[[Facts], Finding | None], ...] = (
    limits.check_shared_memory,
    limits.check_temporary_folder,
    limits.check_open_files,
    limits.check_processes,
    costs.check_cores,
    costs.check_start_method,
    costs.check_threads,
    costs.check_worker_threads,
    devices.check_worker_memory,
    devices.check_page_cache,
    devices.check_disk,
    devices.check_gpu,
    devices.check_pinned_memory,
)
"""Every check, the one that stops most people first. Each makes one finding of ``Facts``."""

_ORDER = (BREAKS, BITES, UNKNOWN, FINE)


def examine(facts: Facts) -> tuple[Finding, ...]:
    """One finding for each check that applies: what breaks, then what bites, is unknown, and is fine.

    Examples:
        >>> from spritedocs.machine import Machine
        >>> held = Machine(logical_cores=64, usable_cores=2, quota_cores=2.0)
        >>> next(found.says for found in examine(Facts(machine=held)) if found.key == "cores")
        'os.cpu_count() says 64, but 2 cores may be used (a quota of 2); torch warns only above 1 worker.'
    """
    found = [finding for check in CHECKS if (finding := check(facts))]
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))


def breaks(findings: Iterable[Finding]) -> bool:
    """Whether an ordinary loader fails here."""
    return any(found.severity == BREAKS for found in findings)
