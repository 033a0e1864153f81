"""What an answer says beside its figures: the line to copy, and what to doubt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from spritedocs.model import Settings
from spritedocs.tuning.candidates import MOST_WORKERS
from spritedocs.tuning.frameworks import DIVIDED
from spritedocs.tuning.variants import Variants
from spritedocs.tuning.whole_epochs import WholeEpochs

__all__ = ["line_to_copy", "notes"]

A_STEP_UP = 1.1
"""What the last step up has to bring for a further one to be worth a try."""


def line_to_copy(variants: Variants, arguments: Mapping[str, Any]) -> str:
    """The call that makes the loader with these ``arguments``."""
    undone = {} if arguments["num_workers"] else variants.only_for_workers
    given = [f"{name}={value!r}" for name, value in {**arguments, **undone}.items()]
    if variants.is_loader:
        return f"DataLoader(..., {', '.join(given)})"
    order = [] if variants.is_streaming else [DIVIDED if variants.divider else "shuffle=True"]
    if variants.is_huge:
        order = ["sampler=RandomSampler(dataset, replacement=True)"]
    size = [f"batch_size={variants.loader.batch_size}"]
    return f"DataLoader(dataset, {', '.join([*size, *order, *given])})"


def notes(
    epochs: WholeEpochs,
    recommended: Settings,
    looked: Mapping[Settings, float],
    spent_s: float,
    needed_s: float,
) -> Iterator[str]:
    """Sentences; ``needed_s`` more seconds would have been needed beside those ``spent_s``.

    ``looked`` has the items per second of all that were tried.
    """
    found, timed, most = epochs.found, epochs.timed, recommended.num_workers
    rounds = max(map(len, timed.arms.values()))
    yield from found.variants.notes
    is_shared = found.variants.divider or found.variants.is_huge or found.variants.is_streaming
    if (ranks := found.variants.ranks) > 1 and not is_shared:
        yield f"All {ranks} ranks loaded the same items: give each its own, as by a DistributedSampler."
    if found.seen.fails_alone:
        yield f"Without workers the dataset fails ({found.seen.fails_alone}): 0 workers was left out."
    if found.delivers_copies:
        yield (
            "Every worker would deliver the whole stream, as it does not ask which one it is: more than 1 "
            "was left out. To use more, divide the items by torch.utils.data.get_worker_info()."
        )
    if needed_s:
        yield (
            f"The best so far: the time allowed {rounds} round{'s' * (rounds != 1)}, too few to be sure. "
            f"Give a budget of {10 * math.ceil((spent_s + 1.2 * needed_s) / 10)} s."
        )
    if timed.disturbed:
        yield (
            f"Other programs computed during {timed.disturbed} of {rounds} rounds: end them, and run this "
            "again."
        )
    fewer = max((rate for each, rate in looked.items() if each.num_workers < most), default=math.inf)
    is_last = most == max(each.num_workers for each in found.choices) < MOST_WORKERS
    is_last &= not found.limited_by_memory
    if is_last and not (found.delivers_copies or needed_s) and looked[recommended] > A_STEP_UP * fewer:
        more = min(4 * most, MOST_WORKERS)
        yield f"More than {most} workers were not tried: try --max-workers {more}, or max_workers={more}."
