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
import sysconfig
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType, FunctionType
from typing import TYPE_CHECKING, Any

from spritedocs.guide import install

if TYPE_CHECKING:
    from spritedocs.watching.watches import Watch

__all__ = ["environment", "patch"]

VARIABLE = "SPRITEDOCS_WATCH"
"""Has the options, as an object of JSON. ``sitecustomize`` knows it too."""

_FOLDER = Path(__file__).with_name("on_path")
_MADE = "_spritedocs_made"
_THEIRS: weakref.WeakSet[Any] = weakref.WeakSet()
"""The loaders that the reader's own code has made itself."""
_INSTALLED = tuple(f"{part}{os.sep}" for part in (f"{os.sep}site-packages", f"{os.sep}dist-packages", ".exe"))


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
    """Have every epoch of torch's class ``loaders``, and of classes made of it, watched in this process.

    If ours fails, ``give_up`` is told why, and loaders go on as they are.
    """
    works = True

    def making(make: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(make)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            make(self, *args, **kwargs)
            with suppress(Exception):
                _note(self, sys._getframe(1))

        return __init__

    def iterating(iterate: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
        @functools.wraps(iterate)
        def __iter__(self: Any) -> Iterator[Any]:
            nonlocal works
            found = None
            try:
                found = _watch(self, options, sys._getframe(1)) if works else None
            except Exception as error:  # noqa: BLE001
                works = False
                give_up(error)
            return iterate(self) if found is None else found.begin(self, iterate)

        return __iter__

    def follow(kind: Any) -> None:
        for name, wrapped in (("__init__", making), ("__iter__", iterating)):
            if isinstance(own := vars(kind).get(name), FunctionType):
                setattr(kind, name, wrapped(own))

    def __init_subclass__(kind: Any, /, **kwargs: Any) -> None:
        super(loaders, kind).__init_subclass__(**kwargs)
        with suppress(Exception):
            follow(kind)

    follow(loaders)
    loaders.__init_subclass__ = classmethod(__init_subclass__)


def _watch(loader: Any, options: Mapping[str, Any], caller: FrameType) -> Watch | None:
    """What watches ``loader``; ``None`` where it is read for another one that is watched, or by a worker."""
    from torch.utils.data import get_worker_info

    from spritedocs.watching.iterating import Batches
    from spritedocs.watching.watches import watch_of

    inside = (Batches.__init__.__code__, Batches.__next__.__code__)
    if get_worker_info() is not None or any(frame.f_code in inside for frame in _frames(caller)):
        return None
    file, line, function = getattr(loader, _MADE, ("DataLoader", 0, ""))
    place = f"{line}, {function}" if function else str(line)
    found = watch_of(loader, f"{file}:{place}", f"{Path(file).name}:{place}", alike_will_do=True)
    found.report, found.synchronise = options["report"] and Path(options["report"]), options["synchronise"]
    found.to_synchronise = "'spritedocs watch --synchronise'"
    return found


def _note(loader: Any, caller: FrameType) -> None:
    """Note the line that makes ``loader``: of the reader's own code, if any of that is under way.

    The constructor of a subclass ends last, and knows best. What a framework makes of a loader of theirs,
    with its data, keeps the name of that. What one makes by itself has that of the function in it, such as
    ``get_eval_dataloader``.
    """
    frames = [frame for frame in _frames(caller) if not _is_torch_s(frame)] or [caller]
    own = (frame for frame in frames if not _is_installed(frame.f_code.co_filename))
    made = next(own, frames[0])
    theirs = [frame.f_code.co_name for frame in frames[: frames.index(made)]]
    function = next((name for name in reversed(theirs) if "dataloader" in name), "")
    vars(loader)[_MADE] = made.f_code.co_filename, made.f_lineno, function
    if made is frames[0]:
        _THEIRS.add(loader)
        return
    former = {vars(other)[_MADE] for other in _THEIRS if getattr(other, "dataset", None) is loader.dataset}
    if len(former) == 1:
        vars(loader)[_MADE] = former.pop()


def _frames(innermost: FrameType | None) -> Iterator[FrameType]:
    while innermost is not None:
        yield innermost
        innermost = innermost.f_back


def _is_torch_s(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "torch"


def _is_installed(file: str) -> bool:
    file = os.path.normcase(file)
    return file.startswith(("<frozen ", *_folders())) or any(part in file for part in _INSTALLED)


@functools.cache
def _folders() -> tuple[str, ...]:
    """Of the standard library, and of console scripts such as ``litgpt``."""
    found = (os.path.dirname(os.__file__), sysconfig.get_path("scripts"))  # noqa: PTH120
    return tuple(os.path.normcase(folder) + os.sep for folder in found)
