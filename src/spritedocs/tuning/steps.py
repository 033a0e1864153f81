"""Steps of training, timed or stood in for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from spritedocs.tuning.failures import StepError

__all__ = ["StandIn", "TimedStep", "Waiting"]


class TimedStep:
    """A step, and what it was seen to take; not the first time, when it may compile or wake a GPU."""

    def __init__(self, step: Callable[[Any], object]) -> None:
        self.step, self.seconds, self.cpu_seconds = step, 0.0, 0.0
        self.count = 0
        self._is_warm = False

    def __call__(self, batch: Any) -> None:
        begun, begun_cpu = time.perf_counter(), time.process_time()
        try:
            self.step(batch)
            _finish_cuda_work()  # else work that has only been launched would look done
        except Exception as error:
            raise StepError("the step failed") from error
        if self._is_warm:
            self.seconds += time.perf_counter() - begun
            self.cpu_seconds += time.process_time() - begun_cpu
            self.count += 1
        self._is_warm = True

    @property
    def mean_s(self) -> float:
        """Seconds that it takes."""
        return self.seconds / self.count if self.count else 0.0

    @property
    def cpu_share(self) -> float:
        """How many cores it keeps busy, 0 to 1."""
        return min(1.0, self.cpu_seconds / self.seconds) if self.seconds else 0.0


def _finish_cuda_work() -> None:
    """Wait for each GPU that this process uses: the step's need not be the current one."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        for device in range(torch.cuda.device_count()):
            if torch.cuda.memory_reserved(device):
                torch.cuda.synchronize(device)


class Waiting:
    """A step that waits, as the main process does while a GPU computes."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, batch: Any) -> None:
        time.sleep(self.seconds)


class StandIn:
    """A step that takes ``seconds``, and computes for ``cpu_share`` of them: another rank's."""

    def __init__(self, seconds: float, cpu_share: float) -> None:
        self.seconds, self.cpu_share = seconds, cpu_share

    def __call__(self, batch: Any) -> None:
        ends, computed = time.perf_counter() + self.seconds, time.thread_time()
        while time.thread_time() < computed + self.seconds * self.cpu_share:
            pass
        time.sleep(max(0.0, ends - time.perf_counter()))
