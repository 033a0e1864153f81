"""What went wrong with a reader's dataset, told in one sentence with a hint."""

from __future__ import annotations

import errno
import pickle
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spritedocs.errors import raised, said_by
from spritedocs.machine import GpuEnded, gpu_failure
from spritedocs.target import TheirError
from spritedocs.timing import TimingError
from spritedocs.tuning.probes import BatchError, ItemError
from spritedocs.tuning.worker_failures import as_torch_said, scarcity, worker_sentence
from spritedocs.tuning.worker_watch import WorkerError

__all__ = ["GAVE_NOTHING", "ArgumentError", "StepError", "TuneError", "told", "too_short"]

_PACKAGE = Path(__file__).parents[1]
GAVE_NOTHING = "yielded no batch"
"""``time_epoch``'s words for it."""


class TuneError(TheirError):
    """The dataset, its collate_fn or the step failed; ``__cause__`` is what they raised."""


class StepError(RuntimeError):
    """The step raised ``__cause__``."""


class ArgumentError(ValueError):
    """An argument cannot be used, which only loading has shown: a budget that is too small for instance."""


def too_short(batches: int, items: int | None) -> str:
    """Why an epoch of no batch or one cannot be tuned, and what would help.

    Examples:
        >>> too_short(0, 0)
        'the dataset is empty (length 0): give it items'
    """
    if items == 0:
        return "the dataset is empty (length 0): give it items"
    counted = "1 batch" if batches else "no batch"
    if items is not None:
        counted += f" ({items} item{'s' * (items != 1)})"
    return (
        f"an epoch has {counted}, so that workers have nothing to share: give the dataset more items, or "
        "choose a smaller batch size"
    )


@contextmanager
def told(start_method: str, timeout_s: float) -> Iterator[None]:
    """Turn what the reader's code raises in this block into a ``TuneError``.

    An ``ArgumentError`` stays, and so does what our own code raises: the dataset is not to blame for that.
    Workers are started by ``start_method``, and may take ``timeout_s`` seconds for a batch.
    """
    try:
        yield
    except (TuneError, ArgumentError):
        raise
    except GpuEnded as error:  # else the reader's script would end with it
        raise TuneError(str(error)) from error.__context__
    except Exception as error:  # the reader's code may raise anything
        passed_on = isinstance(error, TimingError | StepError) and isinstance(error.__cause__, Exception)
        if not passed_on and _is_ours(error):
            raise
        cause = error.__cause__ if passed_on else error
        assert isinstance(cause, Exception)
        # Torch tells of a worker that ended wherever the main process is, in the step for instance.
        ended = cause if isinstance(cause, WorkerError) else as_torch_said(said_by(cause))
        if ended is not None:
            sentence = worker_sentence(ended, start_method)
        elif isinstance(error, StepError):
            sentence = f"The step failed: {raised(cause)}; calling it with one batch shows where."
        else:
            sentence = _sentence(cause, start_method, timeout_s)
        raise TuneError(sentence) from cause


def _is_ours(error: Exception) -> bool:
    """Whether a function of ours raised it, and not on behalf of the reader's."""
    frames = traceback.extract_tb(error.__traceback__)
    raised_here = bool(frames) and Path(frames[-1].filename).is_relative_to(_PACKAGE)
    is_theirs = isinstance(error, ItemError | BatchError | WorkerError | MemoryError)
    is_theirs |= GAVE_NOTHING in said_by(error)
    return raised_here and not is_theirs


def _sentence(error: Exception, start_method: str, timeout_s: float) -> str:
    said, shown = said_by(error), raised(error)
    if meaning := gpu_failure(f"{type(error).__name__}: {said}"):
        return f"The dataset failed, because {meaning}."
    if "unable to allocate shared memory" in said:
        return (
            "/dev/shm is full: batches on their way must fit into it. 'spritedocs doctor' says how much that "
            "is; a smaller batch size takes less."
        )
    if getattr(error, "errno", None) == errno.EMFILE or "items of ancdata" in said:
        return (
            "Too many files are open: each worker needs some, and so does each tensor on its way. Raise the "
            "limit, as by 'ulimit -n 65536', or try fewer workers; 'spritedocs doctor' says what it is."
        )
    if scarce := scarcity(shown):
        return scarce
    if getattr(error, "errno", None) == errno.ENOSPC:
        return f"No room is left to write ({shown}): make some, or set TMPDIR to a folder with room."
    if GAVE_NOTHING in said:
        return (
            "The dataset gave batches at first, and then an epoch without one: let its __iter__ begin anew "
            "each time."
        )
    if isinstance(error, ItemError | BatchError):
        hint = (
            "give a DataLoader with a collate_fn of your own"
            if isinstance(error, BatchError)
            else "loading that item alone shows where, or else a DataLoader with num_workers=1"
        )
        return f"The dataset failed: {shown.partition(': ')[2]}; {hint}."
    if "DataLoader timed out after" in said:
        slow = "choose a smaller batch size, or a larger budget, half of which it may take"
        if start_method != "fork":
            return f"No batch came within {timeout_s:.0f} s: an item hangs, or a batch takes longer: {slow}."
        return (
            f"No batch came within {timeout_s:.0f} s. A forked worker has no threads, and waits for ever "
            "for a lock that one held, as with polars: choose --start-method spawn, or start_method='spawn' "
            "in Python. "
            f"If an item only takes long, {slow}."
        )
    if isinstance(error, pickle.PicklingError) or re.search(r"[Cc]an(?:'t|not) (?:pickle|get local)", said):
        return (
            f"The dataset cannot be pickled, which the start method {start_method!r} needs ({shown}): "
            "define classes and functions at the top level of a module, and open files in the worker."
        )
    return f"The dataset failed: {shown}; iterating over it in a loop shows where."
