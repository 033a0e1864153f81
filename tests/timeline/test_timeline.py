"""Epochs traced: with clocks that only move when told to, a device that is none, and real workers."""

from __future__ import annotations

import multiprocessing
import time
from types import SimpleNamespace

import psutil
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from spritedocs.timeline import ClockError, Span, stopwatch, trace_epoch, traced, tracing
from spritedocs.timeline import epoch as timeline
from spritedocs.timeline.device_clock import Anchor, Cuda, accelerator, anchor, host_times


class Clock:
    """A clock that stands still, but for those who pass the time, and for what it takes to read it."""

    def __init__(self, reading=0.0):
        self.now, self.reading, self.readings = 100.0, reading, []

    def __call__(self):
        self.now += self.reading
        self.readings.append(self.now)
        return self.now

    def spend(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stopwatch, "clock", clock)
    return clock


class Slow(Dataset):
    def __init__(self, clock, seconds=1.0):
        self.clock, self.seconds = clock, seconds

    def __len__(self):
        return 4

    def __getitem__(self, index):
        self.clock.spend(self.seconds)
        return index


def slow_loader(clock):
    def collate(samples):
        clock.spend(0.5)
        return samples

    return DataLoader(Slow(clock), batch_size=2, collate_fn=collate)


class Makers(Dataset):
    """Items that take a while, each the number of the worker that made it. ``broken`` is an error."""

    def __init__(self, count=16, seconds=0.0, broken=None):
        self.count, self.seconds, self.broken = count, seconds, broken

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index == self.broken:
            raise ValueError(f"sprite {index} is torn")
        info = get_worker_info()
        if info is not None and info.id:
            time.sleep(self.seconds)  # so that some workers are overtaken
        return -1 if info is None else info.id


class Stream(IterableDataset):
    def __iter__(self):
        return iter([get_worker_info().id] * (3 + 2 * get_worker_info().id))


BEFORE = set()


@pytest.fixture(autouse=True)
def _know_who_was_there(servers):
    BEFORE.update(psutil.Process().children(recursive=True))
    yield
    BEFORE.clear()


def children():
    multiprocessing.active_children()  # takes those that have ended off the system's list
    return [child for child in psutil.Process().children(recursive=True) if child not in BEFORE]


def left():
    """Those that stay: torch gives a worker that has not begun yet 5 s, then ends it and does not wait."""
    deadline = time.monotonic() + 60
    while children() and time.monotonic() < deadline:
        time.sleep(0.05)
    return children()


def no_step(batch):
    """What a model that takes no time does."""


def test_where_the_time_goes_without_helpers(clock):
    line = trace_epoch(
        slow_loader(clock),
        lambda batch: clock.spend(3),
        copy=lambda batch: (clock.spend(0.25), batch)[1],
        clock=clock,
    )
    assert line.spans == (
        Span("main", "load", 0, 2, 0),
        Span("main", "wait", 0, 2.5, 0),
        Span("main", "collate", 2, 2.5, 0),
        Span("main", "copy", 2.5, 2.75, 0),
        Span("main", "compute", 2.75, 5.75, 0),
        Span("main", "load", 5.75, 7.75, 1),
        Span("main", "wait", 5.75, 8.25, 1),
        Span("main", "collate", 7.75, 8.25, 1),
        Span("main", "copy", 8.25, 8.5, 1),
        Span("main", "compute", 8.5, 11.5, 1),
        Span("main", "wait", 11.5, 11.5, 2),
    )
    assert (line.wall_s, line.batches, line.workers, line.device) == (11.5, 2, 0, "cpu")
    assert line.clock == time.get_clock_info("perf_counter").implementation
    assert line.utilisation == 6 / 11.5
    assert line.data_wait_share == 5 / 11.5


def test_without_a_copy_there_are_no_spans_for_it(clock):
    line = trace_epoch(slow_loader(clock), no_step, clock=clock)
    assert {span.kind for span in line.spans} == {"load", "collate", "wait", "compute"}


def test_compute_gets_what_copy_made_of_the_loader_s_batch():
    seen = []
    trace_epoch(DataLoader([1, 2, 3], batch_size=2), seen.append, copy=torch.Tensor.tolist)
    assert seen == [[1, 2], [3]]


