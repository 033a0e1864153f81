"""Whether a build runs examples, as its environment asks, and running them."""

from __future__ import annotations

import logging
import os
import sys

from mkdocs.exceptions import PluginError

from spritedocs.machine import Interrupted, interruptible, undisturbed
from spritedocs.recordings import ExampleError, Project

__all__ = ["CLAIMS", "EXECUTE", "asked", "recorded_here"]

log = logging.getLogger("mkdocs.plugins.spritedocs")

EXECUTE = ("never", "missing", "always")
ACCELERATOR = ("optional", "required")
"""What the environment variable SPRITEDOCS_ACCELERATOR may say of a build that runs examples."""
CLAIMS = ("required", "reported")
"""What the environment variable SPRITEDOCS_CLAIMS may say of claims that do not hold."""


def asked(variable: str, usually: str, known: tuple[str, ...]) -> str:
    """What an environment variable asks for; ``usually`` where it is empty or not set."""
    asked = os.environ.get(variable) or usually
    if asked not in known:
        raise PluginError(f"{variable} is {asked!r}: make it one of {', '.join(known)}.")
    return asked


def recorded_here(project: Project, everything: bool) -> str:
    """Record this machine's own figures, and return its short name. Raises ``PluginError`` in a sentence."""
    accelerator = asked("SPRITEDOCS_ACCELERATOR", "optional", ACCELERATOR)
    # Here, since it loads torch, and most builds run nothing.
    from spritedocs import machine
    from spritedocs.machine import gpu_absence
    from spritedocs.recordings import RecordError, record_own

    try:
        with interruptible():
            with undisturbed():
                described = machine.describe()
            if accelerator == "required" and described.gpu is None:
                raise PluginError(
                    "SPRITEDOCS_ACCELERATOR is 'required', and there is none to measure with, "
                    f"because {gpu_absence()}. Make it 'optional' to publish what a CPU measures."
                )
            return record_own(project, everything, log.info, described)
    except (ExampleError, RecordError) as error:
        raise PluginError(str(error)) from None
    except Interrupted as interruption:
        sys.exit(128 + interruption.signal_number)
