"""Runs first in every Python that ``spritedocs watch -- COMMAND`` starts, which finds it on PYTHONPATH.

It leaves ``sys.path`` as it would be, waits for the import of torch's loaders, and gives way to the
``sitecustomize`` that would have run here. It fails for nothing, also where spritedocs is not installed.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing is slow to import, and this runs in every Python
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

VARIABLE = "SPRITEDOCS_WATCH"
LOADERS = "torch.utils.data.dataloader"


class Finder:
    """Finds torch's loaders as others do, and has them watched once they are imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != LOADERS:
            return None
        found: Any = (other.find_spec(name, path, target) for other in sys.meta_path if other is not self)
        spec = next(filter(None, found), None)
        if spec is not None:
            try:
                self._follow(spec.loader)
            except Exception as error:  # noqa: BLE001
                give_up(error)
        return spec

    def _follow(self, loader: Any) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            loader.exec_module = execute
            execute(module)
            sys.meta_path[:] = [other for other in sys.meta_path if other is not self]
            watch(module)

        loader.exec_module = exec_module


def watch(module: ModuleType) -> None:
    """From now on every loader is watched."""
    try:
        import json

        from spritedocs.watching.patching import patch

        patch(module.DataLoader, json.loads(os.environ[VARIABLE]), give_up)
    except Exception as error:  # noqa: BLE001
        give_up(error)


def give_up(error: Exception) -> None:
    """Say once why nothing is watched. In what this process starts nothing is either."""
    try:
        import json

        options = json.loads(os.environ.pop(VARIABLE))
        is_absent = isinstance(error, ImportError)
        remedy = f"{sys.executable} -m {options['install']}" if is_absent else "please report it"
        why = f"{type(error).__name__}: {error}"
        sys.stderr.write(f"spritedocs: nothing is watched in {sys.executable} ({why}): {remedy}\n")
    except Exception:  # noqa: BLE001 - it was said already, or nobody listens
        return


def begin() -> None:
    """Everything but giving way."""
    folder = os.path.dirname(__file__)  # noqa: PTH120 - pathlib is slow to import too
    sys.path[:] = [entry for entry in sys.path if entry != folder]
    if VARIABLE not in os.environ:
        return
    if LOADERS in sys.modules:
        watch(sys.modules[LOADERS])
    else:
        sys.meta_path.insert(0, Finder())


begin()
del sys.modules["sitecustomize"]
__import__("sitecustomize")  # if there is no other, site goes on without
