"""What tuning found: the settings to use, what they gain, and all that was predicted and measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spritedocs.machine import Machine
from spritedocs.model import Costs, Settings
from spritedocs.report import Measurement
from spritedocs.tuning.diagnosis import Remedy

__all__ = ["Candidate", "Tuning"]


@dataclass(frozen=True)
class Candidate:
    """Settings that were tried, or only predicted."""

    settings: Settings
    predicted_items_per_s: float
    """What the model expects of an epoch whose workers are there already."""
    measured: Measurement | None = None
    """Of whole epochs, in the unit of the throughput: their start, then the pace that slices showed. From the
    final rounds with an interval, from what led to them without."""
    against_best: Measurement | None = None
    """Its throughput over that of the fastest one, in ×; ``None`` outside the final rounds."""
    memory_mb: float | None = None
    """The most that any of its workers held for itself, in MB, if only for a moment."""

    def as_json(self) -> dict[str, Any]:
        """The candidate as ``spritedocs tune --json`` prints it."""
        return {
            **self.settings._asdict(),
            "predicted_items_per_s": self.predicted_items_per_s,
            "measured": self.measured and self.measured.as_json(),
            "against_best": self.against_best and self.against_best.as_json(),
            "memory_mb": self.memory_mb,
        }


@dataclass(frozen=True)
class Tuning:
    """The settings to use, and why. ``spritedocs.tune`` gives it."""

    recommended: Mapping[str, Any]
    """Arguments for ``DataLoader``: ``{"num_workers": 0}``, or with ``prefetch_factor`` and
    ``persistent_workers``."""
    line: str
    """The call to copy."""
    throughput: Measurement
    """Of the recommended settings, in items/s, or in batches/s where a stream makes its own batches; the step
    and the start of an epoch included."""
    gain: Measurement | None
    """Throughput of the recommended over the present settings, in ×; no interval if they are the same.
    ``None`` where there is a ``doubt``, or where the present settings cannot load."""
    present: Settings
    """The settings that the loader had; no workers for a dataset that came without."""
    diagnosis: str
    """What holds the present settings up: one of ``spritedocs.tuning.diagnosis.DIAGNOSES``."""
    remedies: tuple[Remedy, ...]
    candidates: tuple[Candidate, ...]
    """By workers, then by ``prefetch_factor``. The present settings are among them; with workers that start
    anew in each epoch they are there twice, once with workers that stay."""
    costs: Costs
    batch_size: float
    batches: int | None
    """Batches of an epoch; ``None`` where the dataset does not say."""
    step_s: float
    """Seconds of the step for each batch."""
    epoch_start_s: float
    """Seconds at the start of an epoch in which a stream or a sampler gives nothing yet."""
    data_wait_share: float
    """The share of an epoch, 0 to 1, in which the loop waits for data with the present settings."""
    start_method: str
    machine: Machine
    seconds_spent: float
    doubt: str = ""
    """Why what was measured contradicts what one worker showed, if it does."""
    warnings: tuple[str, ...] = ()
    ranks: int = 1
    """How many loaded at once; all figures are one rank's."""

    def as_json(self) -> dict[str, Any]:
        """The result as ``spritedocs tune --json`` prints it."""
        return {
            "recommended": dict(self.recommended),
            "line": self.line,
            "throughput": self.throughput.median,
            "interval": self.throughput.interval and list(self.throughput.interval),
            "unit": self.throughput.unit,
            "gain": self.gain and self.gain.median,
            "gain_interval": self.gain and self.gain.interval and list(self.gain.interval),
            "doubt": self.doubt,
            "present": self.present._asdict(),
            "diagnosis": self.diagnosis,
            "remedies": [asdict(remedy) for remedy in self.remedies],
            "candidates": [candidate.as_json() for candidate in self.candidates],
            "costs": _costs(self.costs),
            "batch_size": self.batch_size,
            "batches": self.batches,
            "step_s": self.step_s,
            "epoch_start_s": self.epoch_start_s,
            "data_wait_share": self.data_wait_share,
            "start_method": self.start_method,
            "ranks": self.ranks,
            "machine": asdict(self.machine),
            "seconds_spent": self.seconds_spent,
            "warnings": list(self.warnings),
        }


def _costs(costs: Costs) -> dict[str, Any]:
    """The costs with the items' mean, median and largest instead of every one of them."""
    found = asdict(costs)
    for name in ("item_s", "item_cpu_s"):
        values = sorted(found.pop(name))
        found[name] = {
            "mean": sum(values) / len(values),
            "median": values[len(values) // 2],
            "largest": values[-1],
            "count": len(values),
        }
    return found
