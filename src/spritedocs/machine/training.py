"""Where to train on this machine, beside how many helpers, and what to say when the GPU fails."""

from __future__ import annotations

import re
import warnings

from spritedocs.machine.accelerator import gpu_absence, gpu_failure
from spritedocs.machine.not_here import GpuEnded
from spritedocs.machine.parallelism import usable_cores

__all__ = ["gpu_ended", "helpers_for", "training_device", "without_gpu"]


def gpu_ended(error: RuntimeError) -> GpuEnded | None:
    """A sentence to end a run with, if ``error`` is a failure of the GPU that ``gpu_failure`` knows.

    Examples:
        >>> gpu_ended(RuntimeError("shapes differ")) is None
        True
    """
    if (why := gpu_failure(str(error))) is None:
        return None
    wanted = re.search(r"Tried to allocate ([\d.]+ \w+)", str(error))
    more = f" ({wanted[1]} more was wanted)" if wanted else ""
    return GpuEnded(
        f"The run ended, because {why}{more}. With CUDA_VISIBLE_DEVICES set to nothing it uses the processor."
    )


def training_device() -> str:
    """``"cuda"`` where torch can use a GPU through it, else ``"cpu"``; nothing warns of a driver."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return "cuda" if torch.cuda.is_available() else "cpu"


def without_gpu(device: str) -> list[str]:
    """What has to be said of figures that were measured on ``device``: nothing of a GPU's.

    Where torch is built for a GPU the first sentence says why none was used.
    """
    import torch

    if device != "cpu":
        return []
    absence = [f"No GPU was used, because {gpu_absence()}."] if torch.version.cuda else []
    return [*absence, "Without a GPU, helpers and model share the cores."]


def helpers_for(device: str) -> int:
    """How many helpers to begin with for a model on ``device``: one a usable core, at most 8.

    Where the processor trains, the model needs one of the cores.
    """
    cores = usable_cores()
    return min(8, max(1, cores - 1) if device == "cpu" else cores)
