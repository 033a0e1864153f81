"""The time that a search may take, what it says meanwhile, and its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from spritedocs.tuning.failures import ArgumentError

__all__ = ["Budget", "OutOfTime", "Progress"]

LEAVING_S, LEAVING_SHARE = 3.0, 0.05
"""Kept back, for ending workers and the rest of the command; less of a small budget."""


class OutOfTime(Exception):
    """The budget is used up."""


class Progress(NamedTuple):
    """What is being tried, and how long it all should take."""

    says: str
    done_s: float
    total_s: float


@dataclass
class Budget:
    """So many ``seconds`` from now on; ``progress`` is told of what is being done."""

    seconds: float
    progress: Callable[[Progress], object] | None = None
    begun_s: float = field(default_factory=lambda: time.perf_counter())
    doing: str = ""

    @property
    def ends_s(self) -> float:
        """When measuring ends, on ``time.perf_counter``."""
        return self.begun_s + self.seconds - min(LEAVING_S, LEAVING_SHARE * self.seconds)

    @property
    def left_s(self) -> float:
        """Seconds left to measure in."""
        return self.ends_s - time.perf_counter()

    def say(self, doing: str, left_s: float) -> None:
        """Say what is being done, and how long it takes."""
        self.doing = doing
        self._tell(doing, left_s)

    def waits(self, are_starting: bool) -> None:
        """Say what is waited for; raises ``OutOfTime``."""
        if self.left_s < 0:
            raise OutOfTime
        self._tell(f"{self.doing} (starting workers)" if are_starting else self.doing, self.left_s)

    @contextmanager
    def enough(self) -> Iterator[None]:
        """Raise ``ArgumentError`` where it is used up within this block."""
        try:
            yield
        except OutOfTime:
            raise self.too_small() from None

    def too_small(self, missing_s: float = 0.0) -> ArgumentError:
        """What to say where nothing could be measured, for want of ``missing_s`` seconds or as many again."""
        enough_s = self.seconds + (missing_s or self.seconds)
        return ArgumentError(
            f"the budget is too small to measure anything, as {max(0.0, self.left_s):.0f} s of it are left: "
            f"give {10 * math.ceil(enough_s / 10)} s or more, or choose a smaller batch size"
        )

    def _tell(self, says: str, left_s: float) -> None:
        if self.progress is not None:
            done_s = time.perf_counter() - self.begun_s
            self.progress(Progress(says, done_s, done_s + left_s))
