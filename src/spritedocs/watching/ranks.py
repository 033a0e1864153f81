"""What all ranks of a training waited, told once: each leaves its epochs in the store that they share.

That is the one by which ``torch.distributed`` brought them together. No rank waits for another in training:
the one that ends an epoch last finds those of all others, and speaks for them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from torch import distributed

from spritedocs.watching import telling
from spritedocs.watching.epochs import Epoch

__all__ = ["Ranks"]

_PATIENCE_S = 1.0
"""How long the table at the end waits for ranks that have not ended their last epoch."""
_FIELDS = [field.name for field in fields(Epoch)]


class Ranks:
    """The epochs of one loader on all ranks that watch it.

    Where the store is gone, each rank speaks for itself.
    """

    def __init__(self, name: str, rank: int, size: int, most: int) -> None:
        """This is ``rank`` of ``size``; the last ``most`` epochs of the loader ``name`` stay in the store."""
        self.rank, self.size, self._name, self._most = rank, size, name, most
        self._store: Any = None
        try:
            # The public ways to a store ask for its address, which not every launcher tells.
            self._store = distributed.distributed_c10d._get_default_store()
            self._store.add(self._key("watching"), 1)
        except Exception:  # noqa: BLE001 - it may be gone, or be of a kind of its own
            self._store = None

    def leave(self, epoch: Epoch) -> list[Epoch]:
        """Leave this rank's ``epoch`` for the last rank to tell.

        Returns what is to be told now: the epochs of all ranks, in their order, if this one was the last;
        none if it was not; ``epoch`` alone where the ranks cannot be told together.
        """
        try:
            self._store.set(self._key(epoch.number, self.rank), json.dumps(epoch.as_json()))
            watching = self._store.add(self._key("watching"), 0)
            if self._store.add(self._key(epoch.number, "ended"), 1) != watching:
                return []
            if (old := epoch.number - self._most) > 0:
                for rank in range(self.size):
                    self._store.delete_key(self._key(old, rank))
            return list(self._left(epoch.number).values())
        except Exception:  # noqa: BLE001
            return [epoch]

    def swap_verdict(self, verdict: str) -> str:
        """Keep what was said of all ranks; returns what was kept before."""
        key = self._key("verdict")
        try:
            former: str = self._store.get(key).decode() if self._store.check([key]) else ""
            self._store.set(key, verdict)
        except Exception:  # noqa: BLE001
            return ""
        return former

    def table(self, epochs: Sequence[Epoch]) -> str | None:
        """At the end, of all ranks, for the first one to print; ``None`` where each has to print its own."""
        until_s = time.monotonic() + _PATIENCE_S
        try:
            if self.rank:
                return "" if self._store.check([self._key(epochs[-1].number, 0)]) else None
            found = [self._left(each.number, until_s) for each in epochs]
            return telling.table_of_ranks(found) if max(map(len, found)) > 1 else None
        except Exception:  # noqa: BLE001
            return None

    def _left(self, number: int, until_s: float = 0.0) -> dict[int, Epoch]:
        """The epoch of that ``number``, by rank; others are waited for until ``until_s``, and left out."""
        found = dict[int, Epoch]()
        for rank in range(self.size):
            key = self._key(number, rank)
            while not (is_there := self._store.check([key])) and time.monotonic() < until_s:
                time.sleep(0.02)
            if is_there:
                stored = json.loads(self._store.get(key))
                found[rank] = Epoch(**{name: stored[name] for name in _FIELDS})
        return found

    def _key(self, *parts: object) -> str:
        return "/".join(map(str, ("spritedocs", self._name, *parts)))
