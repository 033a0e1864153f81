"""Measured answers about PyTorch ``DataLoader`` workers: the code behind the guide.

Import what you need from the wings: ``spritedocs.sprites`` draws, ``spritedocs.datasets`` serves,
``spritedocs.timing`` measures, ``spritedocs.report`` shows. This file imports none of them, so that a worker
started by spawn or forkserver loads only what its dataset needs.

``spritedocs.tune`` is ``spritedocs.tuning.tune``, and ``spritedocs.watch`` is ``spritedocs.watching.watch``,
each loaded when it is first asked for.
"""

TYPE_CHECKING = False  # typing is slow to import, and until it is there the command heeds no signal
if TYPE_CHECKING:
    from typing import Any

    from spritedocs.tuning import tune as tune
    from spritedocs.watching import watch as watch

__version__ = "0.1.0"


def __getattr__(name: str) -> "Any":
    if name == "tune":
        from spritedocs.tuning import tune

        return tune
    if name == "watch":
        from spritedocs.watching import watch

        return watch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
