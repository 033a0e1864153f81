"""How long a thread has to wait for Python's lock, while another one loads."""

from __future__ import annotations

import threading
import time
from functools import cache
from pathlib import Path

__all__ = ["NAP_S", "LockWatch"]

NAP_S = 0.0005
"""A tenth of the 5 ms after which Python takes the lock from a thread that computes."""
SCHEDULING = Path("/proc/thread-self/schedstat")


class LockWatch:
    """A thread that sleeps, and sums up how late it wakes: one that computes lets it wait for the lock.

    On a busy machine it wakes late as well, for want of a processor: that time is taken out.
    """

    def __init__(self) -> None:
        self._late_s, self._ended = 0.0, False
        self._nap_s = _usual_nap_s()
        self._thread = threading.Thread(target=self._run, daemon=True, name="watching the lock")
        self._thread.start()

    def end(self) -> float:
        """End the watching. Returns the seconds by which it was late."""
        self._ended = True
        self._thread.join()
        return self._late_s

    def _run(self) -> None:
        # Whatever takes longer than the naps waits for the lock, reading the file included: it lets go of it.
        begun, queued_s, naps = time.perf_counter(), _queued_s(), 0
        while not self._ended:
            time.sleep(NAP_S)
            naps += 1
        watched_s = time.perf_counter() - begun
        late_s, queued_s = watched_s - naps * self._nap_s, _queued_s() - queued_s
        if queued_s < late_s:
            # What is left of it is the share of the lock in the time in which there was a processor.
            self._late_s = (late_s - queued_s) * watched_s / (watched_s - queued_s)


@cache
def _usual_nap_s() -> float:
    """How long a nap takes where nobody holds the lock: on Windows twice as long as asked for, and more."""

    def nap_s() -> float:
        begun = time.perf_counter()
        time.sleep(NAP_S)
        return time.perf_counter() - begun

    return min(nap_s() for _ in range(5))


def _queued_s() -> float:
    """Seconds for which this thread has waited for a processor; 0 where the system does not say.

    Source: the kernel's *Scheduler Statistics*, ``/proc/<pid>/schedstat``.
    """
    try:
        return int(SCHEDULING.read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0
