"""Has an example, and the programs that it runs, start as they are told and compare in one round."""

import multiprocessing
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


def shorten(start_method: str) -> None:
    """From now on, in this process."""
    sys.meta_path.insert(0, OneRound)
    multiprocessing.set_start_method(start_method)
    # Else each worker of a forkserver imports torch anew, as under spawn: most of what such a run costs.
    multiprocessing.set_forkserver_preload(["torch.utils.data"])