@pytest.mark.parametrize("in_order", [True, False])
def test_batches_are_numbered_as_they_arrive_in_the_lane_of_their_maker(in_order):
    seen = []
    loader = DataLoader(Makers(seconds=0.01), batch_size=2, num_workers=2, in_order=in_order)
    line = trace_epoch(loader, seen.append)
    makers = {span.batch: span.lane for span in line.spans if span.kind == "load"}
    assert [makers[number] for number in range(line.batches)] == [f"helper {int(batch[0])}" for batch in seen]
    assert line.lanes == ("helper 0", "helper 1", "main")
    assert line.workers == 2
    assert not left()


def test_cause_comes_before_effect():
    line = trace_epoch(DataLoader(Makers(), batch_size=2, num_workers=2), no_step)
    found = {(span.kind, span.batch): span for span in line.spans}
    for batch in range(line.batches):
        load, collate, wait, compute = (found[kind, batch] for kind in ("load", "collate", "wait", "compute"))
        assert 0 < load.begin_s <= load.end_s == collate.begin_s <= collate.end_s <= wait.end_s
        assert wait.end_s == compute.begin_s <= compute.end_s <= line.wall_s
    waits = [span for span in line.spans if span.kind == "wait"]
    assert (waits[0].begin_s, waits[-1].end_s, waits[-1].batch) == (0, line.wall_s, line.batches)


def test_a_stream_that_some_workers_end_before_others():
    line = trace_epoch(DataLoader(Stream(), batch_size=2, num_workers=2), no_step)
    made = [span.lane for span in line.spans if span.kind == "load"]
    assert (made.count("helper 0"), made.count("helper 1")) == (2, 3)


def test_workers_that_were_not_forked_are_on_the_same_clock():
    loader = DataLoader(Makers(4), batch_size=2, num_workers=1, multiprocessing_context="spawn")
    line = trace_epoch(loader, no_step)
    assert [span.lane for span in line.spans if span.kind == "load"] == ["helper 0"] * 2
    assert line.spans[0].kind == "wait"  # for the worker to start


def test_workers_of_a_plain_loader_are_gone_afterwards_persistent_ones_too():
    loader = DataLoader(Makers(), batch_size=2, num_workers=2, persistent_workers=True)
    trace_epoch(loader, no_step)
    assert not left()
    assert loader._iterator is None


def fail(batch):
    raise MemoryError("the goblins ate it")


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize(
    ("broken", "compute", "error"), [(3, no_step, "sprite 3 is torn"), (None, fail, "the goblins ate it")]
)
def test_an_error_passes_through_and_the_workers_are_gone(persistent, broken, compute, error):
    loader = traced(DataLoader(Makers(broken=broken), 2, num_workers=2, persistent_workers=persistent))
    with pytest.raises((ValueError, MemoryError), match=error) as raised:
        trace_epoch(loader, compute)
    assert raised.value.__cause__ is None
    assert not left()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # torch's own __del__
def test_a_worker_that_cannot_be_started_leaves_none_behind(monkeypatch):
    start = multiprocessing.process.BaseProcess.start
    started = []

    def start_one(process):
        if started:
            raise OSError("no more processes")
        started.append(process)
        start(process)

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", start_one)
    with pytest.raises(OSError, match="no more processes"):
        trace_epoch(DataLoader(Makers(), batch_size=2, num_workers=2), no_step)
    assert started
    assert not left()


def test_a_loader_without_batches():
    with pytest.raises(ValueError, match="the loader yielded no batch: give it more items"):
        trace_epoch(DataLoader(Makers(3), batch_size=4, drop_last=True), no_step)


class Halving(DataLoader):
    def __iter__(self):
        for batch in super().__iter__():
            yield from batch.chunk(2)


def test_a_loader_that_makes_several_batches_of_one():
    with pytest.raises(ValueError, match="Halving yielded 4 batches where 2 were collated: only a loader"):
        trace_epoch(Halving(Makers(8), batch_size=4), no_step)


class Shard(DataLoader):
    """As accelerate's DataLoaderShard."""

    def __init__(self, base):
        super().__init__(base.dataset, base.batch_size)
        self.base = base

    def __iter__(self):
        yield from self.base


def test_a_loader_that_hands_out_what_another_makes():
    with pytest.raises(ValueError, match=r"^Shard hands out what another loader makes: trace that one$"):
        trace_epoch(Shard(DataLoader(Makers(8), batch_size=4)), no_step)


