"""Any loop over a watched loader: what it gets, and what is said, however it ends."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch
from conftest import Slow
from torch import distributed
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from spritedocs.machine import run_script
from spritedocs.timing import dismiss, time_epoch
from spritedocs.watching import iterating, reports, shares, telling, watch, watches


def test_an_epoch_is_told_in_a_line_with_its_first_batch_apart(clock, said):
    seen = []
    for batch in watch(Slow(clock, [2, 1, 1, 1], end=0.5), name="training"):
        clock.spend(1)
        seen.append(batch[0])
    assert seen == [0, 1, 2, 3]
    told, verdict = said()
    assert told == (
        "training, epoch 1: 9.50 s, 1.68 items/s, first batch after 2.00 s, then waited 43%, "
        "at the end 0.500 s; without waiting about 1.8 times as fast"
    )
    assert verdict.startswith("training: Waits over 5%: the loader holds it up.")
    assert "estimate" in verdict
    assert "fix-a-slow-run/" in verdict


@pytest.mark.parametrize(("wait", "verdict"), [(0.04, "under"), (0.06, "over")])
def test_the_verdict_follows_the_rule_of_five_percent(clock, said, wait, verdict):
    for _ in watch(Slow(clock, [9] + [wait] * 100)):
        clock.spend(1)
    assert f"Waits {verdict} 5%" in said()[1]


def test_a_verdict_is_told_when_it_changes(clock, said):
    loader = Slow(clock, [0, 0, 0])
    for epoch, wait in enumerate([1, 1, 0, 0, 1]):
        loader.waits = [wait] * 3
        for _ in watch(loader, name="it"):
            clock.spend(1)
        assert [f"it, epoch {epoch + 1}:" in line for line in said()] == [True] + [False] * (
            epoch not in (1, 3)
        )


@pytest.mark.parametrize(("waits", "end"), [([9, 0, 0], 0), ([0, 0, 0], 9)])
def test_a_pause_between_epochs_has_a_remedy_of_its_own(clock, said, waits, end):
    loader = Slow(clock, waits, end)
    loader.num_workers = 2
    for _ in range(2):
        for _ in watch(loader):
            clock.spend(1)
    first, second = [line for line in said() if "epoch " not in line or "pause" in line]
    assert "under 5%" in first  # the first epoch has to start the workers
    assert "persistent_workers=True" in second
    assert "fix-a-slow-run/#pause" in second


def test_where_the_helpers_stay_a_pause_comes_from_elsewhere(clock, said):
    loader = Slow(clock, [9, 0, 0])
    loader.num_workers, loader.persistent_workers = 2, True
    for _ in range(2):
        for _ in watch(loader):
            clock.spend(1)
    verdict = said()[-1]
    assert "pause between epochs. The helpers stay: look at large first batches" in verdict
    assert "persistent_workers" not in verdict


@pytest.mark.parametrize(
    ("workers", "cores", "ranks", "tries", "beyond"),
    [
        (0, 8, 1, "num_workers=2, then 4, or", "than the 8 usable cores pay only"),
        (0, 2, 1, "num_workers=2, or", "than the 2 usable cores pay only"),
        (0, 1, 1, "num_workers=1, or", "than the 1 usable core pay only"),
        (0, 4, 2, "num_workers=2, or", "than the 2 usable cores of each rank pay only"),
        (0, 1, 2, "num_workers=1, or", "than the 1 usable core of each rank pay only"),
        (2, 8, 1, "num_workers up to 8, or", "than the 8 usable cores pay only"),
    ],
)
def test_a_loader_with_cores_to_spare_is_to_try_helpers_up_to_them(
    clock, said, monkeypatch, workers, cores, ranks, tries, beyond
):
    monkeypatch.setattr(shares, "usable_cores", lambda: cores)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(ranks))
    loader = Slow(clock, [1, 1, 1])
    loader.num_workers = workers
    list(watch(loader))
    verdict = said()[1]
    assert f"Try {tries} 'spritedocs tune'. More helpers {beyond} where items mostly wait." in verdict
    assert "fix-a-slow-run/" in verdict


@pytest.mark.parametrize(("workers", "helpers"), [(3, "3 helpers"), (9, "9 helpers")])
def test_where_helpers_have_the_cores_already_cheaper_items_are_next(
    clock, said, monkeypatch, workers, helpers
):
    monkeypatch.setattr(shares, "usable_cores", lambda: 4)
    loader = Slow(clock, [1, 1, 1])
    loader.num_workers = workers
    list(watch(loader))
    verdict = said()[1]
    assert f"The loader has {helpers} for the 4 usable cores: make items cheaper next." in verdict
    assert "pay only where items mostly wait, which 'spritedocs tune' finds out" in verdict
    assert "in-depth/slow-disks/" in verdict
    assert "num_workers" not in verdict


def test_a_loader_that_knows_no_helpers_is_not_told_of_cores(clock, said):
    list(watch(Slow(clock, [1, 1, 1])))
    assert "Try 'spritedocs tune'. See" in said()[1]


def epochs_of_two(clock, said, validation, training=30, epochs=2):
    """The lines about validation, which so many seconds of training precede in each epoch."""
    loaders = [watch(Slow(clock, [0] * training), name="training"), watch(validation, name="validation")]
    lines = []
    for _ in range(epochs):
        for loader in loaders:
            for _ in loader:
                clock.spend(1)
        lines.append([line for line in said() if line.startswith("validation")])
    return lines


@pytest.mark.parametrize(("wait", "is_minor"), [(0.4, True), (0.7, False)])
def test_of_a_minor_loader_it_is_said_what_part_its_waits_are_and_no_more(clock, said, wait, is_minor):
    # Waits of 1.2 s in a run of 34.2 s, or of 2.1 s in one of 35.1 s.
    for told, *verdicts in epochs_of_two(clock, said, Slow(clock, [wait] * 3)):
        assert ("its waits take 4% of the run" in told) == is_minor
        assert ("without waiting about" in told) != is_minor
        assert not (is_minor and verdicts)


def test_waits_of_a_minor_loader_may_be_next_to_nothing(clock, said):
    [[told], _] = epochs_of_two(clock, said, Slow(clock, [0, 0, 0]))
    assert told.endswith("then waited 0%; its waits take under 1% of the run")


def test_starting_and_stopping_are_waits_as_well(clock, said):
    loader = Slow(clock, [1.5, 0, 0], end=1.5)
    loader.num_workers = 2
    assert "There is a pause" in epochs_of_two(clock, said, loader)[1][1]


def test_a_minor_loader_that_begins_to_wait_is_advised(clock, said):
    loader = Slow(clock, [0, 0, 0])
    training = watch(Slow(clock, [0] * 30), name="training")
    for epoch in range(10):
        loader.waits = [3.0 * (epoch == 9)] * 3
        for each in (training, watch(loader, name="validation")):
            for _ in each:
                clock.spend(1)
    assert said()[-1].startswith("validation: Waits over 5%")


def test_what_lies_between_epochs_is_no_part_of_the_run(clock, said):
    """A notebook rests between its cells."""
    for _ in range(2):
        for _ in watch(Slow(clock, [1, 1, 1]), name="it"):
            clock.spend(1)
        clock.spend(3600)
        assert "without waiting about" in said()[0]


def test_a_loader_inside_the_loop_of_another_is_a_part_of_that(clock, said):
    """Validation after every tenth batch: the epoch of training is under way."""
    validation = Slow(clock, [0.1, 0.1])
    for number, _ in enumerate(watch(Slow(clock, [0] * 30), name="training")):
        clock.spend(1)
        if number % 10 == 9:
            list(watch(validation, name="validation"))
    told = [line for line in said() if line.startswith("validation")]
    assert [line.partition("; ")[2] for line in told] == ["its waits take 2% of the run"] * 3


def test_epochs_of_a_loader_that_is_watched_anew_each_time_are_counted_on(clock, said):
    loader = Slow(clock, [1, 1])
    for _ in range(3):
        for _ in watch(loader):
            clock.spend(1)
    for _ in range(2):
        for _ in watch(Slow(clock, [1, 1]), name="made anew"):
            clock.spend(1)
    told = [line.split(":")[-2].split(", ")[-1] for line in said() if " items/s" in line]
    assert told == ["epoch 1", "epoch 2", "epoch 3", "epoch 1", "epoch 2"]


def test_two_loaders_have_their_lines_and_their_names(clock, said):
    def watched():
        return watch(Slow(clock, [1, 1]))

    loaders = [watch(Slow(clock, [1, 1]), name="validation"), watched(), watched()]
    for loader in loaders:
        list(loader)
    line = watched.__code__.co_firstlineno + 1
    names = [line.partition(", epoch")[0] for line in said() if ", epoch 1" in line]
    assert names == ["validation", f"test_watching.py:{line}", f"test_watching.py:{line} #2"]


def test_a_name_that_looks_like_a_second_one_is_a_name(clock, said, tmp_path):
    path = tmp_path / "report.json"
    loaders = [watch(Slow(clock, [1, 1]), name=name, report=path) for name in ("fold #1", "fold", "fold #1")]
    for loader in loaders:
        list(loader)
    names = ["fold #1", "fold", "fold #1 #2"]
    assert [line.partition(", epoch")[0] for line in said() if ", epoch 1" in line] == names
    assert [found["name"] for found in json.loads(path.read_text(encoding="utf-8"))["loaders"]] == names


def test_two_loaders_with_one_name_are_both_reported(clock, tmp_path):
    path = tmp_path / "report.json"
    loaders = [watch(Slow(clock, [1, 1]), name=name, report=path) for name in ("fold #2", "fold", "fold")]
    for loader in loaders:
        list(loader)
    assert len(json.loads(path.read_text(encoding="utf-8"))["loaders"]) == 3


def test_at_the_end_more_epochs_than_one_are_a_table(clock, said):
    loader = watch(Slow(clock, [2, 1, 1]), name="training")
    once = watch(Slow(clock, [2, 1, 1]), name="once")
    for loop in (loader, loader, once):
        for _ in loop:
            clock.spend(1)
    next(iter(loader))
    unused = watch([], name="unused")
    said()
    watches._close()
    assert said() == [
        "training:",
        "epoch  seconds  items/s  first batch, s  waited  times, about                 ended",
        "    1     7.00     1.71            2.00     40%           1.7  done after 3 batches",
        "    2     7.00     1.71            2.00     40%           1.7  done after 3 batches",
        "    3     2.00     2.00            2.00                          left after 1 batch",
        "unused was never iterated over. If a framework made another loader of it, watch that one.",
    ]
    assert not unused


def test_of_many_epochs_the_table_has_the_last(clock, said):
    loader = watch(Slow(clock, [1, 1]))
    for _ in range(100):
        list(loader)
    said()
    watches._close()
    assert [line.split()[0] for line in said()[2:]] == [str(number) for number in range(81, 101)]


def test_many_short_epochs_fall_silent_and_it_is_said_once(clock, said):
    loader = Slow(clock, [0.1, 0.1, 0.1])
    for _ in range(watches.MOST_LINES + 9):
        list(watch(loader, name="it"))
    *_, last, silence = said()
    assert last.startswith("it, epoch 100:")
    assert silence.startswith("it: 100 epochs have had their lines. From now on those below 1 s have none")
    list(watch(loader, name="it", replay=2))
    loader.waits = [1, 1]
    list(watch(loader, name="it"))
    assert [line.split(":")[0] for line in said() if ", epoch" in line] == ["it, epoch 110", "it, epoch 111"]
    watches._close()
    assert len(said()) == 2 + watches.MOST_ROWS


def test_what_is_still_under_way_at_the_end_is_told_as_far_as_it_went(clock, said):
    kept = iter(watch(Slow(clock, [1, 1, 1, 1]), name="kept"))
    for _ in range(3):
        next(kept)
        clock.spend(1)
    clock.spend(50)
    watches._close()
    assert said()[0].startswith("kept, epoch 1 (left after 3 batches): 5.00 s")
    watches._close()
    assert said() == []


def test_a_process_that_was_forked_meanwhile_tells_nothing(clock, said, monkeypatch):
    batches = iter(watch(Slow(clock, [1] * 4)))
    next(batches)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    del batches
    watch([])
    watches._close()
    assert said() == []


def test_a_worker_that_imports_the_script_tells_nothing_of_its_loaders(said, monkeypatch):
    watch([], name="validation")
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "the one that trains")
    watches._close()
    assert said() == []


# --- ways to leave ---


def test_a_loop_that_is_left_is_told_at_once(clock, said):
    for number, _ in enumerate(watch(Slow(clock, [1] * 9), name="it")):
        clock.spend(1)
        if number == 2:
            break
    assert said()[0].startswith(
        "it, epoch 1 (left after 3 batches): 5.00 s, 2.40 items/s, first batch after 1.00 s"
    )


def test_helpers_go_with_the_loop_that_is_left(servers):
    batches = iter(watch(DataLoader(TensorDataset(torch.zeros(12)), 2, num_workers=1)))
    next(batches)
    [worker] = batches._workers
    del batches
    worker.join(60)
    assert not worker.is_alive()


def test_what_the_loop_raises_passes_untouched(clock, said):
    error = ValueError("a torn sprite")

    def loop():
        for _ in watch(Slow(clock, [1] * 9)):
            raise error

    with pytest.raises(ValueError, match="torn") as raised:
        loop()
    assert raised.value is error
    assert error.__cause__ is error.__context__ is None
    assert "(left after 1 batch)" in said()[0]


@pytest.mark.parametrize("error", [ValueError("a torn sprite"), KeyboardInterrupt()])
def test_what_the_loader_raises_passes_untouched(clock, said, error):
    def batches():
        yield [1]
        yield [2]
        raise error

    with pytest.raises(type(error)) as raised:
        list(watch(batches()))
    assert raised.value is error
    assert error.__cause__ is error.__context__ is None
    assert f"(ended by {type(error).__name__} after 2 batches)" in said()[0]


class Torn:
    """The batches 0 to 5, of which the third cannot be read."""

    def __init__(self, clock):
        self.clock, self.batches = clock, iter(range(6))

    def __iter__(self):
        return self

    def __next__(self):
        self.clock.spend(1)
        if (number := next(self.batches)) == 2:
            raise ValueError("a torn sprite")
        return number


@pytest.mark.parametrize(
    ("asks", "ended", "values"),
    [(7, "done", (5, 12, 5, 1)), (5, "left", (4, 8, 4, 0)), (3, "ValueError", (2, 5, 2, 0))],
)
def test_a_loop_may_catch_what_the_loader_raises_and_go_on(clock, said, asks, ended, values):
    batches = iter(watch(Torn(clock)))
    for _ in range(asks):
        with suppress(ValueError, StopIteration):
            next(batches)
            clock.spend(1)
    assert len(said()) == 2 * (ended == "done")
    del batches
    [epoch] = watches.WATCHES[0].epochs
    assert epoch.ended == ended
    assert (epoch.batches, epoch.seconds, epoch.wait_s, epoch.end_s) == values


def test_who_goes_on_after_an_error_gets_the_loader_s_batches(clock, said):
    batches, seen = iter(watch(Torn(clock), replay=4)), []
    for _ in range(6):
        with suppress(ValueError):
            seen.append(next(batches))
    assert seen == [0, 1, 3, 4, 5]


def test_an_epoch_that_has_ended_stays_as_it_is(clock):
    batches = iter(watch(Slow(clock, [1, 1], end=3)))
    assert len(list(batches)) == 2
    [epoch] = watches.WATCHES[0].epochs
    before = epoch.as_json()
    clock.spend(50)
    assert list(batches) == []
    assert epoch.as_json() == before


def test_a_loop_that_knows_the_length_has_seen_a_whole_epoch(clock, said):
    batches = iter(watch(Slow(clock, [1, 1, 1]), name="it"))
    for _ in range(3):
        next(batches)
        clock.spend(1)
    clock.spend(50)  # it is kept
    del batches
    assert said()[0].startswith("it, epoch 1: 5.00 s")


def test_a_generator_can_be_gone_on_with(clock, said):
    generator = watch(iter(range(5)), name="it")
    for number in generator:
        if number == 1:
            break
    assert list(generator) == [2, 3, 4]
    assert [line.partition(":")[0] for line in said() if "epoch" in line] == [
        "it, epoch 1 (left after 2 batches)",
        "it, epoch 2",
    ]


def test_a_loop_inside_another_is_a_part_of_its_step(clock, said):
    inner = Slow(clock, [1, 1])
    for _ in watch(Slow(clock, [1, 1, 1]), name="outer"):
        for _ in watch(inner, name="inner"):
            clock.spend(0)
    told = [line for line in said() if " items/s" in line]
    assert [line.partition(", ")[0] for line in told] == ["inner"] * 3 + ["outer"]
    assert "then waited 100%; without waiting over 100 times as fast" in told[0]
    assert "9.00 s" in told[3]
    assert "then waited 25%" in told[3]


def test_the_same_loader_twice_at_once_is_two_epochs(clock, said):
    loader = watch(Slow(clock, [1, 1]), name="it")
    assert list(zip(loader, loader, strict=True)) == [([0] * 4, [0] * 4), ([1] * 4, [1] * 4)]
    assert {line.partition(":")[0] for line in said() if " items/s" in line} == {"it, epoch 1", "it, epoch 2"}


def test_an_epoch_of_nothing(said):
    assert list(watch([], name="it")) == []
    [told] = said()
    assert told.startswith("it, epoch 1: ")
    assert told.endswith(" s, no batch")


class Stream(IterableDataset):
    """Eight numbers, of which it promises six."""

    def __len__(self):
        return 6

    def __iter__(self):
        return iter(range(8))


def test_a_length_that_is_wrong_is_nobody_s_guide(said):
    """Torch would warn of a stream that is longer than was said, had anybody asked it for its length."""
    loader = DataLoader(Stream(), batch_size=2)
    for _ in range(2):
        batches = iter(watch(loader, name="it"))
        assert len([next(batches) for _ in range(3)]) == 3
        del batches
        assert len(list(watch(loader, name="it"))) == 4
    assert [line.partition(":")[0] for line in said() if "epoch" in line] == [
        "it, epoch 1 (left after 3 batches)",
        "it, epoch 2",
        "it, epoch 3 (left after 3 batches)",
        "it, epoch 4",
    ]


ENDLESS = """
import signal
from spritedocs import watch

