"""What is a dataset or a loader, what only wraps one, and what only looks like one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from multiprocessing.pool import Pool
from types import FunctionType, GeneratorType, ModuleType
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

__all__ = [
    "complaint",
    "dataset_of",
    "is_something_else",
    "is_stream",
    "kind_of",
    "starts_processes",
    "unwrapped",
]

DEPTH = 3
"""So many attributes, or places in containers, may lead from a wrapper to what it wraps."""
_MOST = 100
_LEAVES = (str, bytes, type, ModuleType, FunctionType, torch.Tensor, nn.Module, Dataset)
_OWN_ITERATION = {"super", "DataLoader", "_get_iterator"}


def complaint(thing: Any) -> str:
    """What ``thing`` is instead of a dataset or a loader, and what to give; ``""`` if it is or wraps one.

    A ``DataLoader`` takes whatever has ``__len__`` and ``__getitem__`` for a map-style dataset, a list
    too, and nothing but an ``IterableDataset`` for an iterable one (``_DatasetKind`` in torch's
    ``dataloader.py``).

    Examples:
        >>> complaint([1, 2, 3])
        ''
        >>> complaint(number for number in [1, 2, 3])
        'a generator, which can be gone through only once: put it into the __iter__ of an IterableDataset'
    """
    kind = kind_of(thing)
    if isinstance(thing, DataLoader):
        return _several(thing) if _is_wrapper(thing) else ""
    if isinstance(thing, IterableDataset):
        return ""
    if thing is None:
        return "None: let it return the dataset"
    if isinstance(thing, type):
        return f"the class {thing.__name__}: give an object of that class"
    if isinstance(thing, Sampler):
        return f"{kind}, a sampler, which only chooses indices: give the dataset"
    if not isinstance(thing, Dataset):
        for name in ("get_train_dataloader", "train_dataloader"):
            if callable(getattr(type(thing), name, None)):
                ready = ", after its setup('fit')" if hasattr(thing, "prepare_data") else ""
                return f"{kind}, which makes loaders: give what its {name}() returns{ready}"
    if is_something_else(thing):
        return f"{kind}, and no dataset: give the dataset"
    if isinstance(thing, Iterator):
        held = _loaders_in(thing)
        remedy = f"give {_listed(held)} instead" if held else "put it into the __iter__ of an IterableDataset"
        return f"{kind}, which can be gone through only once: {remedy}"
    if _is_keyed(thing):
        return _under_keys(thing)
    if type(thing) in (list, tuple) and any(isinstance(each, Dataset | DataLoader) for each in thing):
        return f"{len(thing)} datasets or loaders in {kind}: give one of them"
    return _lacks(thing)


def unwrapped(thing: Any) -> tuple[Any, str]:
    """The one ``DataLoader`` that ``thing`` iterates over, and the way there; else itself and ``""``.

    Examples:
        >>> class Bar:
        ...     def __init__(self, iterable): self.iterable = iterable
        ...     def __iter__(self): return iter(self.iterable)
        >>> loader = DataLoader([1, 2, 3])
        >>> found, way = unwrapped(Bar(loader))
        >>> found is loader, way
        (True, '.iterable')
    """
    way = ""
    while _is_wrapper(thing) and len(found := _loaders_in(thing)) == 1:
        ((step, thing),) = found.items()
        way += step
    return thing, way


def dataset_of(thing: Any) -> Any:
    """A loader's dataset, or the dataset ``thing`` itself, which may have an attribute of that name too."""
    loader, _ = unwrapped(thing)
    return loader.dataset if isinstance(loader, DataLoader) else thing


def is_something_else(thing: object) -> bool:
    """Whether ``thing`` may have items, or be callable, and is still no dataset for certain."""
    return isinstance(thing, nn.Module | Sampler | str | bytes)


def is_stream(dataset: object) -> bool:
    """Whether it is iterable-style: then it may have a ``__len__`` that says, by an error, that it has none.

    ``torch.utils.data.ChainDataset`` has one, which adds up the lengths of its parts.
    """
    return isinstance(dataset, IterableDataset)


def starts_processes(dataset: Any) -> str:
    """What in ``dataset`` starts processes, as its attributes tell, and what to do instead; or ``""``."""
    for way, held in _held(dataset, DEPTH, leaves=(*_LEAVES[:-1], DataLoader)):
        if isinstance(held, DataLoader) and held.num_workers:
            remedy = "give that DataLoader, or let it have num_workers=0"
            return f"its {way} is a DataLoader with num_workers={held.num_workers}: {remedy}"
        if isinstance(held, Pool | Executor):
            return f"its {way} is {kind_of(held)}: let its items work without"
        if way.endswith(".num_workers") and isinstance(held, int) and held:
            return f"its {way} is {held}: let it be 0"
    return ""


def kind_of(thing: object) -> str:
    """The name of its class, with its article.

    Examples:
        >>> kind_of([]), kind_of(1)
        ('a list', 'an int')
    """
    name = type(thing).__name__
    return f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"