class Ahead(DataLoader):
    """A loader that holds the next batch ready."""

    def __iter__(self):
        batches = super().__iter__()
        ready = next(batches)
        for batch in batches:
            yield ready
            ready = batch
        yield ready


def test_a_loader_that_runs_ahead_has_each_batch_under_its_own_number():
    seen = []
    line = trace_epoch(Ahead(Makers(), batch_size=2, num_workers=2), seen.append)
    makers = {span.batch: span.lane for span in line.spans if span.kind == "load"}
    assert [makers[number] for number in range(8)] == [f"helper {int(batch[0])}" for batch in seen]


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        (-1e6, r"batch 0 was finished 1e\+06 s after it had arrived, by the clock of main: the clocks"),
        (1e6, r"batch 0 was begun 1e\+06 s before the epoch began, by the clock of main: the clocks"),
    ],
)
def test_clocks_that_contradict_each_other(offset, said):
    with pytest.raises(ClockError, match=said):
        trace_epoch(DataLoader(Makers(), batch_size=4), no_step, clock=lambda: time.perf_counter() + offset)


def test_a_worker_with_a_clock_of_its_own(monkeypatch):
    if multiprocessing.get_start_method() != "fork":
        pytest.skip("a worker that is not forked knows nothing of this clock")

    def foreign():
        return time.perf_counter() + (0 if get_worker_info() is None else 1e6)

    monkeypatch.setattr(stopwatch, "clock", foreign)
    loader = traced(DataLoader(Makers(), batch_size=2, num_workers=1, persistent_workers=True))
    with pytest.raises(ClockError, match=r"batch 0 was finished 1e\+06 s after .* clock of helper 0"):
        trace_epoch(loader, no_step)
    assert not left()


def test_a_clock_of_each_process_is_refused_before_anything_is_done(monkeypatch):
    monkeypatch.setattr(tracing, "SYSTEM_WIDE", ("another",))
    with pytest.raises(ClockError, match="may differ from process to process"):
        trace_epoch(DataLoader(Makers(), batch_size=2), lambda batch: pytest.fail("an epoch was run"))


class Event:
    """A stamp, in milliseconds of the fake device; differences have single precision, as CUDA's have."""

    def __init__(self, gpu, host_s):
        self.gpu, self.host_s = gpu, host_s
        self.ms = 5e6 + host_s * 1e3 * gpu.rate

    def elapsed_time(self, later):
        return float(torch.tensor(later.ms - self.ms, dtype=torch.float32))

    def synchronize(self):
        self.gpu.clock.now = max(self.gpu.clock.now, self.host_s) + 3e-6


class Gpu:
    """A device with one stream that the host runs ahead of, and a fast clock with another zero."""

    rate = 1.001

    def __init__(self, clock):
        self.clock, self.free_s, self.stamps = clock, 0.0, []

    def launch(self, seconds):
        self.clock.spend(5e-6)
        self.free_s = max(self.free_s, self.clock.now) + seconds

    def stamp(self):
        self.clock.spend(2e-6)
        event = Event(self, max(self.free_s, self.clock.now + 4e-6))
        self.free_s = event.host_s
        self.stamps.append(event)
        return event

    def synchronize(self):
        self.clock.now = max(self.clock.now, self.free_s) + 3e-6


@pytest.fixture
def gpu(monkeypatch):
    clock = Clock(reading=1e-7)
    monkeypatch.setattr(stopwatch, "clock", clock)
    gpu = Gpu(clock)
    monkeypatch.setattr(timeline, "accelerator", lambda device: ("cuda:0", gpu))
    return gpu


def traced_on(gpu, count=400, copies=True):
    loader = DataLoader(Slow(gpu.clock, 0.02), batch_size=1, sampler=range(count))
    started = gpu.clock.now
    line = trace_epoch(
        loader,
        lambda batch: gpu.launch(0.09),
        copy=(lambda batch: (gpu.launch(0.001), batch)[1]) if copies else None,
        device="cuda",
        clock=gpu.clock,
    )
    return line, started


