"""Loaders like the reader's, with other settings, and with epochs as short as a measurement may take.

A variant is a copy: class, dataset, collate_fn, sampler and every other argument stay as they are.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, RandomSampler
from torch.utils.data.dataloader import _BaseDataLoaderIter

from spritedocs.model import Settings
from spritedocs.target import complaint, unwatched, unwrapped
from spritedocs.tuning.failures import too_short
from spritedocs.tuning.indices import Cut, Replayed
from spritedocs.tuning.plain_loader import loader_of
from spritedocs.tuning.worker_watch import watch

__all__ = ["Variants"]


@dataclass(frozen=True)
class Variants:
    """What is tuned: a loader that is never iterated over itself, and the makings of others like it."""

    loader: DataLoader[Any]
    start_method: str
    """``"fork"``, ``"forkserver"`` or ``"spawn"``."""
    is_loader: bool = False
    """Whether the reader gave a loader, and not a dataset alone."""
    is_asked_for: bool = False
    """Whether the reader asked for this start method."""
    waits: Callable[[bool], object] = lambda are_starting: None
    """Called every now and then while no batch comes: with ``True`` while workers start. May raise."""
    notes: tuple[str, ...] = ()
    """What an answer has to say of what was tuned: sentences."""
    ranks: int = 1
    """How many processes train on this machine at once; the loader is one rank's."""

    @classmethod
    def of(
        cls, dataset: Any, batch_size: int | None = None, start_method: str | None = None, ranks: int = 1
    ) -> Variants:
        """Of a ``DataLoader``, or of a dataset: then with ``batch_size`` (or 32), shuffled if map-style.

        A dataset is divided among ``ranks``; a loader is taken as one rank's, as it is.
        Of what only iterates over one ``DataLoader``, that is tuned, and ``notes`` say so.

        Raises ``TypeError`` for what is no dataset, ``ValueError`` for an epoch without a second batch,
        for a batch size that is none or stands beside a loader's own, and for a start method that this
        system does not have. What the dataset's ``__len__`` raises passes through.
        """
        known = multiprocessing.get_all_start_methods()
        if start_method is not None and start_method not in known:
            raise ValueError(
                f"the start method {start_method!r} is unknown here: choose {' or '.join(known)}"
            )
        dataset = unwatched(dataset)
        if why := complaint(dataset):
            raise TypeError(f"the dataset is {why}")
        loader, way = unwrapped(dataset)
        is_loader = isinstance(loader, DataLoader)
        if is_loader and batch_size is not None:
            raise ValueError(
                f"the DataLoader has a batch size of its own: leave out batch_size={batch_size}, or give "
                "its dataset alone"
            )
        if not is_loader:
            loader = loader_of(dataset, batch_size, ranks)
        notes = []
        if way:
            notes.append(
                f"The DataLoader in the {type(dataset).__name__} was tuned, its {way}: what the "
                f"{type(dataset).__name__} does to each batch was not measured, and comes on top."
            )
        if _kept_iterator(loader):
            notes.append(
                f"The {type(loader).__name__} keeps one iterator and its workers for all epochs: it was "
                "tuned as a plain DataLoader with persistent workers."
            )
        method = start_method or _start_method(loader.multiprocessing_context)
        made = cls(loader, method, is_loader, start_method is not None, notes=tuple(notes), ranks=ranks)
        made._refuse_short_epochs()
        return made

    @property
    def present(self) -> Settings:
        """The settings that the reader's loader has now."""
        loader = self.loader
        prefetch = loader.prefetch_factor if loader.num_workers else None
        stay = loader.persistent_workers or (loader.num_workers > 0 and _kept_iterator(loader))
        return Settings(loader.num_workers, prefetch or 2, stay)

    @property
    def is_streaming(self) -> bool:
        """Whether the dataset is iterable-style."""
        return isinstance(self.loader.dataset, IterableDataset)

    @property
    def is_huge(self) -> bool:
        """Whether indices are drawn at random with replacement, since the dataset is too large to shuffle."""
        sampler = self.loader.sampler
        return not self.is_loader and isinstance(sampler, RandomSampler) and sampler.replacement

    @property
    def divider(self) -> DistributedSampler[Any] | None:
        """Torch's sampler that gives each rank items of its own, if the loader has it."""
        samplers = (self.loader.sampler, getattr(self.loader.batch_sampler, "sampler", None))
        return next((each for each in samplers if isinstance(each, DistributedSampler)), None)

    @property
    def in_order(self) -> bool:
        """Whether the loader yields batches in order."""
        return bool(getattr(self.loader, "in_order", True))  # from torch 2.6 on

    @property
    def only_for_workers(self) -> dict[str, Any]:
        """The loader's arguments that torch refuses without workers, and what leaves each of them out."""
        loader = self.loader
        given: dict[str, tuple[Any, Any]] = {
            "prefetch_factor": (loader.prefetch_factor, None),
            "persistent_workers": (loader.persistent_workers, False),
            "timeout": (loader.timeout, 0),
            "multiprocessing_context": (loader.multiprocessing_context, None),
        }
        return {name: without for name, (value, without) in given.items() if value}

    @property
    def batches(self) -> int | None:
        """Batches of an epoch; ``None`` where the dataset does not say."""
        # Not of a copy, which would end the workers of the original with it, if its class does so.
        noted = vars(self.loader).get("_IterableDataset_len_called")
        try:
            return len(self.loader)
        except Exception as error:
            if self.is_streaming or isinstance(error, TypeError | NotImplementedError):
                return None
            raise
        finally:
            if "_IterableDataset_len_called" in vars(self.loader):
                vars(self.loader)["_IterableDataset_len_called"] = noted

    @cached_property
    def indices(self) -> Iterable[Any]:
        """The loader's own source of (batches of) indices."""
        loader = self.loader
        source: Iterable[Any] = loader.sampler if loader.batch_sampler is None else loader.batch_sampler
        if isinstance(source, Iterator) or isinstance(getattr(source, "sampler", None), Iterator):
            return Replayed(iter(source))
        return Cut(source, self.batches) if _kept_iterator(loader) else source

    @property
    def context(self) -> Any:
        """The multiprocessing context of all workers: the loader's own, whatever its class, if it has one."""
        own = None if self.is_asked_for else self.loader.multiprocessing_context
        return multiprocessing.get_context(self.start_method) if own is None else own

    def make(
        self,
        settings: Settings,
        *,
        sampler: Callable[[Iterable[Any]], Iterable[Any]] | None = None,
        timeout_s: float = 0.0,
        is_plain: bool = False,
        **attributes: Any,
    ) -> DataLoader[Any]:
        """A new loader with ``settings``.

        ``sampler`` makes another source of (batches of) indices from the loader's own. ``timeout_s`` is how
        many seconds a worker that runs may take for a batch. What ``is_plain`` is of torch's own class, so
        that no subclass does anything to batches. ``attributes`` replace any others, ``dataset`` and
        ``collate_fn`` for instance.
        """
        workers = settings.num_workers
        source = "batch_sampler" if self.loader.batch_sampler is not None else "sampler"
        indices = self.indices if sampler is None else sampler(self.indices)
        kind = DataLoader if is_plain or _kept_iterator(self.loader) else type(self.loader)
        twin: DataLoader[Any] = _copy(self.loader, kind)
        # Past DataLoader.__setattr__, which refuses some of these, and __init__, which warns of more
        # workers than cores each time.
        vars(twin).update(
            {
                source: indices,
                "num_workers": workers,
                "prefetch_factor": settings.prefetch_factor if workers else None,
                "persistent_workers": settings.persistent_workers and workers > 0,
                "timeout": timeout_s if workers else 0,
                "_iterator": None,
                "_IterableDataset_len_called": None,  # which len() above has set, and epochs would warn of
                **attributes,
            }
        )
        # A property, which torchdata's StatefulDataLoader keeps under a name of its own.
        twin.multiprocessing_context = self.context if workers else None
        if workers:
            watch(twin, self.waits)
        return twin

    def _refuse_short_epochs(self) -> None:
        batches = self.batches
        if batches is None or batches > 1:
            return
        counted = self.divider or self.loader.dataset
        items = len(counted) if isinstance(counted, Sized) else None
        raise ValueError(too_short(batches, items))


def _copy(loader: DataLoader[Any], kind: type[Any] | None = None) -> Any:
    # Not by copy.copy: a class whose __getattr__ asks another loader asks for that for ever in an empty copy.
    twin = object.__new__(kind or type(loader))
    held = {name: each for name, each in vars(loader).items() if not isinstance(each, _BaseDataLoaderIter)}
    vars(twin).update(held)
    return twin


def _kept_iterator(loader: DataLoader[Any]) -> bool:
    """Whether its class keeps an iterator of its own, as those do that never end their workers.

    A copy would go on with the workers of the original.
    """
    return any(
        isinstance(held, _BaseDataLoaderIter) for name, held in vars(loader).items() if name != "_iterator"
    )


def _start_method(context: Any) -> str:
    """Of a loader's context, by its class if its name is unknown; of the usual one for ``None``."""
    known = multiprocessing.get_all_start_methods()
    default = multiprocessing.get_start_method(allow_none=True) or known[0]
    if context is None:
        return default
    if (own := context.get_start_method()) in known:
        return str(own)
    return next(
        (name for name in known if isinstance(context, type(multiprocessing.get_context(name)))), default
    )
