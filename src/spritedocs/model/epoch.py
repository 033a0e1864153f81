"""How long an epoch would take with other settings: the loader's rules, played through with measured costs.

The rules are those of ``torch/utils/data/dataloader.py`` and ``_utils/worker.py``, read in torch 2.13:

- ``iter()`` starts the workers one after another, and deals out no batch until the last has started;
  then each worker is given ``prefetch_factor`` batches.
- Batches are dealt out in turns, whoever is busy: one more for each that is yielded, inside ``next()``.
- Batches are yielded in order. One that arrives early is received, and kept for its turn.
- Workers that are not persistent are stopped inside the last ``next()``, which waits until they have gone.

Not played through: a disk or a memory bus that is slower for two than for one, and ``pin_memory``.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spritedocs.model.sharing import Process, SharedCores, Work

__all__ = ["Costs", "Prediction", "Settings", "predict"]


@dataclass(frozen=True)
class Costs:
    """What loading one dataset costs on one machine, in seconds, measured in a worker that ran alone.

    Raises ``ValueError`` without items, or where the two sequences differ in length.
    """

    item_s: tuple[float, ...]
    """Seconds for each item, in the order in which they were loaded; longer epochs repeat them."""
    item_cpu_s: tuple[float, ...]
    """Processor seconds of the same items. What is left of ``item_s`` is waiting."""
    batch_size: float
    """Items in a batch, on average."""
    collate_s: float = 0.0
    """Processor seconds to collate a batch in the main process, which keeps it."""
    send_s: float = 0.0
    """A worker's processor seconds to hand a batch over. What collating takes longer there, because it goes
    straight into shared memory, belongs to this."""
    receive_s: float = 0.0
    """The main process's processor seconds to receive a batch that has arrived."""
    latency_s: float = 0.0
    """Seconds from a batch's sending to its arrival, while Python's lock in the worker is free."""
    main_s: float = 0.0
    """The main process's processor seconds for a batch with and without workers: drawing its indices."""
    start_s: float = 0.0
    """The main process's processor seconds to start one worker."""
    boot_s: float = 0.0
    """A worker's processor seconds from its start until it can load."""
    resume_s: float = 0.0
    """Processor seconds to resume one persistent worker, at the beginning of each further epoch."""
    stop_s: float = 0.0
    """Processor seconds to stop one worker."""
    gil_share: float = 0.0
    """The share of the loading, 0 to 1, that holds Python's lock, and so delays the batch before."""
    lock_delay_s: float = 0.03
    """Seconds of that delay at most: 5 ms each time that a delivering thread needs the lock, and it needs it
    once for the batch and about five times for each of its tensors."""
    cores: float = 1.0
    """How many cores may be used; a quota may leave a fraction."""

    def __post_init__(self) -> None:
        items, timed = len(self.item_s), len(self.item_cpu_s)
        if not items or items != timed:
            raise ValueError(f"{items} items' seconds and {timed} items' processor seconds: give both")


class Settings(NamedTuple):
    """Arguments of a ``DataLoader``."""

    num_workers: int = 0
    prefetch_factor: int = 2  # means nothing without workers
    persistent_workers: bool = False


@dataclass(frozen=True)
class Prediction:
    """What one epoch would be like."""

    epoch_s: float
    """Seconds from before ``iter()`` until the loader has said that it is done."""
    wait_s: float
    """Of these, the seconds inside ``iter()`` and ``next()``."""
    first_batch_s: float
    """Seconds until the first batch is there."""
    items_per_s: float
    """Items per second over the whole epoch; infinite for an epoch that costs nothing."""


def predict(
    costs: Costs,
    settings: Settings,
    batches: int,
    step_s: float = 0.0,
    step_cpu_share: float = 0.0,
    *,
    first_epoch: bool = False,
    in_order: bool = True,
) -> Prediction:
    """Predict one epoch of ``batches`` batches, with a training step of ``step_s`` seconds on each.

    ``step_cpu_share`` is how many cores the step keeps busy: 0 where a GPU does the work, 1 for one
    core. Persistent workers are there already, unless this is their ``first_epoch``. ``in_order`` is
    the argument of ``DataLoader``. This takes time in proportion to ``batches``.

    Raises ``ValueError`` for no batches, negative workers, or a ``prefetch_factor`` below 1.

    Examples:
        Twelve batches whose items wait 10 ms in all: alone, and with three helpers to wait.

        >>> costs = Costs(item_s=(0.01,), item_cpu_s=(0.0,), batch_size=1)
        >>> round(predict(costs, Settings(num_workers=0), batches=12).epoch_s, 6)
        0.12
        >>> round(predict(costs, Settings(num_workers=3), batches=12).epoch_s, 6)
        0.04
    """
    if batches < 1 or settings.num_workers < 0 or (settings.num_workers and settings.prefetch_factor < 1):
        raise ValueError(f"{settings} for {batches} batches is no epoch: give 1 batch and fetch 1 or more")
    epoch = _Epoch(costs, settings, batches, in_order)
    epoch.play(Work(step_s, step_cpu_share), starts=first_epoch or not settings.persistent_workers)
    items_per_s = batches * costs.batch_size / epoch.end_s if epoch.end_s else math.inf
    return Prediction(epoch.end_s, epoch.wait_s, epoch.first_batch_s, items_per_s)


