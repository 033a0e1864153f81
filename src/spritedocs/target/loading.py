"""The reader's own code: finding what ``file.py:callable`` names, and saying what is wrong with it.

Misuse raises ``TargetError``; what fails inside the reader's code raises ``their_errors.TheirError``.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from spritedocs.target.files import TargetError, check_file, current_folder, defined, nearest, shown
from spritedocs.target.their_errors import TheirError, failed

__all__ = ["Target", "TargetError", "load", "load_step"]


_FORM = "path/to/file.py:callable or module:callable"


@dataclass(frozen=True)
class Target:
    r"""A name in the reader's code.

    Examples:
        >>> print(Target("sprites/mine.py", "make"))
        sprites/mine.py:make
        >>> Target.parse("package.module:Class.default").is_file
        False
    """

    place: str
    """The module, or the path of the file, as it was given."""
    name: str
    """What is looked up there; dots lead from a class to what it holds."""

    @classmethod
    def parse(cls, text: str) -> Target:
        """Take ``text`` apart, and see whether its file exists. Runs no code; raises ``TargetError``."""
        if current_folder() is None:  # where torch itself cannot be imported
            raise TargetError("The current folder has been deleted: change to one that exists, as by 'cd ~'.")
        if not text.strip():
            raise TargetError(
                f"{text!r:.9} names nothing, as of a variable that is not set: write it as {_FORM}."
            )
        place, _, name = text.rpartition(":")
        # The colon of a drive, as in C:\sprites.py, parts no name from it.
        is_name = all(part.isidentifier() for part in name.split("."))
        if not place.strip() or ":" in place[2:] or not is_name:
            place = place if place.endswith(".py") else text.rstrip(":")
            names = defined(Path(place))
            form = f"{place}:{names[0]}" if names else _FORM
            raise TargetError(f"{_quoted(text)} does not say what to call there: write it as {form}.")
        target = cls(place, name)
        if target.is_file:
            check_file(Path(place))
        elif not all(part.strip() == part != "" and "\0" not in part for part in place.split(".")):
            raise TargetError(f"{_quoted(place)} is no name of a module: write the target as {_FORM}.")
        return target

    @property
    def is_file(self) -> bool:
        """Whether ``place`` is the path of a file."""
        return self.place.endswith((".py", ".ipynb")) or bool(re.search(r"[/\\]", self.place))

    def __str__(self) -> str:
        return f"{self.place}:{self.name}"


def _quoted(text: str) -> str:
    return repr(text) if len(text) <= 120 else shown(text)


def load(text: str) -> Any:
    """The dataset or ``DataLoader`` that ``text`` names: what calling it gives, or the object itself.

    A file is imported by its own name, its folder first on ``sys.path``, so that workers find its classes
    however they are started; a file of a package as its module. A module is looked for in the current
    folder first. Raises ``TargetError`` and ``TheirError``.
    """
    from spritedocs.target.dataset_kinds import complaint, dataset_of, is_something_else, is_stream

    target = Target.parse(text)
    found, verb = _found(target), "is"
    if isinstance(found, type) or (callable(found) and not is_something_else(found) and complaint(found)):
        found, verb = _called(target, found), "gives"
    found = unwatched(found)
    if why := complaint(found):
        raise TargetError(f"{target} {verb} {why}.")
    # A loader, and a stream, load without a length.
    _check_length(target, dataset_of(found), is_needed=found is dataset_of(found) and not is_stream(found))
    return found


def unwatched(thing: Any) -> Any:
    """The loader in what ``spritedocs.watch`` returned, of which nothing is told any more; else ``thing``."""
    end_watching = getattr(type(thing), "_spritedocs_end_watching", None)  # isinstance() would be misled
    return thing if end_watching is None else end_watching(thing)


def load_step(text: str) -> Callable[[Any], object]:
    """The callable that ``text`` names, to be called with a batch. Raises as ``load`` does."""
    from spritedocs.target.dataset_kinds import kind_of

    target = Target.parse(text)
    found: Any = _found(target)
    if isinstance(found, type) or not callable(found):
        kind = "a class" if isinstance(found, type) else kind_of(found)
        raise TargetError(f"The step {target} is {kind}: name a function that is called with a batch.")
    if why := _refusal(found, "batch"):
        raise TargetError(f"The step {target} is called with a batch and nothing else: {why}.")
    return found  # type: ignore[no-any-return]


def _found(target: Target) -> Any:
    found: Any = _module(target)
    own = found.__name__
    for part in target.name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            known = [
                name
                for name, value in getattr(found, "__dict__", {}).items()
                if not name.startswith("_") and getattr(value, "__module__", None) == own
            ]
            raise TargetError(
                f"{target.place} has no {shown(target.name)}{nearest(part, known, 'it has')}"
            ) from None
    return found


def _module(target: Target) -> ModuleType:
    importlib.invalidate_caches()  # the file may be younger than the last look into its folder
    name, here = target.place, str(Path.cwd())
    if target.is_file:
        path = Path(target.place).resolve()
        names, top, folder = [path.stem], path, path.parent
        while (folder / "__init__.py").is_file():
            names.insert(0, folder.name)
            top, folder = folder / "__init__.py", folder.parent
        name = ".".join(names).removesuffix(".__init__")
        sys.path[:0] = dict.fromkeys((str(folder), str(path.parent)))
        _check_not_hidden(names[0], top)
    else:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except BaseException as error:  # SystemExit and the like, too
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and not target.is_file and f"{name}.".startswith(f"{missing}."):
            remedy = nearest(missing, _modules(missing), "")
            raise TargetError(f"There is no module {shown(missing)} in {here} or installed{remedy}") from None
        raise TheirError(failed(f"Importing {target.place}", error)) from error


def _check_not_hidden(name: str, path: Path) -> None:
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # of __main__
        spec = None
    origin = (spec and spec.origin) or "a part of Python"
    if Path(origin).resolve() != path:
        raise TargetError(f"{path} cannot be imported, since {name!r} is already {origin}: rename it.")


def _called(target: Target, found: Callable[..., Any]) -> Any:
    if why := _refusal(found):
        raise TargetError(f"{target} is called without arguments: {why}; name a function that needs none.")
    try:
        return found()
    except BaseException as error:
        raise TheirError(failed(f"Calling {target}", error)) from error


def _refusal(found: Callable[..., Any], *arguments: str) -> str:
    """Why ``found`` cannot be called so, or ``""``."""
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return ""  # one written in C need not say
    try:
        signature.bind(*arguments)
    except TypeError as error:
        return str(error).replace("argument:", "argument")
    return ""


def _check_length(target: Target, dataset: Any, is_needed: bool) -> None:
    """Raise for a dataset that is empty, or cannot be counted where that ``is_needed``."""
    if not hasattr(type(dataset), "__len__"):
        return
    try:
        length = len(dataset)
    except Exception as error:
        if not is_needed:
            return
        raise TheirError(failed(f"The __len__ of what {target} gives", error)) from error
    if length == 0:
        raise TargetError(
            f"What {target} gives has no items, its length is 0: see what it looks for, and where."
        )


def _modules(name: str) -> list[str]:
    package, dot, _ = name.rpartition(".")
    places = getattr(sys.modules.get(package), "__path__", None) if dot else None
    return [found.name for found in pkgutil.iter_modules(places, package + dot)]
