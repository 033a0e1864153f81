"""Random numbers that go on, after a loader was tuned, as if it had not been."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.random import fork_rng

__all__ = ["kept"]

DEEP = 3
"""A generator is the loader's own, its batch sampler's, or that of the sampler within."""


@contextmanager
def kept(loader: Any) -> Iterator[None]:
    """Leave the state of torch, NumPy and Python, and of the loader's own generators, as it is."""
    ours, numpys = random.getstate(), np.random.get_state()
    states = [(each, each.get_state()) for each in _generators(loader, torch.Generator)]
    pythons = [(each, each.getstate()) for each in _generators(loader, random.Random)]
    bits = [each.bit_generator for each in _generators(loader, np.random.Generator)]
    numbers = [(each, each.state) for each in bits]
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    try:
        with fork_rng(devices=[]):
            yield
    finally:
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
        random.setstate(ours)
        np.random.set_state(numpys)
        for generator, state in states:
            generator.set_state(state)
        for drawing, begun in pythons:
            drawing.setstate(begun)
        for bit_generator, numbered in numbers:
            bit_generator.state = numbered


def _generators(holder: Any, kind: type, depth: int = DEEP) -> Iterator[Any]:
    """The generators that a loader, or a sampler in it, holds; those of the dataset are its own business."""
    for name, value in list(getattr(holder, "__dict__", {}).items()):
        if isinstance(value, kind):
            yield value
        elif depth > 1 and name.endswith("sampler"):
            yield from _generators(value, kind, depth - 1)