def endless():
    while True:
        yield [0]

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    loader = endless()
    for batch in watch(iter(range(3)), name="short"):
        pass
    for batch in watch(iter(range(3)), name="short"):
        pass
    for number, batch in enumerate(watch(loader, name="endless")):
        if number == 3:
            signal.raise_signal(signal.SIGINT)
"""


def test_ctrl_c_in_an_endless_loop_prints_what_there_is(tmp_path):
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode != 0
    assert done.stdout == ""
    endless, interrupted, table = (
        done.stderr.find(text)
        for text in ("endless, epoch 1 (left after 4 batches)", "KeyboardInterrupt", "short:\nepoch ")
    )
    assert 0 < endless < interrupted < table


# --- the same batches again ---


def test_batches_from_memory_say_what_faster_loading_could_bring(clock, said):
    asked = []

    class Asked(Slow):
        def __iter__(self):
            for batch in super().__iter__():
                asked.append(batch[0])
                yield batch

    watched = watch(Asked(clock, [5] + [2] * 9), name="it", replay=3)
    for epoch in range(2):
        seen = []
        for batch in watched:
            seen.append(batch[0])
            clock.spend(1)
        if epoch == 0:
            assert seen == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
            assert asked == [0, 1, 2]
            warning, told, verdict = said()
            assert "the same 3 batches" in warning
            assert "must not count as training" in warning
            assert told == (
                "it, epoch 1: 19.0 s, 2.11 items/s, first batch after 5.00 s; "
                "with loading for free an epoch of 10.0 s, each batch 3.0 times as fast"
            )
            assert "must not count" in verdict
    assert seen == list(range(10))
    assert "epoch 2: 33.0 s" in said()[0]
    watches._close()
    assert "from memory: no training" in said()[2]


def test_a_cell_that_is_run_again_hands_out_the_same_batches_again(clock, said):
    for _ in range(2):
        watched = watch(Slow(clock, [1] * 6), name="it", replay=2)
        assert [batch[0] for batch in watched] == [0, 1] * 3
        assert [batch[0] for batch in watched] == list(range(6))
        del watched
    assert len([line for line in said() if "From here on the same 2 batches" in line]) == 2


def leave(batches, count, step):
    """The loop of who stops after so many batches, and keeps the iterator."""
    batches = iter(batches)
    for _ in range(count):
        next(batches)
        step()
    return batches


@pytest.mark.parametrize(
    ("keep", "count"), [(12, 21), (12, 20), (4, 13)], ids=["to the end", "knows the length", "left"]
)
@pytest.mark.parametrize("on_gpu", [True, False])
def test_the_answer_is_the_same_however_the_loop_ends(clock, said, monkeypatch, keep, count, on_gpu):
    gpu = use_cuda(clock, monkeypatch)
    watched, kept = watch(Slow(clock, [3] * 20), name="it", replay=keep), []
    with suppress(StopIteration):
        kept.append(leave(watched, count, lambda: gpu.launch(1) if on_gpu else clock.spend(1)))
    clock.spend(50)
    kept.clear()
    told = [line for line in said() if "epoch 1" in line]
    assert len(told) == 1
    assert "with loading for free" in told[0]
    assert watches.WATCHES[0].epochs[0].free_batch_s == 1


def test_batches_from_memory_are_told_as_such_where_they_took_no_time(clock, said):
    list(watch(Slow(clock, [1] * 6), replay=2))
    _, told, verdict = said()
    assert "each batch over 100 times as fast" in told
    assert "must not count" in verdict


def test_a_loop_that_leaves_too_early_is_told_that_it_must_not_count(clock, said):
    leave(watch(Slow(clock, [1] * 9), replay=3), 4, lambda: clock.spend(1))
    _, told, verdict = said()
    assert "waited" not in told
    assert "for free" not in told
    assert "must not count" in verdict


def test_where_batches_come_from_memory_nobody_waits(clock, monkeypatch):
    monkeypatch.setattr(iterating, "dismiss", lambda *_: clock.spend(30))
    list(watch(Slow(clock, [1] * 6), replay=2))
    assert watches.WATCHES[0].epochs[0].wait_s == 1


def test_where_no_length_is_known_each_batch_comes_five_times(clock):
    assert list(watch(iter(range(100)), replay=2)) == [0, 1] * 5


@pytest.mark.parametrize("replay", [4, 5])
def test_an_epoch_that_is_too_short_is_an_epoch(clock, said, replay):
    assert len(list(watch(Slow(clock, [1] * 4), replay=replay))) == 4
    assert "then waited" in said()[0]


def test_helpers_are_gone_while_batches_come_from_memory(servers):
    loader = DataLoader(TensorDataset(torch.zeros(12)), 2, num_workers=1, persistent_workers=True)
    batches = iter(watch(loader, replay=2))
    next(batches)
    [worker] = batches._workers
    assert worker.is_alive()
    next(batches)
    next(batches)
    worker.join(60)
    assert not worker.is_alive()
    assert len(list(batches)) == 3
    assert len(list(loader)) == 6


# --- helpers, ranks, devices ---


def with_workers(clock, *pids):
    loader = Slow(clock, [1, 1])
    loader._iterator = SimpleNamespace(_workers=[SimpleNamespace(pid=pid) for pid in pids])
    return loader


def test_more_helpers_than_cores_are_named(clock, said, monkeypatch):
    monkeypatch.setattr(shares, "usable_cores", lambda: 4)
    training, validation = with_workers(clock, 1, 2, 3), with_workers(clock, 4, 5)
    for _ in range(2):
        list(watch(training, name="training"))
        list(watch(validation, name="validation"))
    [crowd] = [line for line in said() if "alive" in line]
    assert crowd.startswith(
        "5 workers are alive at the same time (training 3, validation 2), on 4 usable cores."
    )
    assert "persistent_workers=False" in crowd


def test_a_number_of_ranks_that_is_none_counts_as_one(clock, said, monkeypatch):
    monkeypatch.setattr(shares, "usable_cores", lambda: 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "many")
    list(watch(with_workers(clock, 1, 2), name="training"))
    assert [line for line in said() if "2 workers are alive" in line]


@pytest.mark.parametrize(("rank", "lines"), [("0", 1), ("1", 0)])
def test_the_first_rank_counts_the_helpers_of_all(clock, said, monkeypatch, rank, lines):
    monkeypatch.setattr(shares, "usable_cores", lambda: 4)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", rank)
    list(watch(with_workers(clock, 1, 2, 3), name="training"))
    crowd = [line for line in said() if "alive" in line]
    assert len(crowd) == lines
    for line in crowd:
        assert line.startswith(
            "6 workers are alive at the same time (training 3, on each of 2 ranks), on 4 usable cores."
        )


def test_helpers_of_an_epoch_that_has_ended_are_not_counted(said, monkeypatch, servers):
    monkeypatch.setattr(shares, "usable_cores", lambda: 1)

    def loader():
        return DataLoader(TensorDataset(torch.zeros(4)), 2, num_workers=1)

    training, validation = watch(loader(), name="training"), watch(loader(), name="validation")
    kept = iter(training)
    assert len(list(kept)) == len(list(validation)) == 2
    assert not [line for line in said() if "alive" in line]
    for _ in training:
        list(validation)
        break
    assert len([line for line in said() if "alive at the same time (training 1, validation 1)" in line]) == 1


class Nested(IterableDataset):
    """What a worker loads, it loads with a watched loader of its own."""

    def __iter__(self):
        yield from watch(DataLoader(TensorDataset(torch.zeros(4)), 2), name="nested")


def test_a_worker_tells_nothing(capfd, servers):
    assert len(list(watch(DataLoader(Nested(), None, num_workers=1), name="outer"))) == 2
    complained = capfd.readouterr().err
    assert "outer, epoch 1" in complained
    assert "nested" not in complained


def test_a_rank_says_which_it_is(clock, said):
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        for _ in range(2):
            list(watch(Slow(clock, [1, 1]), name="training"))
    finally:
        distributed.destroy_process_group()
    watches._close()
    told = [line for line in said() if "training" in line and "Waits" not in line]
    assert [line.partition(":")[0] for line in told] == [
        "rank 0, training, epoch 1",
        "rank 0, training, epoch 2",
        "rank 0, training",
    ]


class Gpu:
    """A device that is busy for a second after each launch, and stamps its stream."""

    def __init__(self, clock):
        self.clock, self.free_at, self.unread, self.stamps = clock, 0.0, 0, 0

    def launch(self, seconds):
        self.free_at = max(self.free_at, self.clock.now) + seconds

    def stamp(self):
        self.unread += 1
        self.stamps += 1
        at = max(self.free_at, self.clock.now)
        return SimpleNamespace(at=at, synchronize=self.read, elapsed_time=lambda later: (later.at - at) * 1e3)

    def read(self):
        self.unread -= 2


def use_cuda(clock, monkeypatch):
    gpu = Gpu(clock)
    monkeypatch.setattr(iterating, "accelerator", lambda device: (f"{device}:0", gpu))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: clock.spend(max(0, gpu.free_at - clock.now)))
    return gpu


def test_where_cuda_is_in_use_the_device_s_waiting_counts(clock, said, monkeypatch):
    gpu = use_cuda(clock, monkeypatch)
    most_unread = 0
    for _ in watch(Slow(clock, [1.0] * 301), name="it"):
        gpu.launch(0.99)  # the loop goes on at once, and waits while the device computes
        most_unread = max(most_unread, gpu.unread)
    told, verdict = said()
    assert "then waited 100%, the GPU idle 1%; without waiting about 1.0 times as fast" in told
    assert "under 5%" in verdict
    assert 100 < most_unread < 300  # those of long ago are read on the way


def test_a_device_that_fails_does_not_hide_what_the_loop_raised(clock, said, monkeypatch):
    def fail():
        raise RuntimeError("device-side assert")

    gpu = SimpleNamespace(stamp=lambda: SimpleNamespace(synchronize=fail))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(iterating, "accelerator", lambda device: (device, gpu))

    def loop():
        for number, _ in enumerate(watch(Slow(clock, [1] * 3))):
            assert number < 1, "the assert of the host"

    with pytest.raises(AssertionError, match="of the host"):
        loop()
    assert "(left after 2 batches)" in said()[0]


@pytest.mark.parametrize("synchronise", [True, False])
def test_who_wants_it_waits_for_the_device_after_each_step(clock, said, monkeypatch, synchronise):
    gpu = use_cuda(clock, monkeypatch)
    for _ in watch(Slow(clock, [1] * 5), synchronise=synchronise):
        gpu.launch(1)
    told = said()[0]
    assert ("then waited 44%" in told) == synchronise
    assert ("the GPU" in told) != synchronise  # one or the other decides
    assert (gpu.stamps == 0) == synchronise


def test_a_device_s_waiting_counts_also_while_the_loader_fails(clock, monkeypatch):
    gpu = use_cuda(clock, monkeypatch)
    batches = iter(watch(Torn(clock)))
    for _ in range(4):
        with suppress(ValueError):
            next(batches)
            gpu.launch(0.5)
    del batches
    [epoch] = watches.WATCHES[0].epochs
    assert (epoch.batches, epoch.wait_s, epoch.idle_s) == (3, 3, 0.5 + 1.5)


@pytest.mark.parametrize("kind", ["MPS", "XPU"])
@pytest.mark.parametrize("synchronise", [True, False])
def test_another_accelerator_is_waited_for_or_named(clock, said, monkeypatch, kind, synchronise):
    gpu = Gpu(clock)
    monkeypatch.setattr(torch.xpu, "is_initialized", lambda: kind == "XPU")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: kind == "MPS")
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: 1)
    monkeypatch.setattr(
        torch.accelerator, "synchronize", lambda: clock.spend(max(0, gpu.free_at - clock.now))
    )
    for _ in watch(Slow(clock, [1] * 5), synchronise=synchronise):
        gpu.launch(1)
    told, verdict = said()
    assert ("then waited 44%" in told) == synchronise
    assert (f"or for steps on {kind}" in verdict) != synchronise
    assert ("the loader holds it up" in verdict) == synchronise


# --- reports ---


def test_a_report_has_the_epochs_of_each_loader_that_asks_for_it(clock, tmp_path):
    path = tmp_path / "report.json"
    list(watch(Slow(clock, [2, 1, 1]), name="another"))
    for _ in range(2):
        for name in ("training", "validation"):
            for _ in watch(Slow(clock, [2, 1, 1]), name=name, report=path):
                clock.spend(1)
    report = json.loads(path.read_text(encoding="utf-8"))
    assert [loader["name"] for loader in report["loaders"]] == ["training", "validation"]
    first, second = report["loaders"][0]["epochs"]
    assert (first["number"], second["number"], first["ended"]) == (1, 2, "done")
    assert (first["seconds"], first["first_s"], first["wait_s"], first["items"]) == (7, 2, 2, 12)
    assert (first["wait_share"], first["idle_share"], first["at_most"]) == (0.4, None, 1 / 0.6)


def test_a_report_is_json_also_where_nothing_but_waiting_was_done(clock, tmp_path):
    path = tmp_path / "report.json"
    list(watch(Slow(clock, [1, 1]), report=path))
    [loader] = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)["loaders"]
    assert (loader["epochs"][0]["wait_share"], loader["epochs"][0]["at_most"]) == (1, None)


def test_a_report_of_another_kind_is_a_table(clock, tmp_path):
    list(watch(Slow(clock, [2, 1, 1]), name="training", report=tmp_path / "report.txt"))
    assert (tmp_path / "report.txt").read_text(encoding="utf-8").startswith("training\nepoch  seconds")


def test_several_ranks_have_a_report_each(clock, tmp_path, monkeypatch):
    monkeypatch.setattr(watches, "_rank", lambda: (1, 2))
    list(watch(Slow(clock, [1, 1]), report=tmp_path / "report.json"))
    assert [path.name for path in tmp_path.iterdir()] == ["report-rank1.json"]
    assert json.loads((tmp_path / "report-rank1.json").read_text())["rank"] == 1


def test_a_report_is_written_once_a_second_at_most_and_at_the_end(clock, tmp_path):
    path = tmp_path / "report.json"

    def reported():
        return len(json.loads(path.read_text(encoding="utf-8"))["loaders"][0]["epochs"])

    def train(wait):
        list(watch(Slow(clock, [wait]), name="it", report=path))
        return reported()

    assert [train(0.25) for _ in range(6)] == [1, 1, 1, 1, 5, 5]
    watches._close()
    assert reported() == 6
    path.unlink()
    watches._close()
    assert not path.exists()  # it had all


def test_a_report_that_takes_long_is_written_more_seldom(clock, tmp_path, monkeypatch):
    def slow(value, **_):
        clock.spend(1)
        return str(len(value["loaders"][0]["epochs"]))

    path = tmp_path / "report.json"
    monkeypatch.setattr(reports, "json", SimpleNamespace(dumps=slow))
    for _ in range(4):
        list(watch(Slow(clock, [9]), name="it", report=path))
    assert path.read_text().strip() == "4"  # at 9 s and at 37 s
    assert clock.now == 100 + 36 + 2


def test_a_count_of_another_kind_is_reported(clock, tmp_path):
    class Count:
        def __index__(self):
            return 2

    loader, path = Slow(clock, [1]), tmp_path / "report.json"
    loader.num_workers = Count()  # as NumPy's
    assert len(list(watch(loader, report=path))) == 1
    assert json.loads(path.read_text())["loaders"][0]["epochs"][0]["workers"] == 2


@pytest.mark.parametrize("kind", ["txt", "json"])
def test_a_report_may_have_any_name_in_it(clock, tmp_path, kind):
    list(watch(Slow(clock, [1]), name="\udcff.py", report=tmp_path / f"report.{kind}"))
    assert "\\udcff.py" in (tmp_path / f"report.{kind}").read_text(encoding="utf-8")


def test_a_report_that_fails_in_any_way_is_said(clock, said, tmp_path, monkeypatch):
    monkeypatch.setattr(reports.json, "dumps", lambda *_, **__: 1 / 0)
    assert len(list(watch(Slow(clock, [1]), report=tmp_path / "report.json"))) == 1
    assert said()[-1] == f"the report {tmp_path / 'report.json'} cannot be written: division by zero"


def test_a_report_that_cannot_be_written_stops_no_training(clock, said, tmp_path):
    assert len(list(watch(Slow(clock, [1, 1]), report=tmp_path))) == 2  # a folder
    assert f"the report {tmp_path} cannot be written" in said()[-1]


# --- what is handed over, and where it is told ---


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"loader": 3}, "the loader is 3, which yields no batches: give a DataLoader"),
        ({"loader": [], "replay": 1}, "replay is 1: give the number of batches to keep, 2 or more"),
        ({"loader": [], "report": "no/such/report.json"}, "whose folder .* is not there: make it first"),
    ],
)
def test_what_cannot_be_is_said(arguments, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        watch(**arguments)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"replay": 2}, "replay"),
        ({"synchronise": True}, "synchronise"),
        ({"name": "it", "report": "it.txt"}, "name, report"),
    ],
)
def test_what_is_watched_already_takes_no_options(options, named):
    with pytest.raises(ValueError, match=f"is watched already, and {named} would do nothing: give"):
        watch(watch([]), **options)


SPRITES = TensorDataset(torch.zeros(10, 3), torch.zeros(10))


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(SPRITES, batch_size=4),
        [{"text": ["a", "b"]}, {"text": ["c", "d"]}],
    ],
)
def test_items_are_counted_as_in_a_timed_epoch(loader):
    list(watch(loader))
    assert watches.WATCHES[0].epochs[0].items == time_epoch(loader).items


def test_what_cannot_be_counted_is_one_item():
    class Shapeless:
        @property
        def shape(self):
            raise RuntimeError("NestedTensorImpl doesn't support sizes")

    class Endless(dict):
        def __len__(self):
            raise OverflowError

    for loader in ([Shapeless()] * 2, [[1], Endless()]):
        assert len(list(watch(loader, name=str(len(watches.WATCHES))))) == 2
    assert [found.epochs[0].items for found in watches.WATCHES] == [2, 2]


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (watches, "tell_of_a_crowd"),
        (iterating.Batches, "_received"),
        (iterating.DeviceIdle, "stepped"),
        (iterating, "_other_device"),
        (telling, "summary"),
        (telling, "verdict"),
    ],
)
@pytest.mark.parametrize("loader_fails", [False, True])
def test_where_ours_fails_the_loader_goes_on_and_it_is_said_once(
    clock, said, monkeypatch, part, name, loader_fails
):
    use_cuda(clock, monkeypatch)
    monkeypatch.setattr(part, name, lambda *_: 1 / 0)

    class Loader(Slow):
        def __iter__(self):
            yield from super().__iter__()
            if loader_fails:
                raise LookupError("theirs")

    watched, got = watch(Loader(clock, [1, 1, 1]), name="it"), []
    for _ in range(2):
        with suppress(LookupError):
            for batch in watched:
                got.append(batch[0])
    assert got == [0, 1, 2] * 2
    watches._close()
    complaints = [line for line in said() if "epoch" not in line]
    assert complaints == [
        "it is not watched any more (ZeroDivisionError: division by zero): please report it."
    ]


def test_where_ours_fails_at_the_end_it_is_said(clock, said, monkeypatch):
    watched = watch(Slow(clock, [1]), name="it")
    for _ in range(2):
        list(watched)
    said()
    monkeypatch.setattr(telling, "table", lambda epochs: 1 / 0)
    watches._close()
    assert said() == ["it is not watched any more (ZeroDivisionError: division by zero): please report it."]


def test_a_progress_bar_makes_room(clock, capsys, monkeypatch):
    written = []
    bar = SimpleNamespace(write=lambda text, file, end: written.append((text, file, end)), _instances={1})
    monkeypatch.setitem(sys.modules, "tqdm", SimpleNamespace(tqdm=bar))
    list(watch(Slow(clock, [1, 1]), name="it"))
    assert written[0][0].startswith("spritedocs: it, epoch 1")
    for text, file, end in written:
        assert (file, text[-1], end) == (sys.stderr, "\n", "")  # in one piece: ranks write at the same time
    assert capsys.readouterr().err == ""


def test_without_a_bar_tqdm_is_left_alone(clock, said, monkeypatch):
    """Its first line makes a lock, which settles the start method of a script that only imports it."""
    monkeypatch.setitem(sys.modules, "tqdm", SimpleNamespace(tqdm=SimpleNamespace(_instances=set())))
    list(watch(Slow(clock, [1, 1]), name="it"))
    assert said()[0].startswith("it, epoch 1")


def test_where_nobody_listens_a_bar_says_nothing_either(clock, monkeypatch):
    bar = SimpleNamespace(
        write=lambda *_, **__: pytest.fail("tqdm writes to standard output"), _instances={1}
    )
    monkeypatch.setitem(sys.modules, "tqdm", SimpleNamespace(tqdm=bar))
    monkeypatch.setattr(sys, "stderr", None)
    assert len(list(watch(Slow(clock, [1, 1])))) == 2


def test_what_could_not_be_iterated_over_was_iterated_over(said):
    class Broken:
        def __iter__(self):
            raise ValueError("cannot be pickled")

    with pytest.raises(ValueError, match="cannot be pickled"):
        iter(watch(Broken(), name="it"))
    watches._close()
    assert said() == []


def test_an_iterator_is_one(clock, said):
    def endless():
        yield from ([number] * 4 for number in range(10**9))

    batches = watch(endless(), name="it")
    assert [next(batches), next(batches)] == [[0] * 4, [1] * 4]
    assert said() == []
    watches._close()
    assert said()[0].startswith("it, epoch 1 (left after 2 batches)")
    plain = watch([[1]])
    assert not hasattr(plain, "__next__")


class Adapter:
    """Has its batches from another loader, which it asks for all that it lacks, as Accelerate's has."""

    def __init__(self, loader):
        self.base_dataloader = loader

    def __getattr__(self, name):
        if name == "base_dataloader":
            raise AttributeError
        return getattr(self.base_dataloader, name)

    def __iter__(self):
        yield from self.base_dataloader

    def __len__(self):
        return len(self.base_dataloader)


