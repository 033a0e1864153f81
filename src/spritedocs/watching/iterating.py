"""An epoch of a watched loader: the same batches, with a clock read around each ``next()``."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import IterableDataset

from spritedocs.timeline import accelerator
from spritedocs.timing import _item_counter, dismiss, finish_cuda_work
from spritedocs.watching.epochs import Epoch

if TYPE_CHECKING:
    from spritedocs.watching.watches import Watch

__all__ = ["Batches", "DeviceIdle", "replayed"]

ROUNDS_OF_UNKNOWN_LENGTH = 5
"""How often batches are handed out, the first time included, where nobody knows how many an epoch has."""

_UNREAD = 100
"""How many gaps between steps stay unread. The loop waits for a device that is not past them by then."""


class Batches:
    """The iterator of a watched loader. What it lacks is looked up in the loader's own."""

    is_open = False

    def __init__(
        self,
        watch: Watch,
        loader: Any,
        epoch: Epoch,
        keep: int | None = None,
        start: Callable[[Any], Iterator[Any]] = iter,
    ) -> None:
        """Times an epoch of ``loader`` into ``epoch``, and tells ``watch`` once it is over.

        ``keep`` is the number of batches after which these are handed out again; ``None`` if none are.
        """
        self.epoch, self._watch, self._loader, self._pid = epoch, watch, loader, os.getpid()
        self._clock = watch.clock
        self._idle: DeviceIdle | None = None
        self._count: Callable[[Any], int] | None = None
        self._ending = "left"
        self._began = self._last = began = self._clock()
        self._inner: Iterator[Any] = start(loader)
        self._advance = self._inner
        if keep:
            # No method, whose generator would keep this alive when a loop has left it.
            self._advance = replayed(watch, loader, self._inner, epoch, began, keep)
        self.is_open = True

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Any:
        if not self.is_open:
            return next(self._advance)
        if self._watch.synchronise:
            _finish_device_work()
        asked = self._clock()
        try:
            if self._idle is not None:
                self._idle.stepped()
        except Exception as error:  # noqa: BLE001
            self._give_up(error)
        try:
            batch = next(self._advance)
        except BaseException as error:
            self._raised(error, asked)
            del self  # else the epoch would last as long as somebody keeps the traceback
            raise
        try:
            self._received(batch, asked)
        except Exception as error:  # noqa: BLE001
            self._give_up(error)
        return batch

    def __len__(self) -> int:
        return len(self._inner)  # type: ignore[arg-type]

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """That of the loader's own iterator, for ``isinstance``."""
        return type(self._inner)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._inner.__reduce_ex__(protocol)  # which for a DataLoader's raises

    def __del__(self) -> None:
        self.stop()

    @property
    def span(self) -> tuple[float, float]:
        """When the epoch began, and when the loader was last heard of."""
        return self._began, self._last

    def stop(self) -> None:
        """Ends the epoch where the last batch was handed over: nobody asks for another.

        The loop has left it, or knows the length. Or the process ends, and this was kept till then.
        """
        if self.is_open:
            self._finish("done" if self.epoch.batches == _length(self._loader) else self._ending)

    def _received(self, batch: Any, asked: float) -> None:
        self._last = received = self._clock()
        epoch, self._ending = self.epoch, "left"
        if not epoch.batches:
            epoch.first_s = received - self._began
            if torch.cuda.is_initialized() and not self._watch.synchronise:  # type: ignore[no-untyped-call]
                self._idle = DeviceIdle(accelerator("cuda")[1])
        elif not epoch.kept:
            epoch.wait_s += received - asked
        epoch.batches += 1
        epoch.items += self._items(batch)
        if self._idle is not None:
            self._idle.handed_over()

    def _raised(self, error: BaseException, asked: float) -> None:
        epoch, self._last = self.epoch, self._watch.clock()
        self._ending = type(error).__name__
        if isinstance(error, Exception) and not isinstance(error, StopIteration):
            # The loop may catch it and go on, with the loader: a generator has ended. Else it is left.
            self._advance = self._inner
            epoch.wait_s += self._last - asked if epoch.batches else 0.0
            return
        epoch.end_s = self._last - asked if epoch.batches else 0.0
        self._finish("done" if isinstance(error, StopIteration) else self._ending)

    def _finish(self, ended: str) -> None:
        # A worker that was forked meanwhile has a copy of this.
        if not self.is_open or self._pid != os.getpid():
            return
        self.is_open = False
        self.epoch.seconds, self.epoch.ended = self._last - self._began, ended
        try:
            with suppress(RuntimeError):  # a device that failed is told of elsewhere
                self.epoch.idle_s = self._idle.total_s() if self._idle else None
                self.epoch.unseen = "" if self._watch.synchronise else _other_device()
            self._watch.ended(self.epoch, self._last)
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.is_open, self._idle = False, None
        self._watch.give_up(error)

    def _items(self, batch: Any) -> int:
        try:
            self._count = self._count or _item_counter(self._loader, batch)
            return int(self._count(batch))
        except Exception:  # noqa: BLE001 - a method of theirs, and no reason to stop a training
            return 1


