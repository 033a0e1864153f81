"""What a reader can do about a bottleneck, and what that would win by the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from spritedocs.tuning.situations import (
    Situation,
    computing_half,
    faster,
    handed_over_as_one_number,
    with_all_cores,
    with_half_the_step,
    with_more_helpers,
    without_a_start,
    without_slow_samples,
    without_waiting,
)

__all__ = ["Remedy", "remedies"]

GUIDE = "guide/summoning-helpers/"
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


def _out_of_order(s: Situation) -> float:
    return s.epoch_s(s.recommended) / replace(s, in_order=False).epoch_s(s.recommended)


def _fetching_further_ahead(s: Situation) -> float:
    further = s.recommended._replace(prefetch_factor=4 * s.recommended.prefetch_factor)
    return s.epoch_s(s.recommended) / s.epoch_s(further)


class _Cure(NamedTuple):
    says: str
    anchor: str
    gain: Callable[[Situation], float] | None
    fits: Callable[[Situation], bool] = lambda situation: True


def _by(changed: Callable[[Situation], Situation]) -> Callable[[Situation], float]:
    return lambda situation: faster(situation, changed)


_CURES: Mapping[str, tuple[_Cure, ...]] = {
    "waiting": (
        _Cure(
            "Bring the data nearer: to a local disk, into memory, or into one packed file.",
            "#slow-disks",
            _by(without_waiting),
        ),
    ),
    "cpu": (
        _Cure(
            "Do half of an item's computing ahead of time, and store the result.",
            "#slow-disks",
            _by(computing_half),
        ),
    ),
    "gil": (
        _Cure(
            "Replace Python loops by calls of NumPy, PyTorch or Pillow: this is for half the time.",
            "#finding-the-right-number",
            _by(computing_half),
        ),
    ),
    "handover": (
        _Cure(
            "Hand over less: one tensor an item, small types such as uint8, or smaller batches.",
            "#summoning-cost",
            _by(handed_over_as_one_number),
        ),
    ),
    "startup": (),  # recommended workers are never new in each epoch
    "slow-sample": (
        _Cure(
            "Make the slow samples as fast as the others: store them ready made, or shrink them.",
            "#slow-disks",
            _by(without_slow_samples),
        ),
        _Cure(
            "Let other batches overtake, with in_order=False: their order then differs from run to run.",
            "#the-spell",
            _out_of_order,
        ),
        _Cure(
            "Fetch further ahead: a prefetch_factor four times as large, which takes memory.",
            "#the-spell",
            _fetching_further_ahead,
        ),
    ),
    "epoch-start": (
        _Cure(
            "Begin an epoch at once: list files in __init__, and keep a shuffle buffer small.",
            "#slow-disks",
            _by(without_a_start),
            lambda s: s.is_streaming,
        ),
        _Cure(
            "Let the sampler begin at once: sort, or divide into buckets, in __init__.",
            "#the-spell",
            _by(without_a_start),
            lambda s: not s.is_streaming,
        ),
    ),
    "contention": (
        _Cure(
            "Give each worker a file or connection of its own, and hold no lock while reading.",
            "#slow-disks",
            None,
        ),
    ),
    "consumer": (
        _Cure(
            "Make the step faster, which every batch waits for: this is for half its time.",
            "#core-concept",
            _by(with_half_the_step),
        ),
    ),
    "memory": (
        _Cure(
            "Make room for more workers: lists and dicts in one tensor, or smaller batches.",
            "#memory-goblins",
            with_more_helpers,
        ),
    ),
    "cores": (
        _Cure(
            "Ask for more cores: a larger quota, a wider affinity, or a larger machine.",
            "#finding-the-right-number",
            _by(with_all_cores),
        ),
        _Cure(
            "Do half of an item's computing ahead of time, and store the result.",
            "#slow-disks",
            _by(computing_half),
        ),
    ),
    "nothing-to-gain": (
        _Cure(
            "If loading still has to be faster, fetch whole batches with __getitems__, or enlarge them.",
            "#summoning-cost",
            None,
            lambda s: not (s.loads_whole_batches or s.is_streaming),
        ),
        _Cure(
            "If loading still has to be faster, make batches larger.",
            "#summoning-cost",
            None,
            lambda s: s.loads_whole_batches or s.is_streaming,
        ),
    ),
}


def remedies(name: str, s: Situation) -> Iterator[Remedy]:
    """What cures the bottleneck ``name``, the settings first, and what else would win as much as 10%."""
    yield _settings(name, s)
    computing = "gil" if s.costs.gil_share >= 0.5 else "cpu"
    # Where loading is as cheap as handing over one number, there is nothing else to win.
    others = (
        ("epoch-start", "waiting", computing, "slow-sample", "handover")
        if s.loading_s > 3 * s.empty_handover_s
        else ()
    )
    told = set()
    for cause in (name, *others):
        for cure in _CURES[cause]:
            gain = cure.gain(s) if cure.gain and cure.fits(s) else None
            least = LEAST_TOLD if cause == name else WORTH_TELLING
            if cure.fits(s) and cure.says not in told and (gain is None or gain >= least):
                told.add(cure.says)
                yield Remedy(cure.says, gain, GUIDE + cure.anchor)


def _settings(name: str, s: Situation) -> Remedy:
    workers, present = s.recommended.num_workers, s.present.num_workers
    if s.recommends_a_change:
        chosen = f"num_workers={workers}"
        if workers:
            kept = s.recommended.persistent_workers
            chosen += f", prefetch_factor={s.recommended.prefetch_factor}, persistent_workers={kept}"
        return Remedy(f"Use {chosen}.", s.gain[1], f"{GUIDE}#finding-the-right-number")
    why = "the step takes most of the time" if name == "consumer" else "no others were faster"
    if workers < present:
        says = f"Use num_workers={workers}: fewer workers, as fast as these rounds can tell."
        return Remedy(says, None, f"{GUIDE}#finding-the-right-number")
    says = f"Leave num_workers at {present}: {why}."
    return Remedy(says, None, GUIDE + ("#core-concept" if name == "consumer" else "#summoning-cost"))
