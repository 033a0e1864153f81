"""What is a dataset, and what only looks like one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

__all__ = ["complaint", "dataset_of", "is_something_else", "is_stream", "kind_of"]


def complaint(thing: Any) -> str:
    """What ``thing`` is instead of a dataset or a loader, and what would help; ``""`` if it is one.

    A ``DataLoader`` takes whatever has ``__len__`` and ``__getitem__`` for a map-style dataset, a list
    too, and nothing but an ``IterableDataset`` for an iterable one (``_DatasetKind`` in torch's
    ``dataloader.py``).

    Examples:
        >>> complaint([1, 2, 3])
        ''
        >>> complaint(number for number in [1, 2, 3])
        'a generator, which can be gone through only once: make it an IterableDataset'
    """
    if isinstance(thing, DataLoader | IterableDataset):
        return ""
    if thing is None:
        return "None: let it return the dataset"
    if isinstance(thing, type):
        return f"the class {thing.__name__}: let it return an object of that class"
    if isinstance(thing, Sampler):
        return f"{kind_of(thing)}, a sampler, which only chooses indices: name what gives the dataset"
    if is_something_else(thing):
        return f"{kind_of(thing)}, and no dataset: name what gives the dataset"
    if isinstance(thing, Iterator):
        return f"{kind_of(thing)}, which can be gone through only once: make it an IterableDataset"
    if isinstance(thing, Mapping) and 0 not in thing:
        held = ", ".join(map(repr, list(thing)[:5]))
        return f"{kind_of(thing)} with the keys {held}: let it return the dataset under one of them"
    if type(thing) in (list, tuple) and any(isinstance(each, Dataset | DataLoader) for each in thing):
        return f"{len(thing)} datasets or loaders in {kind_of(thing)}: let it return one of them"
    return _lacks(thing)


def dataset_of(thing: Any) -> Any:
    """A loader's dataset, or the dataset ``thing`` itself, which may have an attribute of that name too."""
    return thing.dataset if isinstance(thing, DataLoader) else thing


def is_something_else(thing: object) -> bool:
    """Whether ``thing`` may have items, or be callable, and is still no dataset for certain."""
    return isinstance(thing, nn.Module | Sampler | str | bytes)


def is_stream(dataset: object) -> bool:
    """Whether it is iterable-style: then it may have a ``__len__`` that says, by an error, that it has none.

    ``torch.utils.data.ChainDataset`` has one, which adds up the lengths of its parts.
    """
    return isinstance(dataset, IterableDataset)


def kind_of(thing: object) -> str:
    """The name of its class, with its article.

    Examples:
        >>> kind_of([]), kind_of(1)
        ('a list', 'an int')
    """
    name = type(thing).__name__
    return f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"


def _lacks(thing: Any) -> str:
    kind = type(thing)
    # torch's own class defines __getitem__, only to say that it has to be defined.
    has_items = getattr(kind, "__getitem__", Dataset.__getitem__) is not Dataset.__getitem__
    if has_items and hasattr(kind, "__len__"):
        return ""
    if has_items or isinstance(thing, Dataset):
        lacking = "__len__" if has_items else "__getitem__"
        return f"{kind_of(thing)} without {lacking}, which a map-style dataset needs: define it"
    if hasattr(kind, "__iter__"):
        return f"{kind_of(thing)} with __iter__ that is no IterableDataset: derive its class from that"
    return f"{kind_of(thing)}, and no dataset: that has __len__ and __getitem__, or is an IterableDataset"
