"""What runs inside a worker to note what each item costs there, and who holds Python's lock.

Batches are noted in turns: as a whole, item by item, and with a thread that watches the lock. Reading
clocks for every item, or a second thread, would make cheap items look dear: so the whole batches say how
long loading takes, and the others only how it is divided.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

from torch.utils.data import Subset

from spritedocs.timeline import Wrapped
from spritedocs.tuning.lock_watch import NAP_S, LockWatch

__all__ = [
    "NAP_S",
    "BatchError",
    "CollateProbe",
    "ItemError",
    "ItemProbe",
    "Note",
    "Notebook",
    "Probed",
    "StreamProbe",
    "items_in",
    "loads_whole_batches",
]

clock, processor = time.perf_counter, time.process_time

WHOLE, ITEMS, WATCHED = "whole", "items", "watched"
TURNS = (WHOLE, ITEMS, WHOLE, WATCHED)


class ItemError(RuntimeError):
    """What the dataset raised, with the item's number where it has one."""


class BatchError(RuntimeError):
    """A batch could not be collated, or not be pickled."""


class Note(NamedTuple):
    """How one batch was made. Clocks are ``time.perf_counter`` and the worker's ``time.process_time``."""

    turn: str
    """How it was noted: ``"whole"``, ``"items"`` or ``"watched"``."""
    begun_s: float
    begun_cpu_s: float
    loaded_s: float
    loaded_cpu_s: float
    collated_s: float
    collated_cpu_s: float
    items: int
    item_s: tuple[float, ...]
    """Seconds of each item, if noted item by item."""
    item_cpu_s: tuple[float, ...]
    late_s: float
    """How much later than asked for the watching thread woke up, in all, waiting for Python's lock."""
    asked: bool = False
    """Whether their code had asked which worker it runs in, until then."""


class Probed(NamedTuple):
    """A batch and its note, on their way to the main process."""

    batch: Any
    note: Note


class Notebook:
    """What dataset and collate_fn of one worker share while a batch is made."""

    def __init__(self) -> None:
        self.made = 0
        self.asked = False
        self.watch: LockWatch | None = None
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return Notebook, ()

    def close(self) -> None:
        """Forget the batch."""
        if self.watch is not None:
            self.watch.end()
        self.begun: tuple[float, float] | None = None
        self.item_s: list[float] = []
        self.item_cpu_s: list[float] = []
        self.watch = None
        self.items = 0

    @property
    def turn(self) -> str:
        """How this batch is noted."""
        return TURNS[self.made % len(TURNS)]

    def begin(self) -> None:
        """A batch is begun, if none was."""
        if self.begun is None:
            if self.turn == WATCHED:
                self.watch = LockWatch()  # before the clocks are read: to begin watching is not loading
            self.begun = clock(), processor()

    def get(self, load: Callable[[], Any], name: Callable[[], str]) -> Any:
        """What ``load`` gives: one item, noted if it is this batch's turn, and named if it fails."""
        self.begin()
        if self.turn != ITEMS:
            item = _told(load, name)
        else:
            begun_s, begun_cpu_s = clock(), processor()
            item = _told(load, name)
            self.item_s.append(clock() - begun_s)
            self.item_cpu_s.append(processor() - begun_cpu_s)
        self.items += 1  # only now: a stream may have ended instead
        return item

    def end(self, collate: Callable[[Any], Any], samples: Any) -> Probed:
        """The collated batch with its note."""
        loaded = clock(), processor()
        late_s = self.watch.end() if self.watch is not None else 0.0
        self.watch = None
        # Watching ends outside of what is noted as collating.
        begun, collating = self.begun or loaded, (clock(), processor())
        try:
            batch = collate(samples)
        except Exception as error:
            raise BatchError(f"a batch cannot be collated ({type(error).__name__}: {error})") from error
        collated_s = loaded[0] + clock() - collating[0]
        collated_cpu_s = loaded[1] + processor() - collating[1]
        if self.made == 0:
            # What cannot be pickled would be lost on its way, and the loader would wait for ever.
            try:
                ForkingPickler.dumps(batch)
            except Exception as error:
                kind = type(error).__name__
                raise BatchError(
                    f"a batch cannot be pickled to leave its worker ({kind}: {error})"
                ) from error
        note = Note(
            self.turn,
            *begun,
            *loaded,
            collated_s,
            collated_cpu_s,
            items=self.items,
            item_s=tuple(self.item_s),
            item_cpu_s=tuple(self.item_cpu_s),
            late_s=late_s,
            asked=self.asked,
        )
        self.made += 1
        self.close()
        return Probed(batch, note)


class ItemProbe(Wrapped):
    """A map-style dataset."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        notebook: Notebook = self._spritedocs_stopwatch
        item = notebook.get(lambda: self._spritedocs_inner[index], lambda: _item(index))
        notebook.items += items_in(index) - 1
        return item

    def __getitems__(self, indices: Any) -> Any:
        inner, notebook = self._spritedocs_inner, self._spritedocs_stopwatch
        if loads_whole_batches(inner):
            named = f"__getitems__({indices!r:.60})"
            samples = notebook.get(lambda: inner.__getitems__(indices), lambda: named)
        else:
            samples = [self[index] for index in indices]
        notebook.items = items_in(indices, is_batched=True)
        return samples


def items_in(index: Any, is_batched: bool = False) -> int:
    """How many items a loader fetches for what its source of indices gives.

    Without a batch size of its own, a list or an array is a batch; a tuple may be the index of one item.

    Examples:
        >>> items_in((4, 1, 7), is_batched=True), items_in([4, 1, 7]), items_in((5, 24)), items_in("a.png")
        (3, 3, 1, 1)
    """
    is_many = is_batched or isinstance(index, list) or getattr(index, "ndim", 0) == 1
    return len(index) if is_many and hasattr(index, "__len__") else 1


def loads_whole_batches(dataset: Any) -> bool:
    """Whether it loads the items of a batch at once. A ``Subset`` does if what it is a part of does."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    # As torch's fetcher asks; see torch/utils/data/_utils/fetch.py.
    return hasattr(dataset, "__getitems__") and bool(dataset.__getitems__)


class StreamProbe(Wrapped):
    """An iterable-style dataset."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        notebook: Notebook = self._spritedocs_stopwatch
        notebook.close()
        notebook.begin()
        items = _told(lambda: iter(self._spritedocs_inner), _stream)
        while True:
            try:
                yield notebook.get(lambda: next(items), _stream)
            except StopIteration:
                return


class CollateProbe:
    """A collate_fn whose batches carry a note."""

    def __init__(self, inner: Callable[[Any], Any], notebook: Notebook) -> None:
        self.inner, self.notebook = inner, notebook

    def __call__(self, samples: Any) -> Probed:
        return self.notebook.end(self.inner, samples)


def _told(load: Callable[[], Any], name: Callable[[], str]) -> Any:
    """``load()``; what it raises says by ``name`` which item it was."""
    try:
        return load()
    except (StopIteration, GeneratorExit):
        raise
    except BaseException as error:  # one that is no Exception, as of sys.exit(), would end the worker
        raise ItemError(f"{name()} raised {type(error).__name__}: {error}") from error


def _item(index: Any) -> str:
    return f"item {index:,}" if isinstance(index, int) else f"item {index!s:.60}"


def _stream() -> str:
    return "the stream"
