"""What is a dataset, and what only looks like one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, TensorDataset

from spritedocs.tuning.dataset_kinds import complaint


class Stream(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(3))


class Half(Dataset[int]):
    def __len__(self) -> int:
        return 3


class Endless(Dataset[int]):
    def __getitem__(self, index: int) -> int:
        return index


class Bare:
    """No class of torch's, which needs none."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> int:
        return index


class Iterable:
    def __iter__(self) -> Iterator[int]:
        return iter(range(3))


SPRITES = TensorDataset(torch.zeros(3))


@pytest.mark.parametrize(
    "thing",
    [
        SPRITES,
        Stream(),
        Bare(),
        [1, 2],
        (1, 2),
        np.zeros(3),
        torch.zeros(3),
        range(3),
        {0: "a"},
        DataLoader(SPRITES),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_a_loader_takes_is_a_dataset(thing: object) -> None:
    assert complaint(thing) == ""


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        (None, "None: let it return"),
        (Bare, "the class Bare: let it return an object"),
        (nn.Sequential(nn.Linear(1, 1)), "a Sequential, and no dataset"),
        (RandomSampler(SPRITES), "a RandomSampler, a sampler, which only chooses indices"),
        ((number for number in range(3)), "a generator, which can be gone through only once"),
        (
            {"train": SPRITES, "test": SPRITES},
            "a dict with the keys 'train', 'test': let it return the dataset under",
        ),
        ((SPRITES, SPRITES), "2 datasets or loaders in a tuple: let it return one"),
        (Half(), "a Half without __getitem__"),
        (Endless(), "an Endless without __len__"),
        (Iterable(), "an Iterable with __iter__ that is no IterableDataset"),
        ("sprites/", "a str, and no dataset"),
        (13, "an int, and no dataset: that has __len__ and __getitem__"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_dataset_is_named_with_a_remedy(thing: Any, says: str) -> None:
    assert complaint(thing).startswith(says)
