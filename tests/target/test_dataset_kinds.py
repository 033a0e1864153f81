"""What is a dataset, and what only looks like one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, TensorDataset

from spritedocs.target.dataset_kinds import complaint, starts_processes, unwrapped


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
LOADER = DataLoader(SPRITES)


class Module:
    """As a LightningDataModule."""

    def prepare_data(self) -> None: ...

    def train_dataloader(self) -> Any: ...


class Model(nn.Module):
    """As a LightningModule."""

    def prepare_data(self) -> None: ...

    def train_dataloader(self) -> Any: ...


class Trainer:
    """As the Trainer of Transformers."""

    def get_train_dataloader(self) -> Any: ...


class Columns(dict[str, Any]):
    """As a TensorDict, which refuses to look for a key."""

    def __contains__(self, key: object) -> bool:
        raise NotImplementedError


class Fields:
    """As a TensorDict, which is no dict."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def __len__(self) -> int:
        return 3

    def __contains__(self, key: object) -> bool:
        raise NotImplementedError

    def __getitem__(self, key: str) -> Any:
        return self.fields[key]

    def keys(self) -> Any:
        return self.fields.keys()


class Keyed(Dataset[int]):
    """A dataset, with keys too."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, key: int) -> int:
        return key

    def __contains__(self, key: object) -> bool:
        return False

    def keys(self) -> Any:
        return ["a"]


class Bar:
    """As tqdm."""

    def __init__(self, iterable: Any) -> None:
        self.iterable = iterable

    def __iter__(self) -> Iterator[Any]:
        return iter(self.iterable)


class Combined:
    """As Lightning's CombinedLoader."""

    def __init__(self, iterables: Any) -> None:
        self._iterables, self._flattened = iterables, list(iterables.values())

    @property
    def iterables(self) -> Any:
        raise AssertionError("no code of theirs has to run for this")

    def __iter__(self) -> Iterator[Any]:
        return iter(self._flattened)


class Mixed(DataLoader[Any]):
    def __init__(self, *loaders: Any) -> None:
        super().__init__(loaders[0].dataset)
        self.loaders = loaders

    def __iter__(self) -> Iterator[Any]:
        for loader in self.loaders:
            yield from loader


class Node(Iterator[Any]):
    """As those of torchdata.nodes."""

    def __next__(self) -> Any:
        raise StopIteration


class Nodes:
    """As their Loader."""

    def __init__(self, root: Node) -> None:
        self.root = root

    def __iter__(self) -> Iterator[Any]:
        return self.root


class Experiment:
    def __init__(self) -> None:
        self.loaders = {"train": LOADER, "test": DataLoader(SPRITES)}


def cycled(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


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
        LOADER,
        Keyed(),
        Bar(LOADER),
        Mixed(LOADER),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_a_loader_takes_is_a_dataset(thing: object) -> None:
    assert complaint(thing) == ""


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        (None, "None: let it return"),
        (Bare, "the class Bare: give an object of that class"),
        (nn.Sequential(nn.Linear(1, 1)), "a Sequential, and no dataset"),
        (RandomSampler(SPRITES), "a RandomSampler, a sampler, which only chooses indices"),
        ((number for number in range(3)), "a generator, which can be gone through only once"),
        (
            {"train": SPRITES, "test": SPRITES},
            "a dict with the keys 'train', 'test': give the dataset under one of them, as by ['train']",
        ),
        ((SPRITES, SPRITES), "2 datasets or loaders in a tuple: give one"),
        (Half(), "a Half without __getitem__"),
        (Endless(), "an Endless without __len__"),
        (Iterable(), "an Iterable with __iter__ that is no IterableDataset"),
        ("sprites/", "a str, and no dataset"),
        (
            Module(),
            "a Module, which makes loaders: give what its train_dataloader() returns, after its setup",
        ),
        (Model(), "a Model, which makes loaders: give what its train_dataloader() returns"),
        (Trainer(), "a Trainer, which makes loaders: give what its get_train_dataloader() returns"),
        (Columns(x=torch.zeros(3)), "a Columns with tensors under 'x': make a TensorDataset of them"),
        (
            Fields(x=torch.zeros(3), y=torch.zeros(3)),
            "a Fields with tensors under 'x', 'y': give a DataLoader over it, whose collate_fn returns what",
        ),
        (
            Combined({"a": LOADER, "b": DataLoader(SPRITES)}),
            "a Combined of 2 DataLoaders: give its .iterables['a'] or its .iterables['b']",
        ),
        (Mixed(LOADER, DataLoader(SPRITES)), "a Mixed of 2 DataLoaders: give its .loaders[0] or"),
        (Bar(SPRITES), "a Bar, no DataLoader, which iterates over its .iterable: give the dataset behind"),
        (Nodes(Node()), "a Nodes, no DataLoader, which iterates over its .root: give the dataset"),
        (cycled(LOADER), "a generator, which can be gone through only once: give 'loader' instead"),
        (
            Experiment(),
            "an Experiment, which is no loader itself: give its .loaders['train'] or its .loaders[",
        ),
        (13, "an int, and no dataset: that has __len__ and __getitem__"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_dataset_is_named_with_a_remedy(thing: Any, says: str) -> None:
    assert complaint(thing).startswith(says)


def test_a_wrapper_of_one_loader_is_that_loader() -> None:
    assert unwrapped(Bar(Bar(LOADER))) == (LOADER, ".iterable.iterable")
    assert unwrapped(Bar(SPRITES))[1] == unwrapped(SPRITES)[1] == unwrapped(LOADER)[1] == ""


class Inner(IterableDataset[Any]):
    def __init__(self, **held: Any) -> None:
        vars(self).update(held)

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def test_what_starts_processes_in_a_dataset_is_named() -> None:
    loader = DataLoader(SPRITES, num_workers=2)
    said = "is a DataLoader with num_workers=2: give that DataLoader, or let it have num_workers=0"
    assert starts_processes(Inner(loader=loader)) == f"its .loader {said}"
    assert starts_processes(Inner(parts=[Inner(source=loader)])) == f"its .parts[0].source {said}"
    assert starts_processes(Inner(two=2, num_workers=2)) == "its .num_workers is 2: let it be 0"
    with ProcessPoolExecutor(1) as pool:
        assert starts_processes(Inner(pool=pool)).startswith("its .pool is a ProcessPoolExecutor")
    assert starts_processes(Inner(loader=LOADER, num_workers=0)) == starts_processes(SPRITES) == ""
