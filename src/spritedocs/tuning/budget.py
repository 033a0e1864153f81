"""What starting workers takes of a budget, and what to say of one that is too small."""

from __future__ import annotations

import math
from collections.abc import Sequence

from spritedocs.model import Costs, Settings

__all__ = ["LONGEST_BUDGET_S", "starting_s", "too_small"]

LONGEST_BUDGET_S = 86_400.0
ENOUGH = 1.3
"""So many times as large as seems needed is a budget that is asked for: what it is needed for varies."""


def starting_s(costs: Costs, settings: Sequence[Settings]) -> float:
    """Seconds until the workers of all of them load: by spawn and forkserver that is long."""
    workers = sum(each.num_workers for each in settings)
    return workers * costs.start_s + math.ceil(workers / costs.cores) * costs.boot_s


def too_small(budget_s: float, needed_s: float, boot_s: float, start_method: str) -> str:
    """Why ``budget_s`` does not do where ``needed_s`` seem to, ``boot_s`` of them to start workers.

    Examples:
        >>> too_small(20, 20.2, 2, "fork")
        'a budget of 20 s is too small to decide: give 30 s or more, or choose a smaller batch size'
    """
    why, other = "", "choose a smaller batch size"
    if boot_s > needed_s / 2:
        why = f", as starting workers by {start_method!r} takes {boot_s:.0f} s of it"
        other = "choose another start method" if start_method != "fork" else "try fewer workers"
    enough_s = math.ceil(ENOUGH * max(budget_s, needed_s) / 5) * 5
    remedy = f"give {enough_s} s or more, or {other}" if enough_s <= LONGEST_BUDGET_S else other
    return f"a budget of {budget_s:g} s is too small to decide{why}: {remedy}"
