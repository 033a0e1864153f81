"""What a loader, which need be none of torch's, tells of itself."""

from __future__ import annotations

import operator
from typing import Any

__all__ = ["alike", "workers_of"]


def alike(one: Any, other: Any) -> bool:
    """Whether both load the same dataset in the same way: a framework may make one for each validation."""
    facts = [
        (id(dataset), getattr(each, "batch_size", None), type(getattr(each, "sampler", None)))
        for each in (one, other)
        if (dataset := getattr(each, "dataset", None)) is not None
    ]
    return len(facts) == 2 and facts[0] == facts[1]


def workers_of(loader: Any) -> tuple[int | None, bool]:
    """How many ``loader`` has, if it says so, and whether they stay."""
    try:  # NumPy's integers are none of JSON's
        return operator.index(loader.num_workers), bool(getattr(loader, "persistent_workers", False))
    except Exception:  # noqa: BLE001 - no DataLoader
        return None, False
