"""Whether anybody asks, inside a worker, which worker it is: if not, each delivers the whole of a stream."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from torch.utils.data import IterDataPipe, get_worker_info
from torch.utils.data.graph import traverse_dps

from spritedocs.tuning.probes import Notebook

__all__ = ["InitProbe"]

WHO = ("id", "num_workers", "seed", "dataset")
"""What ``get_worker_info()`` tells of a worker."""


class InitProbe:
    """A worker_init_fn after which the notebook knows whether anybody asks which worker this is."""

    def __init__(self, inner: Callable[[int], Any] | None, notebook: Notebook) -> None:
        self.inner, self.notebook = inner, notebook

    def __call__(self, worker: int) -> None:
        before, info = dict(os.environ), get_worker_info()
        _note_questions(info, self.notebook)
        if self.inner is not None:
            self.inner(worker)
        told = {name for name, value in os.environ.items() if value == str(worker)}
        dataset = object.__getattribute__(info, "dataset")
        self.notebook.asked |= any(before.get(name) != str(worker) for name in told) or _is_sharded(dataset)


def _note_questions(info: Any, notebook: Notebook) -> None:
    kind: Any = type(info)

    class Noting(kind):  # type: ignore[misc]
        __slots__ = ()

        def __getattribute__(self, name: str) -> Any:
            if name in WHO:  # torch itself reads none of them from here on
                notebook.asked = True
            return super().__getattribute__(name)

    object.__setattr__(info, "__class__", Noting)  # past what torch does to keep it as it is


def _is_sharded(dataset: Any) -> bool:
    """Whether torch itself shares a pipe's items out among workers."""
    if not isinstance(dataset, IterDataPipe):
        return False
    graphs = [traverse_dps(dataset)]
    while graphs:
        for pipe, below in graphs.pop().values():
            if hasattr(pipe, "apply_sharding"):
                return True
            graphs.append(below)
    return False
