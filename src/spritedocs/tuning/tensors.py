"""The tensors in a batch of whatever class, and their size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

__all__ = ["bytes_of", "tensors_in"]


def tensors_in(batch: Any, depth: int = 4) -> Iterator[torch.Tensor | np.ndarray[Any, Any]]:
    if isinstance(batch, torch.Tensor | np.ndarray):
        yield batch
        return
    parts = batch if isinstance(batch, list | tuple) else getattr(batch, "__dict__", {}).values()
    # Batches of objects may refer to each other, and to whole modules.
    for part in () if not depth else batch.values() if isinstance(batch, Mapping) else parts:
        yield from tensors_in(part, depth - 1)


def bytes_of(tensor: torch.Tensor | np.ndarray[Any, Any]) -> int:
    try:
        return int(tensor.nbytes)
    except RuntimeError:  # a sparse tensor does not say
        return 0
