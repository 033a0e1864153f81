"""What an answer says beside its figures: the line to copy, and what to doubt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from spritedocs.tuning.variants import Variants
from spritedocs.tuning.whole_epochs import WholeEpochs

__all__ = ["line_to_copy", "notes"]


def line_to_copy(variants: Variants, arguments: Mapping[str, Any]) -> str:
    """The call that makes the loader with these ``arguments``."""
    undone = {} if arguments["num_workers"] else variants.only_for_workers
    given = [f"{name}={value!r}" for name, value in {**arguments, **undone}.items()]
    if variants.is_loader:
        return f"DataLoader(..., {', '.join(given)})"
    order = [] if variants.is_streaming else ["shuffle=True"]
    if variants.is_huge:
        order = ["sampler=RandomSampler(dataset, replacement=True)"]
    size = [f"batch_size={variants.loader.batch_size}"]
    return f"DataLoader(dataset, {', '.join([*size, *order, *given])})"


def notes(epochs: WholeEpochs, spent_s: float, needed_s: float) -> Iterator[str]:
    """Sentences; ``needed_s`` more seconds would have been needed beside those ``spent_s``."""
    found, timed = epochs.found, epochs.timed
    rounds = max(map(len, timed.arms.values()))
    yield from found.variants.notes
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
