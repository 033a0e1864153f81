"""What a reader can do about a bottleneck, and what that would win by the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from spritedocs.tuning import situations as would_be
from spritedocs.tuning.situations import Situation, faster

__all__ = ["Remedy", "remedies"]

LEAST_TOLD = 1.05
"""From this gain on, a remedy for the bottleneck is told: what the model promises below that is lost in what
it misses by, and would be read as 1×."""
WORTH_TELLING = 1.10
"""From this gain on, a remedy for something that is not the bottleneck is told as well."""


@dataclass(frozen=True)
class Remedy:
    """Something to do."""

    says: str
    """One sentence."""
    gain: float | None
    """Throughput, times that at the recommended settings, by the model; for the recommended settings
    themselves, times that at the present ones, as measured; ``None`` where it is not known."""
    page: str
    """The page of this site, with its anchor, that explains it."""


class _Cure(NamedTuple):
    says: str
    page: str
    changed: Callable[[Situation], Situation] | None = None
    """The situation once it is done; ``None`` where nobody can say."""
    fits: Callable[[Situation], bool] = lambda situation: True


_LESS_COMPUTING = _Cure(
    "Do half of an item's computing ahead of time, and store the result.",
    "in-depth/slow-disks/#storage",
    would_be.computing_half,
)
_CURES: Mapping[str, tuple[_Cure, ...]] = {
    "epoch-start": (
        _Cure(
            "Begin an epoch at once: list files in __init__, keep a shuffle buffer small.",
            "in-depth/slow-disks/#storage",
            would_be.without_a_start,
            lambda s: s.is_streaming,
        ),
        _Cure(
            "Let the sampler begin at once: sort, or divide into buckets, in __init__.",
            "in-depth/handing-batches-to-the-gpu/#ahead-of-time",
            would_be.without_a_start,
            lambda s: not s.is_streaming,
        ),
    ),
    "waiting": (
        _Cure(
            "Bring the data nearer: to a local disk, into memory, or into one packed file.",
            "in-depth/slow-disks/#storage",
            would_be.without_waiting,
        ),
    ),
    "cpu": (_LESS_COMPUTING,),
    "gil": (
        _Cure(
            "Replace Python loops by calls of NumPy, PyTorch or Pillow: this is for half the time.",
            "in-depth/the-right-number/#waiting-and-working",
            would_be.computing_half,
        ),
    ),
    "handover": (
        _Cure(
            "Hand over less: one tensor an item, small types such as uint8, or smaller batches.",
            "in-depth/slow-disks/#cheap-items",
            would_be.handed_over_as_one_number,
        ),
    ),
    "startup": (),  # recommended workers are never new in each epoch
    "slow-sample": (
        _Cure(
            "Make the slow samples as fast as the others: store them ready made, or shrink them.",
            "in-depth/slow-disks/#storage",
            would_be.without_slow_samples,
        ),
        _Cure(
            "Let other batches overtake, with in_order=False: their order then differs from run to run.",
            "in-depth/handing-batches-to-the-gpu/#ahead-of-time",
            would_be.out_of_order,
        ),
        _Cure(
            "Fetch further ahead: a prefetch_factor four times as large, which takes memory.",
            "in-depth/handing-batches-to-the-gpu/#ahead-of-time",
            would_be.fetched_further_ahead,
        ),
    ),
    "contention": (
        _Cure(
            "Give each worker a file or connection of its own, and hold no lock while reading.",
            "in-depth/slow-disks/#storage",
        ),
    ),
    "consumer": (
        _Cure(
            "Make the step faster, which every batch waits for: this is for half its time.",
            "guide/summoning-helpers/#core-concept",
            would_be.with_half_the_step,
        ),
    ),
    "memory": (
        _Cure(
            "Make room for more workers: lists and dicts in one tensor, or smaller batches.",
            "in-depth/memory/#less",
            would_be.with_more_workers,
        ),
    ),
    "cores": (
        _Cure(
            "Ask for more cores: a larger quota, a wider affinity, or a larger machine.",
            "in-depth/the-right-number/#waiting-and-working",
            would_be.with_all_cores,
        ),
        _LESS_COMPUTING,
    ),
    "nothing-to-gain": (
        _Cure(
            "If loading still has to be faster, fetch whole batches with __getitems__, or enlarge them.",
            "in-depth/slow-disks/#cheap-items",
            fits=lambda s: not (s.loads_whole_batches or s.is_streaming),
        ),
        _Cure(
            "If loading still has to be faster, make batches larger.",
            "in-depth/slow-disks/#cheap-items",
            fits=lambda s: s.loads_whole_batches or s.is_streaming,
        ),
    ),
}


def remedies(name: str, s: Situation) -> Iterator[Remedy]:
    """What cures the bottleneck ``name``, the settings first, and what else would win as much as 10%."""
    yield _settings(name, s)
    computing = "gil" if s.costs.gil_share >= 0.5 else "cpu"
    others = ["epoch-start", "waiting", computing, "slow-sample", "handover"]
    if s.loading_s <= 3 * s.empty_handover_s:  # as cheap as handing over one number: nothing else to win
        others = others[:1]
    told = set()
    for cause in (name, *others):
        for cure in filter(lambda cure: cure.fits(s) and cure.says not in told, _CURES[cause]):
            gain = faster(s, cure.changed) if cure.changed else None
            if gain is None or gain >= (LEAST_TOLD if cause == name else WORTH_TELLING):
                told.add(cure.says)
                yield Remedy(cure.says, gain, cure.page)


def _settings(name: str, s: Situation) -> Remedy:
    workers, present = s.recommended.num_workers, s.present.num_workers
    page = "in-depth/the-right-number/#procedure"
    if s.recommends_a_change:
        chosen = f"num_workers={workers}"
        if workers:
            chosen += f", prefetch_factor={s.recommended.prefetch_factor}, persistent_workers=True"
        return Remedy(f"Use {chosen}.", s.gain[1], page)
    if workers < present:
        return Remedy(
            f"Use num_workers={workers}: fewer workers, as fast as these rounds can tell.", None, page
        )
    why, page = "no others were faster", "in-depth/slow-disks/#cheap-items"
    if name == "consumer":
        why, page = "the step takes most of the time", "guide/summoning-helpers/#core-concept"
    return Remedy(f"Leave num_workers at {present}: {why}.", None, page)
