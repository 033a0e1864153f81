"""Every loader is watched once, by whatever subclass, and called after where it was made."""

from __future__ import annotations

import copy
import inspect
import json
import os
import pickle
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import Clock
from torch.utils.data import DataLoader, Dataset, IterableDataset

from spritedocs.watching import environment, watch, watches
from spritedocs.watching.patching import patch

SPRITES = [13, 17, 19]
OPTIONS = {"report": None, "synchronise": False}


@pytest.fixture(autouse=True)
def failures(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """Every loader that a test makes is watched."""
    for name in ("__init__", "__iter__"):
        monkeypatch.setattr(DataLoader, name, getattr(DataLoader, name))
    monkeypatch.setattr(DataLoader, "__init_subclass__", DataLoader.__init_subclass__)
    failed: list[Exception] = []
    patch(DataLoader, OPTIONS, failed.append)
    return failed


def line() -> str:
    """The name of a loader that is made in the line that asks."""
    return f"test_patching.py:{sys._getframe(1).f_lineno}"


def epochs() -> dict[str, list[int]]:
    """How many batches the epochs of each watched loader had."""
    return {found.name: [epoch.batches for epoch in found.epochs] for found in watches.WATCHES}


class Shard(DataLoader[Any]):
    """A loader of a framework, which does something with each batch: it is asked for those by torch's."""

    def __iter__(self) -> Any:
        for batch in super().__iter__():
            yield batch + 1


def made_since() -> tuple[Any, ...]:
    """Classes of loaders: one that does something with each batch, and one that does all by itself."""

    class Later(DataLoader[Any]):
        def __init__(self, dataset: Any) -> None:
            super().__init__(dataset)

        def __iter__(self) -> Any:
            for batch in super().__iter__():
                yield batch + 1

    class Stateful(DataLoader[Any]):
        def __init__(self, dataset: Any) -> None:
            self.dataset = dataset

        def __iter__(self) -> Any:
            return iter([batch.clone() + 1 for batch in torch.arange(len(self.dataset))])

    return Later, Stateful


class Prepared:
    """A loader that is none of torch's, and has one."""

    def __init__(self, base: Any) -> None:
        self.base = base

    def __iter__(self) -> Any:
        yield from self.base


class Chained(IterableDataset[int]):
    """A stream that reads another loader."""

    def __iter__(self) -> Any:
        yield from DataLoader(range(3), None)


def test_a_loader_is_called_after_the_line_that_made_it() -> None:
    loader, name = DataLoader(range(4)), line()
    for _ in range(2):
        for _ in loader:
            break
    assert len(list(loader)) == 4
    assert epochs() == {name: [1, 1, 4]}


def test_two_loaders_of_one_line_are_told_apart() -> None:
    loaders, name = [DataLoader(range(count)) for count in (1, 2)], line()
    for loader in loaders * 2:
        list(loader)
    assert epochs() == {name: [1, 1], f"{name} #2": [2, 2]}


def test_a_loader_that_is_made_again_for_each_validation_goes_on_with_its_epochs() -> None:
    kept = []  # as Accelerate keeps what it has prepared
    for _ in range(2):
        kept.append(DataLoader(SPRITES, batch_size=2))
        list(kept[-1])
    [(_, batches)] = epochs().items()
    assert batches == [2, 2]


def test_loaders_of_the_same_data_that_are_read_at_once_are_two() -> None:
    loaders = [DataLoader(SPRITES, batch_size=2) for _ in range(2)]
    for _ in zip(*loaders, strict=True):
        pass
    assert sorted(epochs().values()) == [[2], [2]]


def test_what_a_framework_makes_by_itself_is_called_after_its_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    framework: dict[str, Any] = {"DataLoader": DataLoader}
    code = """
def get_dataloader(data):
    return DataLoader(data)

def train(data):
    return get_dataloader(data)
"""
    file = os.path.join(sysconfig.get_path("purelib"), "framework", "trainer.py")  # noqa: PTH118
    exec(compile(code, file, "exec"), framework)
    loader, name = framework["train"](range(2)), line()
    list(loader)
    assert epochs() == {f"{name}, get_dataloader": [2]}


@pytest.mark.parametrize("again", [copy.copy, lambda loader: pickle.loads(pickle.dumps(loader))])
def test_a_copy_keeps_the_name(again: Callable[[Any], Any]) -> None:
    loader, name = DataLoader(range(4)), line()
    list(again(loader))
    assert epochs() == {name: [4]}


def test_a_subclass_is_watched_once_and_gives_what_it_would() -> None:
    kinds = (Shard, *made_since())
    loaders, name = [kind(range(3)) for kind in kinds], line()
    for loader in loaders:
        assert [batch.item() for batch in loader] == [1, 2, 3]
    assert epochs() == {name: [3], f"{name} #2": [3], f"{name} #3": [3]}


def test_what_a_subclass_does_with_a_batch_is_waited_for(clock: Clock) -> None:
    class Slowly(DataLoader[Any]):
        def __iter__(self) -> Any:
            for batch in super().__iter__():
                clock.spend(1)
                yield batch

    for _ in Slowly(range(4)):
        clock.spend(1)
    [found] = watches.WATCHES
    assert found.epochs[0].wait_s == 3


@pytest.mark.parametrize("around", [lambda loader: loader, Prepared])
def test_what_the_script_itself_watches_is_watched_once(around: Callable[[Any], Any]) -> None:
    for kind in (DataLoader, Shard, made_since()[0]):
        list(watch(around(kind(range(3))), name=kind.__name__))
    assert epochs() == {"DataLoader": [3], "Shard": [3], "Later": [3]}


def test_a_loader_that_a_dataset_reads_is_a_part_of_the_one_that_asks() -> None:
    loader, name = DataLoader(Chained(), None), line()
    assert len(list(loader)) == 3
    assert epochs() == {name: [3]}


def test_a_loader_within_a_loop_is_one_of_its_own() -> None:
    training, first = DataLoader(range(2)), line()
    validation, second = DataLoader(range(3)), line()
    for _ in training:
        list(validation)
    assert epochs() == {first: [2], second: [3, 3]}


def test_a_worker_watches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.utils.data.get_worker_info", lambda: SimpleNamespace(id=0))
    assert len(list(DataLoader(range(2)))) == 2
    assert epochs() == {}


FRAMEWORK = "def fit(loaders, *how):\n    return list(loaders(*how))\n"


@pytest.mark.parametrize(
    "file",
    [
        "/env/lib/site-packages/fw/fit.py".replace("/", os.sep),
        "<frozen runpy>",
        inspect.__file__,
        os.path.join(sysconfig.get_path("scripts"), "litgpt"),  # noqa: PTH118
        "/env/Scripts/yolo.exe/__main__.py".replace("/", os.sep),
    ],
)
def test_where_a_framework_makes_it_the_script_s_line_counts(file: str) -> None:
    framework: dict[str, Any] = {}
    exec(compile(FRAMEWORK, file, "exec"), framework)
    _, name = framework["fit"](DataLoader, range(2)), line()
    assert epochs() == {name: [2]}


def test_what_a_framework_makes_of_a_loader_keeps_its_name() -> None:
    """As Accelerate does, and Lightning with several ranks."""
    framework: dict[str, Any] = {}
    exec(compile(FRAMEWORK, inspect.__file__, "exec"), framework)
    training, first = DataLoader(range(3)), line()
    validation, second = DataLoader(range(4)), line()
    for loader in (validation, training):
        framework["fit"](DataLoader, loader.dataset)
    assert epochs() == {second: [4], first: [3]}
    _, another = DataLoader(training.dataset), line()
    _, third = framework["fit"](DataLoader, training.dataset), line()
    assert (epochs()[third], epochs().get(another)) == ([3], None)  # it may be of either


def test_what_a_framework_makes_keeps_the_name_also_beside_a_loader_without_data() -> None:
    class Bare(DataLoader[Any]):
        def __init__(self) -> None:
            pass

    framework: dict[str, Any] = {}
    exec(compile(FRAMEWORK, inspect.__file__, "exec"), framework)
    bare = Bare()
    training, name = DataLoader(range(3)), line()
    framework["fit"](DataLoader, training.dataset)
    assert (epochs(), type(bare)) == ({name: [3]}, Bare)


def test_where_nobody_else_is_there_the_framework_s_line_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spritedocs.watching.patching._is_installed", lambda file: True)
    loader, name = DataLoader(range(2)), line()
    list(loader)
    assert epochs() == {name: [2]}


def test_the_signature_stays() -> None:
    """By which Lightning makes a loader anew."""
    assert list(inspect.signature(DataLoader.__init__).parameters)[:3] == ["self", "dataset", "batch_size"]
    assert DataLoader.__iter__.__doc__ == inspect.unwrap(DataLoader.__iter__).__doc__


class Failing(Dataset[int]):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> int:
        raise OSError("theirs")


def test_what_the_loader_raises_passes_through(failures: list[Exception]) -> None:
    with pytest.raises(OSError, match="theirs"):
        list(DataLoader(Failing()))
    with pytest.raises(ValueError, match="num_workers"):
        DataLoader(range(3), num_workers=-1)
    assert failures == []


def test_where_ours_fails_the_loader_goes_on_and_it_is_said_once(
    failures: list[Exception], monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
) -> None:
    monkeypatch.setattr(watches, "watch_of", None)
    assert [len(list(DataLoader(range(3)))) for _ in range(2)] == [3, 3]
    assert [type(error) for error in failures] == [TypeError]
    assert said() == []


def test_who_uses_the_command_is_told_of_its_own_option(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
) -> None:
    class Slowly(DataLoader[Any]):
        def __iter__(self) -> Any:
            for batch in super().__iter__():
                clock.spend(1)
                yield batch

    monkeypatch.setattr("spritedocs.watching.iterating._other_device", lambda: "MPS")
    list(Slowly(range(3)))
    assert " 'spritedocs watch --synchronise' tells them apart" in said()[-1]


def test_a_command_finds_ours_first_and_then_theirs() -> None:
    alone = environment({"A": "1"})
    assert alone["A"] == "1"
    ours = alone["PYTHONPATH"]
    assert environment({"PYTHONPATH": ""})["PYTHONPATH"] == ours
    assert environment({"PYTHONPATH": "theirs"})["PYTHONPATH"].removeprefix(ours)[1:] == "theirs"


def test_options_reach_every_loader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepared = environment({}, report=tmp_path / "waiting.json", synchronise=True)
    for name, value in json.loads(prepared["SPRITEDOCS_WATCH"]).items():
        monkeypatch.setitem(OPTIONS, name, value)
    list(DataLoader(range(2)))
    [found] = watches.WATCHES
    assert (found.synchronise, found.report) == (True, tmp_path / "waiting.json")
    assert found.report.exists()
