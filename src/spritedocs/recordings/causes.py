"""Why two machines' figures may differ: guesses, from what their recordings' provenance says and no more.

A cause is named only where the two provenances differ in it *and* values differ that depend on it. What
a value depends on is read from its name and its unit. Most examples number their values by workers; one
that numbers them by something else is named here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from spritedocs.machine import GpuLoad, Machine

__all__ = ["Cause", "Difference", "differences", "is_count_unit", "likely"]

_NAMED = re.compile(r"fork|spawn|preload")
"""A start method in its name, which was then chosen for it, whatever is usual on that machine."""
_STARTED = re.compile(r"startup|first_(?:batch|epoch)|growth|uss|private|unique")
_ACCELERATED = re.compile(
    r"(?:^|_)(?:gpu|cuda|device|accelerator|copy|pin(?:ned)?|bandwidth|stream|overlap|utili[sz]ation|headroom"
    r"|train(?:ing)?|compute)(?=_|$)"
)
_HELPED = re.compile(r"workers|helpers|cores|cpu_count|speedup|handover|break_even|price")
_WORKERS = re.compile(r"(?<!_of)_(\d+)(?=_|$)(?!_(?:[mµun]?s|mb|gb|px)(?:_|$))")
"""A number that is no quantity, as in ``with_30_us``, and says no share or origin, as in ``of_5_percent``."""
_NUMBERED_OTHERWISE = (
    "10_memory_goblins",
    "15_handing_batches_to_the_gpu",
    "20_told_ahead_of_time",
    "21_how_a_batch_changes_hands",
    "34_cores_for_a_gpu",
    "36_a_loaders_own_work",
)
"""Examples whose numbers are not of workers, but shares, megabytes, prefetch factors, batch sizes, GPUs."""
_STORED = re.compile(r"cold|warm|disk|cache|rss|uss|pss|_mb|memory")
_TIMED = re.compile(r"[mµn]?s|.*/s")
_MOST_NAMES = 3


class Difference(NamedTuple):
    """One thing that two provenances differ in."""

    what: str
    """Its name in a sentence: ``"the start method"``."""
    yours: str
    published: str


class Cause(NamedTuple):
    """A likely cause, with the values that point to it."""

    about: str
    """A key of ``differences``; ``"unknown"`` for what none of them explains."""
    says: str
    """One sentence for people."""
    values: tuple[str, ...]


def differences(yours: Mapping[str, Any], published: Mapping[str, Any]) -> dict[str, Difference]:
    """What two recordings' provenances (``metadata.spritedocs``) differ in, as far as it may matter.

    Versions count to the second number, memory from a tenth on.
    """
    prints = ("source_sha256", "modules", "package_sha256")  # the last up to format 2
    found = {}
    if any(yours.get(key) != published.get(key) for key in prints):
        commits = [_commit(run) for run in (yours, published)]
        if commits[0] == commits[1] and yours["commit"] != "unknown":
            commits[1] = "the same commit with other files"
        found["code"] = Difference("the code", *commits)
    loads = [GpuLoad.from_dict(run.get("gpu_busy")) for run in (yours, published)]
    if any(loads):
        found["gpu_busy"] = Difference(
            "other work on the GPU", *("none seen" if load is None else str(load) for load in loads)
        )
    for about, (what, said) in _MACHINE.items():
        here, there = (said(run["machine"]) for run in (yours, published))
        if here != there:
            found[about] = Difference(what, here, there)
    memory = [run["machine"].get("memory_gb") or 0 for run in (yours, published)]
    if min(memory) and max(memory) / min(memory) > 1.1:
        found["memory"] = Difference("the memory", *(f"{size:.0f} GB" for size in memory))
    return found


def likely(
    yours: Mapping[str, Any], published: Mapping[str, Any], values: Mapping[str, str]
) -> tuple[list[Cause], list[Difference]]:
    """The likely causes, most likely first, and the differences to which no value points.

    ``values`` are those that differ clearly, with their units. A value counts for the most particular
    cause that is there: a start-up time for the start method, say, before the processor. The cause that
    most values point to comes first; behind what makes the comparison itself doubtful, other code and a
    busy GPU, and before what nothing explains.
    """
    differing, left, found = differences(yours, published), dict(values), []
    setting = _Setting(
        cores=min(Machine.from_dict(run["machine"]).usable_cores for run in (yours, published)),
        accelerated=any(_ACCELERATED.search(name) for name in values),
        by_workers=yours.get("example") not in _NUMBERED_OTHERWISE,
    )
    for about, depends, reason in _CAUSES:
        mine = tuple(name for name, unit in left.items() if depends(name, unit, setting))
        if about in differing and mine:
            found.append(Cause(about, f"{_likely(differing[about])} {reason}: {_few(mine)}.", mine))
            if about not in _DOUBTS:
                left = {name: unit for name, unit in left.items() if name not in mine}
    found.sort(key=lambda cause: (cause.about not in _DOUBTS, -len(cause.values)))
    if left and not any(cause.about == "code" for cause in found):
        remaining = "chance, other load, or something that provenance does not say, such as the disk"
        says = f"No difference in provenance points to {_few(tuple(left))}: {remaining}."
        found.append(Cause("unknown", says, tuple(left)))
    used = {cause.about for cause in found}
    return found, [difference for about, difference in differing.items() if about not in used]


def is_count_unit(unit: str) -> bool:
    """Whether values with this unit are counts.

    Examples:
        >>> is_count_unit(""), is_count_unit("of 16"), is_count_unit("s")
        (True, True, False)
    """
    return unit == "" or unit.startswith("of ")


def _likely(difference: Difference) -> str:
    return f"Likely {difference.what}: {difference.yours} here, {difference.published} there."


def _few(names: Sequence[str]) -> str:
    shown, more = ", ".join(names[:_MOST_NAMES]), len(names) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _commit(run: Mapping[str, Any]) -> str:
    return f"{str(run['commit'])[:10]}{' with uncommitted changes' if run.get('dirty') else ''}"


def _minor(version: object) -> str:
    return ".".join(str(version).split(".")[:2])


_MACHINE: dict[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "start_method": ("the start method", lambda machine: str(machine.get("start_method"))),
    "gpu": ("the GPU", lambda machine: str(machine.get("gpu") or "none")),
    "cores": ("the usable cores", lambda machine: str(machine.get("usable_cores"))),
    "os": ("the operating system", lambda machine: str(machine.get("os")).split(" ")[0]),
    "torch": ("torch", lambda machine: _minor(machine.get("torch"))),
    "python": ("Python", lambda machine: _minor(machine.get("python"))),
    "cpu": ("the processor", lambda machine: str(machine.get("cpu"))),
}
"""What is compared of ``machine.Machine``, and how it is put."""


class _Setting(NamedTuple):
    cores: int
    """The usable cores of the machine that has fewer."""
    accelerated: bool
    """Whether any of the values that differ is about an accelerator, as in an example that trains."""
    by_workers: bool
    """Whether a number in a value's name is one of workers."""


