"""Every data set gives the same samples, in this process and in workers, and none costs what it need not."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset

from spritedocs import datasets
from spritedocs.datasets import Delayed, PackedSprites, Sample, SpriteFolder, SpriteTensors
from spritedocs.sprites import draw_sprite, family_of, write_packed, write_png_folder
from spritedocs.sprites import files as sprites

COUNT, SIZE = 9, 32
Maker = Callable[[], Dataset[Sample]]


def in_memory(folder: Path) -> SpriteTensors:
    return SpriteTensors(COUNT, SIZE)


def in_png_files(folder: Path) -> SpriteFolder:
    return SpriteFolder(write_png_folder(folder / "png", COUNT, SIZE))


def in_one_file(folder: Path) -> PackedSprites:
    return PackedSprites(write_packed(folder / "sprites.npy", COUNT, SIZE))


def delayed(folder: Path) -> Delayed[Sample]:
    return Delayed(SpriteTensors(COUNT, SIZE), seconds=0)


KINDS = [in_memory, in_png_files, in_one_file, delayed]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset[Sample]:
    return request.param(tmp_path)


def expect_sprite(sample: Sample, index: int) -> None:
    image, label = sample
    assert image.dtype == torch.uint8
    assert image.is_contiguous()
    assert np.array_equal(image.numpy(), draw_sprite(index, SIZE).transpose(2, 0, 1))
    assert type(label) is int
    assert label == family_of(index)


# --- samples ---


def test_an_index_gives_the_sprite_and_its_family(dataset) -> None:
    assert len(dataset) == COUNT
    for index in range(COUNT):
        expect_sprite(dataset[index], index)


def test_indices_behave_as_those_of_a_sequence(dataset) -> None:
    expect_sprite(dataset[-1], COUNT - 1)
    expect_sprite(dataset[-COUNT], 0)
    expect_sprite(dataset[np.int64(2)], 2)
    expect_sprite(dataset[torch.tensor(2)], 2)
    for outside in (COUNT, -COUNT - 1):
        with pytest.raises(IndexError, match=f"no sprite {outside} among {COUNT}"):
            dataset[outside]
    with pytest.raises(TypeError):
        dataset[1.5]
    assert len(list(dataset)) == COUNT


def test_changing_a_sample_changes_nothing_else(dataset) -> None:
    image, _ = dataset[3]
    image.fill_(7)
    expect_sprite(dataset[3], 3)


def test_a_pickled_data_set_is_small_and_gives_the_same(dataset, tmp_path: Path) -> None:
    dataset[0]
    pickled = pickle.dumps(dataset)
    if isinstance(dataset, PackedSprites | SpriteFolder):
        assert len(pickled) < 1000
    expect_sprite(pickle.loads(pickled)[4], 4)


def test_a_relative_path_survives_a_change_of_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    there = [in_one_file(Path()), in_png_files(Path())]
    monkeypatch.chdir(tmp_path.parent)
    for dataset in there:
        expect_sprite(dataset[1], 1)


def test_bad_counts_and_sizes_are_named() -> None:
    for count in (0, -2):
        with pytest.raises(ValueError, match=f"count of sprites .* not {count}"):
            SpriteTensors(count)
    with pytest.raises(ValueError, match="cannot be 20 pixels"):
        SpriteTensors(5, 20)


# --- packed ---


def test_a_batch_is_read_at_once_in_the_order_asked_for(tmp_path: Path) -> None:
    packed = in_one_file(tmp_path)
    batch = packed.__getitems__([5, -1, 0, 5])
    assert isinstance(batch, list)
    for sample, index in zip(batch, (5, COUNT - 1, 0, 5), strict=True):
        expect_sprite(sample, index)
    batch[0][0].fill_(7)
    expect_sprite(batch[3], 5)
    expect_sprite(packed[5], 5)
    assert packed.__getitems__([]) == []
    with pytest.raises(IndexError, match="no sprite 9 among 9"):
        packed.__getitems__([0, COUNT])


def test_a_loader_fetches_whole_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PackedSprites, "__getitem__", None)
    images, labels = next(iter(DataLoader(in_one_file(tmp_path), batch_size=4)))
    assert images.shape == (4, 4, SIZE, SIZE)
    assert labels.tolist() == [family_of(index) for index in range(4)]


def test_the_map_is_opened_by_the_first_read_and_never_pickled(tmp_path: Path) -> None:
    packed = in_one_file(tmp_path)
    assert packed._map is None
    packed[0]
    assert isinstance(packed._map, np.memmap)
    assert pickle.loads(pickle.dumps(packed))._map is None


READ_ALL = """
import sys
import numpy, psutil
from spritedocs.datasets import PackedSprites

def private_bytes():
    return psutil.Process().memory_full_info().uss

packed = PackedSprites(sys.argv[1])
before = private_bytes()
for start in range(0, len(packed), 100):
    batch = packed.__getitems__(range(start, start + 100))
