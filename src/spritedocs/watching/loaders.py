"""A loader that passes for the one it wraps, and whose epochs are timed."""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from torch.utils.data import get_worker_info

from spritedocs.timeline import Wrapped
from spritedocs.watching.watches import Watch, watch_of

__all__ = ["watch"]

_TAKEN_APART = "the loader is watched, and was taken apart: give the loader itself, not what watch() returned"

L = TypeVar("L", bound=Iterable[Any])


def watch(
    loader: L,
    *,
    name: str | None = None,
    report: str | Path | None = None,
    replay: int | None = None,
    synchronise: bool = False,
) -> L:
    """``loader``, whose epochs are timed and told on standard error as they end.

    ``for batch in watch(loader):`` is all that changes in a training loop: the batches are the loader's, and
    so is all else that is asked of what this returns. It says how long an epoch took, how much of that the
    loop waited inside ``next()``, and what to try. A loader that is watched already is returned as it is,
    and takes no options any more. After 100 epochs those below a second are no longer told, but for the table
    at the end of the process.

    A minor loader, such as one for validation, has no advice, but the part of the run that its waits take. It
    is one whose epoch took less than half of the run's time since its former epoch, and whose waits, start
    and end included, took less than 5% of that time. The run is the time in which any epoch was under way.

    ``loader`` is a ``torch.utils.data.DataLoader``, or anything else that yields batches. Of what goes
    through Accelerate's ``prepare()`` watch what that returns: it is another loader.
    ``name`` is what it is called, else the line that watches it. Where that is done again, with the same
    loader or once the former is gone, epochs are counted on.

    ``report`` is a file that has the epochs so far: an object if it ends in ``.json``, else a table. It is
    written after an epoch, at most once a second, and when the process ends. With several ranks each has its
    own, as in ``report-rank1.json``; the lines are told once, for all of them.

    ``replay`` is a test of what faster loading could bring: after so many batches of the next epoch, 2 or
    more, the rest of it consists of the same ones, from memory. It says how fast that was, and that the
    epoch must not count as training. Where the length is unknown, each is handed out 5 times in all.

    A GPU works on while the loop waits. Where CUDA is in use, the share is also told in which the current
    device had nothing to do, by events in its stream, which include copies made inside ``next()``. To read
    them the end of an epoch waits for the device, and a step for the one 100 before it. ``synchronise`` has
    no events: it waits for each step, which slows training down, and does so on MPS and XPU too.

    Examples:
        >>> loader = watch([[1, 2], [3]], name="numbers")
        >>> len(loader), list(loader)
        (2, [[1, 2], [3]])

    Raises ``TypeError`` for what yields no batches and ``ValueError`` for a ``replay`` below 2, a
    ``report`` in no folder, or an option for what is watched already. What the loader and the loop raise
    passes through.
    """
    if isinstance(loader, Watched):
        options = {"name": name, "report": report, "replay": replay, "synchronise": synchronise or None}
        if given := ", ".join(option for option, value in options.items() if value is not None):
            raise ValueError(
                f"the loader is watched already, and {given} would do nothing: give the loader itself"
            )
        return loader
    if not isinstance(loader, Iterable):
        raise TypeError(f"the loader is {loader!r:.60}, which yields no batches: give a DataLoader")
    if replay is not None and replay < 2:
        raise ValueError(f"replay is {replay}: give the number of batches to keep, 2 or more")
    path = None if report is None else Path(report).absolute()
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"report is {str(report)!r}, whose folder {path.parent} is not there: make it first")
    caller = sys._getframe(1)
    file, line = caller.f_code.co_filename, caller.f_lineno
    found = watch_of(loader, name or f"{file}:{line}", name or f"{Path(file).name}:{line}")
    found.report, found.replay, found.synchronise = path, replay, synchronise
    watched: L = _watched(loader, found)
    return watched


class Watched(Wrapped):
    """A loader that passes for the one it wraps, as Accelerate's own do, but for its epochs.

    Lightning makes a loader anew by its class, which therefore has the constructor of the wrapped one.
    """

    __slots__ = ("__weakref__", "_spritedocs_epoch")

    def __iter__(self) -> Iterator[Any]:
        # What a worker loads for others is no epoch of the training.
        if get_worker_info() is not None:
            return iter(self._spritedocs_inner)
        begun: Iterator[Any] = self._spritedocs_stopwatch.begin(self._spritedocs_inner)
        return begun

    def __getattr__(self, name: str) -> Any:
        if name in Wrapped.__slots__:  # this is no more than an instance of the class
            raise TypeError(_TAKEN_APART)
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "__class__":
            raise TypeError(_TAKEN_APART)
        super().__setattr__(name, value)

    def __bool__(self) -> bool:
        return bool(self._spritedocs_inner)

    def _spritedocs_end_watching(self) -> Any:
        """The loader itself, for ``spritedocs.tune``; what was never iterated over is not told of."""
        self._spritedocs_stopwatch.forget()
        return self._spritedocs_inner

    def __copy__(self) -> Any:
        make, (loader, *others) = self.__reduce__()
        return make(copy.copy(loader), *others)

    def __reduce__(self) -> tuple[Any, ...]:
        kept: Watch = self._spritedocs_stopwatch
        return _rewatched, (self._spritedocs_inner, kept.key, kept.title, kept.report, kept.synchronise)


def _watched(loader: Any, found: Watch) -> Any:
    made = object.__new__(_class_of(type(loader), found))  # type: ignore[arg-type]
    Wrapped.__init__(made, loader, found)
    return made


def _rewatched(loader: Any, key: str, title: str, report: Path | None, synchronise: bool) -> Any:
    found = watch_of(loader, key, title)
    found.report, found.synchronise = report, synchronise
    return _watched(loader, found)


@functools.cache
def _class_of(kind: Any, found: Watch) -> type[Watched]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        loader = kind(*args, **kwargs)
        found.serve(loader)
        Wrapped.__init__(self, loader, found)

    own: dict[str, Any] = {"__slots__": (), "__init__": functools.wraps(kind.__init__)(__init__)}
    if hasattr(kind, "__next__"):
        own["__next__"] = _next
    return type(kind.__name__, (Watched,), own)


def _next(watched: Any) -> Any:
    """The next batch of what is an iterator itself: of one epoch, which goes on from call to call."""
    try:
        epoch = object.__getattribute__(watched, "_spritedocs_epoch")
    except AttributeError:
        epoch = iter(watched)
        object.__setattr__(watched, "_spritedocs_epoch", epoch)
    return next(epoch)