def _is_wrapper(thing: Any) -> bool:
    """Whether it only iterates over something else: a loader by an ``__iter__`` that leaves its own out."""
    kind = type(thing)
    if not isinstance(thing, DataLoader):
        return hasattr(kind, "__iter__") and not (
            isinstance(thing, Iterator | Mapping | Dataset) or _has_items(thing)
        )
    code = getattr(kind.__iter__, "__code__", None)
    own = kind.__iter__ is DataLoader.__iter__ or code is None or _OWN_ITERATION & {*code.co_names}
    return not own and bool(_loaders_in(thing))


def _loaders_in(thing: Any) -> dict[str, DataLoader[Any]]:
    found = _held(thing, DEPTH, leaves=(*_LEAVES, DataLoader))
    return {way: held for way, held in found if isinstance(held, DataLoader)}


def _held(thing: Any, depth: int, leaves: tuple[type, ...]) -> Iterator[tuple[str, Any]]:
    """What ``thing`` holds, the nearest first, and the way to it; not what is inside of ``leaves``."""
    level, seen = [("", thing)], {id(thing)}
    for _ in range(depth):
        below = []
        for way, holder in level:
            for step, held in _steps(holder):
                if id(held) not in seen or isinstance(held, int):  # numbers are one and the same object
                    seen.add(id(held))
                    yield way + step, held
                    if not isinstance(held, leaves):
                        below.append((way + step, held))
        level = below


def _steps(holder: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(holder, GeneratorType):
        frame = holder.gi_frame
        yield from (dict(frame.f_locals) if frame is not None else {}).items()
    elif isinstance(holder, dict):
        yield from [(f"[{key!r}]", held) for key, held in list(holder.items())[:_MOST]]
    elif isinstance(holder, list | tuple):
        yield from [(f"[{number}]", held) for number, held in enumerate(holder[:_MOST])]
    else:
        for name, held in list(getattr(holder, "__dict__", {}).items()):
            public = name.lstrip("_")
            is_public = isinstance(getattr(type(holder), public, None), property)
            yield f".{public if is_public else name}", held


def _listed(held: Mapping[str, Any]) -> str:
    return " or ".join(f"its {way}" if way.startswith((".", "[")) else f"{way!r}" for way in list(held)[:4])


def _several(thing: Any) -> str:
    held = _loaders_in(thing)
    return f"{kind_of(thing)} of {len(held)} DataLoaders: give {_listed(held)}" if len(held) > 1 else ""


def _has_items(thing: Any) -> bool:
    # torch's own class defines __getitem__, only to say that it has to be defined.
    return getattr(type(thing), "__getitem__", Dataset.__getitem__) is not Dataset.__getitem__


def _is_keyed(thing: Any) -> bool:
    """Whether its items are under names, and none is under the index 0."""
    kind = type(thing)
    names = callable(getattr(kind, "keys", None)) and hasattr(kind, "__contains__")
    if isinstance(thing, Dataset) or not (names and _has_items(thing)):
        return False
    try:
        return 0 not in thing
    except Exception:  # noqa: BLE001 - a TensorDict refuses the question
        return True


def _under_keys(thing: Any) -> str:
    kind, held = kind_of(thing), {}
    with suppress(Exception):
        held = {key: thing[key] for key in list(thing.keys())[:5]}
    names = ", ".join(map(repr, held))
    if any(isinstance(each, torch.Tensor) for each in held.values()):
        remedy = "make a TensorDataset of them"
        if not isinstance(thing, dict):
            remedy = "give a DataLoader over it, whose collate_fn returns what it gets"
        return f"{kind} with tensors under {names}: {remedy}"
    first = f"[{next(iter(held), '...')!r}]"
    return f"{kind} with the keys {names}: give the dataset under one of them, as by {first}"


def _lacks(thing: Any) -> str:
    kind = type(thing)
    if _has_items(thing) and hasattr(kind, "__len__"):
        return ""
    if _has_items(thing) or isinstance(thing, Dataset):
        lacking = "__len__" if _has_items(thing) else "__getitem__"
        return f"{kind_of(thing)} without {lacking}, which a map-style dataset needs: define it"
    held = _loaders_in(thing)
    if not hasattr(kind, "__iter__"):
        if held:
            return f"{kind_of(thing)}, which is no loader itself: give {_listed(held)}"
        return f"{kind_of(thing)}, and no dataset: that has __len__ and __getitem__, or is an IterableDataset"
    if held:
        return _several(thing)
    sources = [way for way, each in _held(thing, DEPTH, _LEAVES) if _is_source(each)]
    if sources:
        remedy = "give the dataset behind that, or a DataLoader of it"
        return f"{kind_of(thing)}, no DataLoader, which iterates over its {sources[0]}: {remedy}"
    return f"{kind_of(thing)} with __iter__ that is no IterableDataset: derive its class from that"


def _is_source(held: Any) -> bool:
    kind = type(held)
    is_plain = kind.__module__.split(".")[0] in sys.stdlib_module_names or _has_items(held)
    return isinstance(held, Dataset) or (hasattr(kind, "__iter__") and not is_plain)