mapped = private_bytes() - before
copy = numpy.array(packed._images())
print(mapped, private_bytes() - before - mapped, copy.nbytes)
"""


def test_reading_a_hundred_thousand_sprites_keeps_no_private_copy(tmp_path: Path) -> None:
    path = tmp_path / "sprites.npy"
    header = sprites._header(100_000, 16)
    # Empty pictures cost the same memory as sprites, and no time to draw.
    empty = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(100_000, 4, 16, 16))
    del empty
    Path(f"{path}.json").write_text(json.dumps(header))
    # A page that only one process maps counts as its own: this process plays the other worker.
    fellow = PackedSprites(path)
    for start in range(0, len(fellow), 100):
        fellow.__getitems__(range(start, start + 100))
    answer = subprocess.run(
        [sys.executable, "-c", READ_ALL, path], capture_output=True, text=True, check=True
    )
    mapped, copied, array = map(int, answer.stdout.split())
    assert copied > 0.9 * array
    assert mapped < 0.1 * copied


@pytest.mark.parametrize("make", [PackedSprites, SpriteFolder])
def test_missing_files_are_named_with_what_writes_them(make, tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=f"{'write_packed' if make is PackedSprites else 'write_png_folder'}"
    ):
        make(tmp_path / "nothing")


def test_each_kind_of_file_is_refused_as_the_other(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no packed sprites at"):
        PackedSprites(in_png_files(tmp_path).folder)
    with pytest.raises(FileNotFoundError, match="no folder of sprites at"):
        SpriteFolder(in_one_file(tmp_path).path)


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"not an array"])
def test_a_damaged_array_is_named_at_every_read(damage: bytes, tmp_path: Path) -> None:
    packed = in_one_file(tmp_path)
    packed.path.write_bytes(damage)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"sprites\.npy is damaged"):
            packed[0]


def test_an_array_of_another_shape_is_refused_at_every_read(tmp_path: Path) -> None:
    packed = in_one_file(tmp_path)
    with packed.path.open("wb") as stream:
        np.save(stream, np.zeros((3, 4, 16, 16), dtype=np.uint8))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"sprites\.npy is not the array of its header"):
            packed[0]


# --- delayed ---


def test_waiting_sleeps_once_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(datasets.time, "sleep", slept.append)
    assert list(Delayed("abc", 0.25)) == ["a", "b", "c"]
    assert slept == [0.25, 0.25, 0.25]


def test_an_index_that_does_not_exist_costs_no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.time, "sleep", lambda seconds: pytest.fail("slept"))
    with pytest.raises(IndexError):
        Delayed("abc", 0.25)[3]


def test_computing_goes_on_until_the_thread_has_had_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(1000))
    monkeypatch.setattr(datasets.time, "thread_time", lambda: next(ticks) / 10)
    monkeypatch.setattr(datasets.time, "sleep", lambda seconds: pytest.fail("slept"))
    assert Delayed("abc", 5.0, kind="cpu")[1] == "b"
    assert 50 <= next(ticks) <= 53


def test_computing_uses_the_processor_and_waiting_does_not() -> None:
    def used(kind: str) -> float:
        before = time.thread_time()
        Delayed("abc", 0.2, kind)[0]
        return time.thread_time() - before

    # The least of several, as a collector may find work for this thread in one of them.
    assert used("cpu") >= 0.2 > 4 * min(used("wait") for _ in range(5))


@pytest.mark.parametrize("seconds", [-0.5, float("nan"), float("inf")])
def test_an_impossible_delay_is_named(seconds: float) -> None:
    with pytest.raises(ValueError, match=f"from 0 on, not {seconds}"):
        Delayed("abc", seconds)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="'wait' or 'cpu', not 'gpu'"):
        Delayed("abc", 1.0, kind="gpu")


def test_a_stream_cannot_be_delayed_by_index() -> None:
    class Stream(IterableDataset[int]):
        def __iter__(self) -> Iterator[int]:
            return iter(())

    with pytest.raises(TypeError, match="Stream has no indices"):
        Delayed(Stream(), 1.0)


# --- in workers ---


# With several threads in the parent, Python 3.12 and later warn of fork: it is what is tried here.
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
@pytest.mark.parametrize(("method", "workers"), [("fork", 2), ("spawn", 1)])
def test_workers_load_what_the_parent_would(method: str, workers: int, tmp_path: Path) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this platform has no {method}")
    packed = in_one_file(tmp_path)
    several = ConcatDataset([packed, in_memory(tmp_path), in_png_files(tmp_path), delayed(tmp_path)])
    loader = DataLoader(
        several, batch_size=COUNT, num_workers=workers, multiprocessing_context=method, timeout=250
    )
    expected = torch.stack([torch.from_numpy(draw_sprite(i, SIZE)).permute(2, 0, 1) for i in range(COUNT)])
    batches = list(loader)
    assert len(batches) == len(KINDS)
    for images, labels in batches:
        assert torch.equal(images, expected)
        assert labels.tolist() == [family_of(index) for index in range(COUNT)]
    assert packed._map is None, "the parent opened what only its workers read"
