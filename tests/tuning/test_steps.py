"""Steps of training, timed or stood in for."""

from __future__ import annotations

import time

import pytest
import torch

from spritedocs.tuning.steps import TimedStep


def test_work_that_was_only_launched_belongs_to_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, which goes on after the step has returned."""
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: time.sleep(0.2))
    step = TimedStep(lambda batch: None)
    for batch in range(3):
        step(batch)
    assert step.seconds >= 0.4
    assert step.cpu_share < 0.5