def replayed(
    watch: Watch, loader: Any, batches: Iterator[Any], epoch: Epoch, began: float, keep: int
) -> Iterator[Any]:
    """The first ``keep`` of ``batches``, and then, for the rest of ``epoch``, the same from memory."""
    kept = []
    for batch in batches:
        kept.append(batch)
        yield batch
        if len(kept) == keep:
            break
    whole = _length(loader) or keep * ROUNDS_OF_UNKNOWN_LENGTH
    if len(kept) < keep or whole <= keep:
        return
    _finish_device_work()
    # One step more than waits: apart, so that each batch has one of both.
    stepped_s = watch.clock() - began - epoch.first_s - epoch.wait_s
    epoch.real_batch_s = stepped_s / keep + epoch.wait_s / (keep - 1)
    watch.replay_begins(keep)
    # Else workers would go on loading for a while. Accelerate's loader has them in another one, which it asks
    # for what it lacks, and which would be left with an iterator that is shut down.
    dismiss(getattr(loader, "base_dataloader", loader), batches)
    epoch.kept, again_from = keep, watch.clock()
    for number in range(keep, whole + 1):
        # Not at the end alone: a loop that leaves, or that knows the length, does not come back for it.
        if number > keep and (number % keep == 0 or number >= whole - 1):
            _finish_device_work()
            epoch.free_batch_s = (watch.clock() - again_from) / (number - keep)
        if number < whole:
            yield kept[number % keep]


class DeviceIdle:
    """For how long a device waited between two steps, by stamps in its stream."""

    def __init__(self, device: Any) -> None:
        """``device`` stamps, as ``timeline.accelerator`` gives it."""
        self._device, self._before, self._seconds = device, None, 0.0
        self._gaps: deque[tuple[Any, Any]] = deque()

    def stepped(self) -> None:
        """Called when a step has been launched."""
        self._before = self._before or self._device.stamp()  # the loader may be asked again after an error

    def handed_over(self) -> None:
        """Called when the next one is about to be."""
        if self._before is not None:
            self._gaps.append((self._before, self._device.stamp()))
            self._before = None
        if len(self._gaps) > _UNREAD:
            self._read()

    def total_s(self) -> float:
        """Seconds, in all, once the device has reached the last step."""
        while self._gaps:
            self._read()
        return self._seconds

    def _read(self) -> None:
        before, after = self._gaps.popleft()
        after.synchronize()
        self._seconds += before.elapsed_time(after) / 1e3


def _length(loader: Any) -> int | None:
    """How many batches an epoch has, where that is known: of a stream torch only guesses."""
    if isinstance(getattr(loader, "dataset", None), IterableDataset):
        return None
    try:
        return len(loader)
    except Exception:  # noqa: BLE001 - a method of theirs
        return None


def _other_device() -> str:
    """The accelerator in use whose steps no events time; empty if none."""
    if torch.xpu.is_initialized():  # type: ignore[no-untyped-call]
        return "XPU"
    return "MPS" if torch.backends.mps.is_available() and torch.mps.current_allocated_memory() else ""


def _finish_device_work() -> None:
    finish_cuda_work()
    if _other_device():
        torch.accelerator.synchronize()