class _Epoch:
    """The main process and its workers, through one epoch."""

    def __init__(self, costs: Costs, settings: Settings, batches: int, in_order: bool) -> None:
        self.wait_s = self.first_batch_s = self.end_s = 0.0
        self._costs, self._settings, self._batches, self._in_order = costs, settings, batches, in_order
        self._cores = SharedCores(costs.cores)
        self._loading = _loading(costs, batches)
        numbers = range(settings.num_workers)
        self._workers: list[Process] = []
        self._tasks: list[deque[int | None]] = [deque() for _ in numbers]
        self._turns = itertools.cycle(numbers)
        self._not_dealt = iter(range(batches))
        self._dealt_to: dict[int, int] = {}  # which worker has each batch that is not yet yielded
        self._arrived: deque[int] = deque()
        self._received: set[int] = set()
        self._gone = 0

    def play(self, step: Work, starts: bool) -> None:
        self._main = self._train(step, starts)
        self._cores.proceed(self._main)
        self._cores.run()

    def _train(self, step: Work, starts: bool) -> Process:
        if self._tasks:
            yield from self._iter(starts)
        get, stepped_s = self._next if self._tasks else self._load_here, 0.0
        for position in range(self._batches):
            yield from get(position)
            begun = self._cores.now
            if position == 0:
                self.first_batch_s = begun
            yield step
            stepped_s += self._cores.now - begun
        if self._tasks and not self._settings.persistent_workers:
            yield from self._stop()
        self.end_s = self._cores.now
        self.wait_s = self.end_s - stepped_s

    def _load_here(self, position: int) -> Process:
        yield from (Work(self._costs.main_s), self._loading[position])

    def _iter(self, starts: bool) -> Process:
        for number in range(len(self._tasks)):
            yield Work(self._costs.start_s if starts else self._costs.resume_s)
            self._workers.append(self._work(number, self._costs.boot_s if starts else 0.0))
            self._cores.proceed(self._workers[number])
        for _ in range(self._settings.prefetch_factor * len(self._tasks)):
            yield from self._deal()

    def _next(self, position: int) -> Process:
        while not (position in self._received if self._in_order else self._received):
            while not self._arrived:
                yield None
            self._received.add(self._arrived.popleft())
            yield Work(self._costs.receive_s)
        batch = position if self._in_order else min(self._received)
        self._received.remove(batch)
        del self._dealt_to[batch]
        yield from self._deal()

    def _deal(self) -> Process:
        batch = next(self._not_dealt, None)
        if batch is None:
            return
        yield Work(self._costs.main_s)
        worker, has = next(self._turns), list(self._dealt_to.values()).count
        while not self._in_order and has(worker) >= self._settings.prefetch_factor:
            worker = next(self._turns)
        self._dealt_to[batch] = worker
        self._tasks[worker].append(batch)
        self._cores.wake(self._workers[worker])

    def _stop(self) -> Process:
        for worker, tasks in zip(self._workers, self._tasks, strict=True):
            tasks.append(None)
            self._cores.wake(worker)
        while self._gone < len(self._workers):  # one that still boots is waited for
            yield None
        yield Work(self._costs.stop_s * len(self._workers))

    def _work(self, number: int, boot_s: float) -> Process:
        yield Work(boot_s)
        tasks = self._tasks[number]
        while True:
            while not tasks:
                yield None
            batch = tasks.popleft()
            if batch is None:
                break
            yield self._loading[batch]
            yield Work(self._costs.send_s)
            self._cores.proceed(self._deliver(batch, tasks[0] if tasks else None))
        self._gone += 1
        self._cores.wake(self._main)

    def _deliver(self, batch: int, following: int | None) -> Process:
        """Let ``batch`` arrive; for this its worker's threads take turns with what loads the next one."""
        locked_s = 0.0 if following is None else self._costs.gil_share * self._loading[following].alone_s
        yield Work(self._costs.latency_s + min(locked_s, self._costs.lock_delay_s), demand=0.0)
        self._arrived.append(batch)
        self._cores.wake(self._main)


def _loading(costs: Costs, batches: int) -> list[Work]:
    """What it is to load and collate each batch; its waiting and computing are taken to be well mixed."""
    ends = [round(batch * costs.batch_size) for batch in range(batches + 1)]
    whole, computing = (
        [before(end) - before(begin) + costs.collate_s for begin, end in itertools.pairwise(ends)]
        for before in (_sum_before(costs.item_s), _sum_before(costs.item_cpu_s))
    )
    return [Work(max(0.0, s), cpu / s if s > 0 else 0.0) for s, cpu in zip(whole, computing, strict=True)]


def _sum_before(item_s: Sequence[float]) -> Callable[[int], float]:
    """A function of a position: the seconds of all items before it, ``item_s`` being repeated."""
    sums = list(itertools.accumulate(item_s, initial=0.0))
    return lambda position: position // len(item_s) * sums[-1] + sums[position % len(item_s)]
