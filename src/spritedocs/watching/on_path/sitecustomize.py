"""Runs first in every Python that ``spritedocs watch -- COMMAND`` starts, which finds it on PYTHONPATH.

It leaves ``sys.path`` as it would be, waits for the import of torch's loaders, and gives way to the
``sitecustomize`` that would have run here. It fails for nothing, also where spritedocs is not installed.
It is written so that any Python can read it, also one that is too old to be watched: without annotations
or f-strings, in ASCII.
"""
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import os
import sys

VARIABLE = "SPRITEDOCS_WATCH"
LOADERS = "torch.utils.data.dataloader"


class Finder:
    """Finds torch's loaders as others do, and has them watched once they are imported."""

    def find_spec(self, name, path=None, target=None):
        if name != LOADERS:
            return None
        try:
            others = [getattr(other, "find_spec", None) for other in sys.meta_path if other is not self]
            spec = next(filter(None, (find(name, path, target) for find in others if find)), None)
            if spec is not None:
                self._follow(spec.loader)
        except Exception as error:  # noqa: BLE001
            give_up(error)
            return None
        return spec

    def _follow(self, loader):
        execute = loader.exec_module

        def exec_module(module):
            loader.exec_module = execute
            execute(module)
            sys.meta_path[:] = [other for other in sys.meta_path if other is not self]
            watch(module)

        loader.exec_module = exec_module


def watch(module):
    """From now on every loader is watched."""
    try:
        import json

        if is_too_old():
            raise ImportError("it is too old")
        from spritedocs.watching.patching import patch

        patch(module.DataLoader, json.loads(os.environ[VARIABLE]), give_up)
    except Exception as error:  # noqa: BLE001
        give_up(error)


def is_too_old():
    return sys.hexversion < 0x030B0000


def give_up(error):
    """Say once why nothing is watched. In what this process starts nothing is either."""
    try:
        import json

        options = json.loads(os.environ.pop(VARIABLE))
        if is_too_old():
            remedy = "run the script with Python 3.11 or later"
        elif isinstance(error, ImportError):
            remedy = sys.executable + " -m " + options["install"]
        else:
            remedy = "please report it"
        why = type(error).__name__ + ": " + str(error)
        told = ("spritedocs: nothing is watched in ", sys.executable, " (", why, "): ", remedy, "\n")
        sys.stderr.write("".join(told))
    except Exception:  # noqa: BLE001 - it was said already, or nobody listens
        return


def begin():
    """Everything but giving way."""
    folder = os.path.dirname(__file__)  # noqa: PTH120 - pathlib is slow to import
    sys.path[:] = [entry for entry in sys.path if entry != folder]
    if VARIABLE not in os.environ or sys.hexversion < 0x03040000:  # whose finders are of another kind
        return
    if LOADERS in sys.modules:
        watch(sys.modules[LOADERS])
    else:
        sys.meta_path.insert(0, Finder())


begin()
del sys.modules["sitecustomize"]
__import__("sitecustomize")  # if there is no other, site goes on without
