"""What something needs of a machine, and the sentence that says what is missing."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from spritedocs.machine.accelerator import gpu_absence
from spritedocs.machine.not_here import NotHere
from spritedocs.machine.parallelism import start_method, usable_cores
from spritedocs.machine.workspace import why_no_helpers

__all__ = ["by_start_method", "needs"]


Choice = TypeVar("Choice")


def by_start_method(fork: Choice, other: Choice) -> Choice:
    """``fork`` where workers are forked, else ``other``, such as fewer rounds: other starts take seconds."""
    return fork if start_method() == "fork" else other


def needs(*what: str, cores: int = 1) -> None:
    """Raise ``NotHere``, which says what would help, unless this machine has all of ``what``.

    ``"cuda"`` is a GPU that torch can use; ``"linux"`` that system; ``"fork"`` a system that can fork;
    ``"workers"`` that workers can hand batches over. ``cores`` is how many usable ones it takes.

    Examples:
        >>> needs("workers", cores=1)

    Raises ``ValueError`` for a word that is none of these.
    """
    for word in what:
        if word not in _NEEDS:
            raise ValueError(f"{word!r} is no need that is known: choose from {', '.join(_NEEDS)}")
        if why_not := _NEEDS[word]():
            raise NotHere(why_not)
    if (usable := usable_cores()) < cores:
        raise NotHere(
            f"This takes {cores} usable cores, and this machine has {usable}: run it on one with more."
        )


_absence = cache(gpu_absence)  # which may ask another process, and each arm of a race needs the answer


def _why_no_cuda() -> str:
    import torch

    return "" if torch.cuda.is_available() else f"This needs CUDA, but {_absence()}."


def _why_no_linux() -> str:
    return "" if sys.platform == "linux" else "This is not Linux: run it there, or in a Linux container."


def _why_no_fork() -> str:
    if "fork" in multiprocessing.get_all_start_methods():
        return ""
    return "This system cannot fork a process: run it on Linux or macOS."


_NEEDS: dict[str, Callable[[], str]] = {
    "cuda": _why_no_cuda,
    "linux": _why_no_linux,
    "fork": _why_no_fork,
    "workers": why_no_helpers,
}