def test_a_replay_leaves_a_loader_within_another_as_it_was():
    numbers = DataLoader(list(range(16)), batch_size=2, num_workers=1, persistent_workers=True)
    loader = watch(Adapter(numbers), name="it", replay=2)
    try:
        epochs = [[batch.tolist() for batch in loader] for _ in range(2)]
    finally:
        dismiss(numbers)
    assert epochs[0] == [[0, 1], [2, 3]] * 4
    assert epochs[1] == [[2 * number, 2 * number + 1] for number in range(8)]


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="cannot fork")
def test_a_process_that_was_forked_tells_its_own_epochs_at_its_end():
    said = run_script(
        """
import multiprocessing
from spritedocs import watch

def train(name):
    loader = watch([[1, 2], [3, 4]], name=name)
    for _ in range(2):
        list(loader)

if __name__ == "__main__":
    train("parent")
    child = multiprocessing.get_context("fork").Process(target=train, args=["child"])
    child.start()
    child.join()
"""
    ).text.splitlines()
    tables = [line for line in said if line in ("spritedocs: parent:", "spritedocs: child:")]
    assert tables == ["spritedocs: child:", "spritedocs: parent:"]


@pytest.mark.parametrize("stream", [None, SimpleNamespace(write=lambda text: 1 / 0)])
def test_where_nobody_listens_nothing_is_said(clock, monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    assert len(list(watch(Slow(clock, [1, 1])))) == 2


def test_pages_of_a_known_site_are_told_whole(monkeypatch):
    monkeypatch.setattr(telling, "whole", lambda page: f"https://git.example/{page}")
    monkeypatch.setattr(telling, "how_to_open", lambda: "")
    crowd = telling.crowd([("it", 3)], 1)
    assert crowd.endswith("See https://git.example/in-depth/the-right-number/#usable-cores")
