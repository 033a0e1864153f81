"""What was measured in an epoch of a watched loader."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["ENOUGH", "Epoch"]

ENOUGH = 0.05
"""The share of waiting below which there is next to nothing to gain."""


@dataclass
class Epoch:
    """An epoch of a watched loader, as far as it went."""

    number: int
    """The loader's first epoch is 1."""
    workers: int | None
    """The loader's ``num_workers``; ``None`` if it has none."""
    persistent: bool = False
    """Its ``persistent_workers``."""
    batches: int = 0
    """How many were handed over."""
    items: int = 0
    """How many items were in them."""
    seconds: float = 0.0
    """From before ``iter()`` until the loader had said that it was done, or was left."""
    first_s: float = 0.0
    """Seconds from before ``iter()`` until the first batch was there."""
    wait_s: float = 0.0
    """Seconds inside ``next()`` for the batches after the first, but for those from memory."""
    end_s: float = 0.0
    """Seconds inside ``next()`` for no batch any more: workers that are not persistent shut down in it."""
    idle_s: float | None = None
    """Seconds between start and end in which the CUDA device waited for a step; ``None`` where steps are
    waited for, and without CUDA."""
    unseen: str = ""
    """The accelerator in use, such as ``MPS``, whose work may be a part of ``wait_s``; empty if none."""
    ended: str = "running"
    """How: ``done``, ``left`` by the loop, or the name of what the loader raised."""
    kept: int = 0
    """How many batches were handed out again from memory; 0 if none."""
    real_batch_s: float = 0.0
    """Seconds for each batch after the first, wait and step, before they were handed out again."""
    free_batch_s: float | None = None
    """Seconds for each batch from memory; ``None`` if there were too few."""

    @property
    def items_per_s(self) -> float:
        """Items per second over the whole epoch."""
        return self.items / self.seconds if self.seconds else math.inf

    @property
    def wait_share(self) -> float:
        """The share of the time between start and end, 0 to 1, in which the loop waited for the loader."""
        return self._share(self.wait_s)

    @property
    def idle_share(self) -> float | None:
        """The share of the time between start and end, 0 to 1, in which the CUDA device waited."""
        return None if self.idle_s is None else self._share(self.idle_s)

    @property
    def lost_share(self) -> float:
        """What waiting costs, 0 to 1: with CUDA that of the device, which works on while the loop waits."""
        return self.wait_share if self.idle_share is None else self.idle_share

    @property
    def lost_s(self) -> float:
        """Seconds of the whole epoch that waiting costs, its start and its end included."""
        return self.first_s + self.end_s + self.lost_share * self._rest_s

    @property
    def at_most(self) -> float:
        """An estimate of how many times as fast it would be between start and end without waiting.

        It is for steps that keep their length: those that load in the same process may get shorter."""
        return 1 / (1 - self.lost_share) if self.lost_share < 1 else math.inf

    def as_json(self) -> dict[str, Any]:
        """All values, for ``json.dumps``; ``None`` for those without bounds."""
        told = {**asdict(self), **{name: getattr(self, name) for name in _CALCULATED}}
        return {name: None if value == math.inf else value for name, value in told.items()}

    @property
    def _rest_s(self) -> float:
        return max(0.0, self.seconds - self.first_s - self.end_s)

    def _share(self, waited_s: float) -> float:
        return min(1.0, waited_s / self._rest_s) if self._rest_s else 0.0


_CALCULATED = ("items_per_s", "wait_share", "idle_share", "lost_share", "at_most")