def _workers(name: str, setting: _Setting) -> int | None:
    """How many workers a value's name speaks of, as ``speedup_4`` does; ``None`` if it does not."""
    found = _WORKERS.search(name) if setting.by_workers else None
    return int(found[1]) if found else None


def _starts(name: str, unit: str, setting: _Setting) -> bool:
    return bool(_STARTED.search(name)) and not _NAMED.search(name) and _workers(name, setting) != 0


def _computes(name: str, unit: str, setting: _Setting) -> bool:
    timed = bool(_TIMED.fullmatch(unit)) or "wait" in name
    return bool(_ACCELERATED.search(name)) or (setting.accelerated and timed)


def _shares_cores(name: str, unit: str, setting: _Setting) -> bool:
    """Whether workers and the main process outnumber the cores, or may, for all that the name tells."""
    if (workers := _workers(name, setting)) is not None:
        depends = bool(_TIMED.fullmatch(unit)) or unit in ("×", "%")  # no count, and no memory
        return depends and workers > 0 and workers >= setting.cores
    return bool(_HELPED.search(name)) and not _NAMED.search(name)


def _counted(name: str, unit: str, setting: _Setting) -> bool:
    return is_count_unit(unit)


_VERSIONS = "Behaviour changes between versions"
_DOUBTS = ("code", "gpu_busy")
_CAUSES: list[tuple[str, Callable[[str, str, _Setting], bool], str]] = [
    ("code", lambda name, unit, setting: True, "The two ran different code, which may change any value"),
    ("gpu_busy", _computes, "It slows what runs beside it"),
    ("start_method", _starts, "It decides how long workers take to start, and what they share"),
    ("gpu", _computes, "It copies and computes"),
    ("cores", _shares_cores, "Workers and the main process share them"),
    (
        "os",
        lambda name, unit, setting: bool(_STORED.search(name) or _NAMED.search(name)),
        "It starts processes, counts what they hold, and keeps files in memory",
    ),
    ("torch", _counted, _VERSIONS),
    ("python", _counted, _VERSIONS),
    ("cpu", lambda name, unit, setting: bool(_TIMED.fullmatch(unit)), "All times depend on it"),
    ("python", lambda name, unit, setting: unit in ("MB", "GB"), "What an object weighs depends on it"),
]
"""Each cause with the values that depend on it, the most particular first."""
