"""Steps of training, timed or stood in for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from spritedocs.tuning import steps
from spritedocs.tuning.steps import TimedStep


def test_work_that_was_only_launched_belongs_to_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, which goes on after the step has returned."""
    clock = SimpleNamespace(now_s=0.0, perf_counter=lambda: clock.now_s, process_time=lambda: clock.now_s / 4)
    monkeypatch.setattr(steps, "time", clock)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(
        torch.cuda, "memory_reserved", lambda device: 64 * (device == 1)
    )  # not the current one
    waited = []

    def synchronize(device: int) -> None:
        waited.append(device)
        clock.now_s += 2

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    step = TimedStep(lambda batch: None)
    for batch in range(3):
        step(batch)
    assert waited == [1, 1, 1]
    # Not the first, which may compile.
    assert (step.count, step.seconds, step.mean_s, step.cpu_share) == (2, 4, 2, 0.25)
