"""A step that is long enough for helpers, and loops that are timed as a whole."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from spritedocs.machine import GpuEnded, helpers_for, training_device, without_gpu
from spritedocs.timing import TimingError, Training, compare, fit_step, race


class Clock:
    """Time that passes where somebody says so."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def loader(clock):
    """Batches that take 11 ms each."""

    class Slow:
        def __iter__(self):
            for number in range(8):
                clock.now += 0.011
                yield [number]

    return Slow()


def model_of(clock, s_per_size):
    def make(size):
        def step(batch):
            clock.now += size * s_per_size

        return SimpleNamespace(step=step)

    return make


@pytest.mark.parametrize(
    ("helpers", "times", "size"), [(1, 1.25, 14), (4, 1.25, 4), (2, 2, 12), (1, 9, 16)], ids=str
)
def test_the_first_size_is_taken_whose_step_is_long_enough(clock, loader, helpers, times, size):
    """A step of 1 ms for each unit of size; where none is long enough, the last."""
    fit = fit_step(model_of(clock, 0.001), (2, 4, 8, 12, 14, 16), loader, helpers, times=times, clock=clock)
    assert (fit.size, fit.load_s, fit.step_s) == (size, pytest.approx(0.011), pytest.approx(size / 1000))
    assert str(fit).startswith(f"A batch takes 11.0 ms to load in this process, and a step of size {size} ")


def test_what_cannot_be_fitted(clock, loader):
    with pytest.raises(ValueError, match="there are no sizes"):
        fit_step(model_of(clock, 1), (), loader, 1, clock=clock)
    with pytest.raises(ValueError, match="yielded no batch"):
        fit_step(model_of(clock, 1), (1,), [], 1)


FULL = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 …")


def failing(error):
    def fail(*batch):
        raise error

    return fail


def fitted(fail):
    return fit_step(lambda size: SimpleNamespace(step=fail), (1,), [[1]], 1)


@pytest.mark.parametrize(
    "run",
    [
        lambda fail: race({"a": fail}, rounds=1),
        lambda fail: compare({"a": [1, 2]}, rounds=1, step=fail),
        lambda fail: compare({"a": Training([1, 2], fail)}, rounds=1),
        lambda fail: fitted(fail),
        lambda fail: race({"a": lambda: fitted(fail), "b": lambda: 1}, rounds=1),
        lambda fail: race({"a": lambda: race({"c": fail}, rounds=1), "b": lambda: 1}, rounds=1),
    ],
    ids=["race", "compare", "Training", "fit_step", "fit_step in an arm", "race in an arm"],
)
def test_a_gpu_that_fails_ends_it_with_one_sentence(run, monkeypatch):
    monkeypatch.setattr("spritedocs.machine.accelerator.gpu_load", lambda: None)
    with pytest.raises(
        GpuEnded, match=r"^The run ended, because the GPU ran out of memory.* \(20.00 MiB more"
    ):
        run(failing(FULL))
    for bug in (RuntimeError("shapes differ"), ValueError("CUDA error: out of memory")):
        with pytest.raises(type(bug), match=str(bug)):
            run(failing(bug))


def test_a_loader_that_fails_in_a_loop_is_blamed():
    def torn():
        yield 1
        raise OSError("the disk")

    with pytest.raises(TimingError, match=r"^arm 'a' raised OSError after 1 batch: the disk"):
        compare({"a": Training(torn(), lambda batch: None)}, rounds=1)


def test_a_loop_takes_a_step_for_every_batch_and_knows_its_workers():
    done = []
    assert list(Training(["a", "b"], done.append)) == done == ["a", "b"]
    assert Training([], done.append).num_workers == 0
    assert Training(SimpleNamespace(num_workers=3), done.append).num_workers == 3


@pytest.mark.parametrize(("device", "cores", "helpers"), [("cpu", 1, 1), ("cpu", 4, 3), ("cpu", 64, 8)])
def test_the_model_has_a_core_to_itself_where_there_is_no_gpu(monkeypatch, device, cores, helpers):
    monkeypatch.setitem(helpers_for.__globals__, "usable_cores", lambda: cores)
    assert helpers_for(device) == helpers
    assert helpers_for("cuda") == min(8, cores)


def test_a_gpu_that_is_not_found_is_spoken_of(monkeypatch, recwarn):
    def complain():
        import warnings

        warnings.warn("CUDA initialization: the driver is too old", UserWarning, stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", complain)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr("spritedocs.machine.training.gpu_absence", lambda: "its driver sleeps")
    assert training_device() == "cpu"
    assert not recwarn.list
    unused, shared = without_gpu("cpu")
    assert unused == "No GPU was used, because its driver sleeps."
    assert "share the cores" in shared
    assert without_gpu("cuda") == []
