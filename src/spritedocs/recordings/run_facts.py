"""What a recording says of the run that made it, for readers of pages and of the terminal."""

from __future__ import annotations

from spritedocs.machine import GpuLoad, Machine
from spritedocs.recordings.recording import Recording

__all__ = ["facts"]


def facts(recording: Recording) -> list[str]:
    """What a reader has to know of a recording's run to believe its figures: plain text, a fact each."""
    machine = Machine.from_dict(recording.provenance["machine"])
    load = GpuLoad.from_dict(recording.provenance.get("gpu_busy"))
    return [
        machine.summary(),
        str(machine.os),
        f"Python {machine.python}",
        f"torch {machine.torch}",
        f"start method {machine.start_method}",
        *([f"GPU in use by something else ({load})"] if load else []),
        f"recorded {recording.recorded_at:%Y-%m-%d}",
    ]