def test_the_device_s_spans_are_on_the_host_s_clock(gpu):
    line, _ = traced_on(gpu)
    assert line.wall_s > 36  # seconds, over which a clock that is 0.1% fast goes wrong by 36 ms
    copies, computes = (
        [s for s in line.spans if (s.lane, s.kind) == ("device", kind)] for kind in ("copy", "compute")
    )
    # The first anchor made eight stamps, with a reading of the clock before and after each.
    zero, made, bracket = gpu.clock.readings[16], gpu.stamps[8:-8], 1e-5
    for number, (copy, compute) in enumerate(zip(copies, computes, strict=True)):
        before, between, after = (stamp.host_s - zero for stamp in made[3 * number : 3 * number + 3])
        assert copy.begin_s == pytest.approx(before, abs=bracket)
        assert copy.end_s == compute.begin_s == pytest.approx(between, abs=bracket)
        assert compute.end_s == pytest.approx(after, abs=bracket)
    assert computes[-1].end_s <= line.wall_s


def test_on_a_device_the_main_process_only_launches(gpu):
    line, _ = traced_on(gpu, count=20)
    assert line.device == "cuda:0"
    assert line.lanes == ("main", "device")
    assert line.busy_s("main", "compute") < 0.01 * line.busy_s("device", "compute")
    assert line.utilisation == line.share("device", "compute") > 0.9
    assert line.wall_s > line.busy_s("device")
    assert max(span.end_s for span in line.spans) == pytest.approx(line.wall_s, abs=1e-4)


def test_nothing_waits_for_the_device_but_the_end(gpu, monkeypatch):
    waits = []
    synchronize = Gpu.synchronize
    monkeypatch.setattr(Gpu, "synchronize", lambda self: (waits.append(self.clock.now), synchronize(self)))
    line, started = traced_on(gpu, count=20, copies=False)
    assert len(waits) == 3
    assert waits[0] - started < 1e-3  # the anchor at the beginning
    assert waits[1] - started > 20 * 0.02  # the end of the epoch, and the anchor there
    assert [span.kind for span in line.spans if span.lane == "device"] == ["compute"] * 20


def test_the_tightest_anchor_is_kept():
    clock = Clock()
    gaps = iter([3.0, 0.5, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    device = SimpleNamespace(
        synchronize=lambda: None, stamp=lambda: SimpleNamespace(synchronize=lambda: clock.spend(next(gaps)))
    )
    found = anchor(device, clock)
    assert (found.host_s, found.bracket_s) == (103.25, 0.5)


def test_between_two_anchors_time_runs_evenly():
    def event(ms):
        return SimpleNamespace(ms=ms, elapsed_time=lambda later: later.ms - ms)

    first, last = Anchor(event(1000), 10.0, 0.1), Anchor(event(3000), 14.0, 0.1)
    assert host_times(first, [event(1000), event(1500), event(3000)], last) == [10, 11, 14]
    assert host_times(first, [], last) == []
    assert host_times(first, [event(1000)], Anchor(event(1000), 10.0, 0.1)) == [10]


def test_the_processor_is_no_accelerator():
    assert accelerator("cpu") == ("cpu", None)
    assert accelerator(torch.device("cpu")) == ("cpu", None)


def test_the_current_cuda_device_is_named_by_its_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    name, device = accelerator("cuda")
    assert name == "cuda:1"
    assert device.device == torch.device("cuda", 1)
    assert accelerator("cuda:0")[0] == "cuda:0"
    with pytest.raises(
        ValueError, match="device is 'cuda:2', but torch finds 2 such devices, numbered from 0"
    ):
        accelerator("cuda:2")


def test_events_are_timed_and_recorded_on_the_current_stream_of_the_device(monkeypatch):
    done = []

    def make(enable_timing):
        return SimpleNamespace(record=lambda stream: done.append((enable_timing, stream)))

    monkeypatch.setattr(torch.cuda, "Event", make)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"the stream of {device}")
    monkeypatch.setattr(torch.cuda, "synchronize", done.append)
    device = Cuda(torch.device("cuda", 1))
    device.stamp()
    device.synchronize()
    assert done == [(True, "the stream of cuda:1"), torch.device("cuda", 1)]


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("cuda:99", "device is 'cuda:99', but torch finds"),
        ("mps", "device is 'mps', and only 'cpu' and 'cuda' can be traced"),
        ("pony", "device is 'pony', which torch does not know"),
    ],
)
def test_a_device_that_cannot_be_traced(device, said):
    with pytest.raises(ValueError, match=said):
        trace_epoch(DataLoader([1]), no_step, device=device)
