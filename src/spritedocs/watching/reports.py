"""Reports of all epochs: a table or an object in a file, which is written anew as training goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from spritedocs.watching import telling
from spritedocs.watching.epochs import Epoch

__all__ = ["LACKING", "SHORTEST_PAUSE_S", "is_due", "write"]

SHORTEST_PAUSE_S = 1.0
"""A report is written this often at most."""
_SHARE_OF_WRITING = 0.05
"""A report has all epochs each time: how much of the training that may take at most."""

LACKING: set[Path] = set()
"""The reports that lack epochs."""
_NEXT: dict[Path, float] = {}
"""From when on a report may be written again."""


def is_due(path: Path, now_s: float) -> bool:
    """Whether the report at ``path``, which lacks an epoch from now on, may be written."""
    LACKING.add(path)
    return now_s >= _NEXT.get(path, -math.inf)


def write(
    path: Path,
    ended: Sequence[tuple[str, Sequence[Epoch]]],
    rank: int | None,
    ranks: int,
    clock: Callable[[], float],
) -> None:
    """Write the epochs of loaders, each with its name: a table, or an object where ``path`` ends in .json.

    Where there are several ``ranks``, each has a file of its own. What fails is said.
    """
    began = clock()
    LACKING.discard(path)
    try:
        if path.suffix == ".json":
            loaders = [{"name": name, "epochs": [e.as_json() for e in epochs]} for name, epochs in ended]
            text = json.dumps({"rank": rank, "loaders": loaders}, indent=2)
        else:
            text = "\n\n".join(f"{name}\n{telling.table(epochs)}" for name, epochs in ended if epochs)
        own = path.with_stem(f"{path.stem}-rank{rank}") if ranks > 1 else path
        own.write_text(f"{text}\n", encoding="utf-8", errors="backslashreplace")  # names may have any bytes
    except Exception as error:  # noqa: BLE001 - no reason to stop a training
        why = error.strerror if isinstance(error, OSError) else error
        telling.say(f"spritedocs: the report {path} cannot be written: {why}")
    now = clock()
    _NEXT[path] = now + max(SHORTEST_PAUSE_S, (now - began) / _SHARE_OF_WRITING)
