"""Watching every ``DataLoader`` of a script that knows nothing of it: ``spritedocs watch -- COMMAND``.

The command runs in the place of ours, with a folder on PYTHONPATH whose ``sitecustomize`` comes here when
torch's loaders are imported. torch itself is not whole by then, and what watches is loaded with the first
epoch: a worker, and a process that only starts others, never need it.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from spritedocs.guide import install

if TYPE_CHECKING:
    from spritedocs.watching.watches import Watch

__all__ = ["environment", "patch"]

VARIABLE = "SPRITEDOCS_WATCH"
"""Has the options, as an object of JSON. ``sitecustomize`` knows it too."""

_FOLDER = Path(__file__).with_name("on_path")
_MADE = "_spritedocs_made"
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def environment(
    base: Mapping[str, str], *, report: str | Path | None = None, synchronise: bool = False
) -> dict[str, str]:
    """``base``, with what it takes for a Python, and those that it starts, to watch every loader.

    Raises ``ValueError`` for a ``report`` in no folder.
    """
    path = None if report is None else Path(report).absolute()
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"{str(report)!r} is in {path.parent}, which is not there: make that folder first")
    options = {"report": path and str(path), "synchronise": synchronise, "install": install()}
    theirs = base.get("PYTHONPATH")
    return {
        **base,
        VARIABLE: json.dumps(options),
        "PYTHONPATH": f"{_FOLDER}{os.pathsep}{theirs}" if theirs else str(_FOLDER),
    }


def patch(loaders: Any, options: Mapping[str, Any], give_up: Callable[[Exception], object]) -> None:
    """Have every epoch of torch's class ``loaders`` watched, in this process.

    If ours fails, ``give_up`` is told why, and the loader goes on as it is.
    """
    make, iterate = loaders.__init__, loaders.__iter__

    @functools.wraps(make)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        with suppress(Exception):
            vars(self)[_MADE] = _their_line(sys._getframe(1))

    @functools.wraps(iterate)
    def __iter__(self: Any) -> Iterator[Any]:
        try:
            found = _watch(self, options, sys._getframe(1))
        except Exception as error:  # noqa: BLE001
            found = None
            loaders.__init__, loaders.__iter__ = make, iterate
            give_up(error)
        begun: Iterator[Any] = iterate(self) if found is None else found.begin(self, iterate)
        return begun

    loaders.__init__, loaders.__iter__ = __init__, __iter__


def _watch(loader: Any, options: Mapping[str, Any], caller: FrameType) -> Watch | None:
    """What watches ``loader``; ``None`` where it is read for another one that is watched, or by a worker."""
    from torch.utils.data import get_worker_info

    from spritedocs.watching.iterating import Batches
    from spritedocs.watching.watches import watch_of

    inside = (Batches.__init__.__code__, Batches.__next__.__code__)
    if get_worker_info() is not None or any(frame.f_code in inside for frame in _frames(caller)):
        return None
    file, line = vars(loader).get(_MADE, ("DataLoader", 0))
    found = watch_of(loader, f"{file}:{line}", f"{Path(file).name}:{line}")
    found.report, found.synchronise = options["report"] and Path(options["report"]), options["synchronise"]
    return found


def _their_line(caller: FrameType) -> tuple[str, int]:
    """Where the reader's own code makes a loader; if a package does it all by itself, where that does."""
    outside = [frame for frame in _frames(caller) if not _is_torch_s(frame)] or [caller]
    own = (frame for frame in outside if not _is_installed(frame.f_code.co_filename))
    made = next(own, outside[0])
    return made.f_code.co_filename, made.f_lineno


def _frames(innermost: FrameType | None) -> Iterator[FrameType]:
    while innermost is not None:
        yield innermost
        innermost = innermost.f_back


def _is_torch_s(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "torch"


def _is_installed(file: str) -> bool:
    standard = os.path.dirname(os.__file__)  # noqa: PTH120
    return file.startswith((standard + os.sep, "<frozen ")) or any(part in file for part in _INSTALLED)
