"""What items take for a moment counts as memory of a worker."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from spritedocs.machine import MemoryUse, worker_memory_mb
from spritedocs.timing import dismiss
from spritedocs.tuning import peak_memory
from spritedocs.tuning.peak_memory import peak_worker_memory_mb

MOMENT_MB = 200


class Momentary(Dataset[Any]):
    """Each item takes much for a moment, and holds little."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return torch.tensor(len(b"x" * (MOMENT_MB * 1_000_000)))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells the highest")
def test_the_moment_counts(servers: None) -> None:
    loader: DataLoader[Any] = DataLoader(Momentary(), None, num_workers=1, persistent_workers=True)
    for _ in loader:
        pass
    resting, peak = worker_memory_mb(loader), peak_worker_memory_mb(loader)
    dismiss(loader)
    assert resting is not None
    assert peak is not None
    assert peak > resting + 0.9 * MOMENT_MB
    assert peak_worker_memory_mb(loader) is None


@pytest.mark.parametrize(
    ("use", "status", "peak"),
    [
        (MemoryUse(7, 300.0, 50.0, 90.0), "VmPeak:\t 9 kB\nVmHWM:\t 500000 kB\n", 50 + 512 - 300),
        (MemoryUse(7, 300.0, None, None), "VmHWM:\t 500000 kB\n", 512),
        (MemoryUse(7, 300.0, 50.0, None), "VmHWM:\t 1 kB\n", 50),
        (MemoryUse(7, 300.0, 50.0, None), "Name: python\n", 50),
        (MemoryUse(7, 300.0, 50.0, None), None, 50),
    ],
)
def test_what_is_not_told_does_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, use: MemoryUse, status: str | None, peak: float
) -> None:
    monkeypatch.setattr(peak_memory, "PROC", tmp_path)
    monkeypatch.setattr(peak_memory, "worker_pids", lambda loader: (7,))
    monkeypatch.setattr(peak_memory, "memory_of", lambda pid: use)
    if status is not None:
        (tmp_path / "7").mkdir()
        (tmp_path / "7" / "status").write_text(status, encoding="utf-8")
    elif sys.platform == "win32":
        return
    assert peak_worker_memory_mb(None) == pytest.approx(peak)
