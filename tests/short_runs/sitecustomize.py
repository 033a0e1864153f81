"""Begins each Python of a run that `running.py` makes short, the programs of an example included.

In it the start method is that of SPRITE_TEST_START_METHOD, and comparisons take one round.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

COMPARES = {"spritedocs.timing.comparing": "compare", "spritedocs.timing.races": "race"}


class OneRound:
    """Finds the modules that compare, and once they are loaded has them take at most one round."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in COMPARES else None
        if spec and spec.loader:
            spec.loader.exec_module = partial(_load, spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def _load(load: Callable[[ModuleType], None], module: ModuleType) -> None:
    load(module)
    name = COMPARES[module.__name__]
    setattr(module, name, partial(_in_one_round, getattr(module, name)))


def _in_one_round(measure: Callable[..., Any], arms: Any, rounds: int, **options: Any) -> Any:
    return measure(arms, min(rounds, 1), **options)


sys.meta_path.insert(0, OneRound)
multiprocessing.set_start_method(os.environ["SPRITE_TEST_START_METHOD"])
# Else each worker of a forkserver imports torch anew, as under spawn: most of what such a run costs.
multiprocessing.set_forkserver_preload(["torch.utils.data"])
