"""Small files against one: that all ways give the same sprites, and that cold is cold or is a gap."""

from __future__ import annotations

import errno
import os
import pickle
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch.utils.data import DataLoader

from spritedocs.datasets import SpriteFolder
from spritedocs.machine import NoRoomError, worker_pids
from spritedocs.report import Gap, Measurement
from spritedocs.sprites import draw_sprite, family_of
from spritedocs.timing import dismiss

NAME = "14_slow_disks"

WARM = {f"us_{way}_warm_{helpers}" for way in ("png", "blob", "packed") for helpers in (0, 4)}
COLD = {name.replace("warm", "cold") for name in WARM}

FEW = 40
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is in its page cache")


@pytest.fixture
def small(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The script's own names, to be altered, with few sprites and one round."""
    names: dict[str, Any] = script["measure"].__globals__
    for name, value in {"SPRITES": FEW, "BATCH_SIZE": 8, "ROUNDS": 1, "STEP_S": 0.001}.items():
        monkeypatch.setitem(names, name, value)
    return names


@pytest.fixture
def pngs(small: dict[str, Any]) -> list[bytes]:
    return [small["png_of"](index) for index in range(FEW)]


@pytest.fixture
def stored(small: dict[str, Any], pngs: list[bytes], tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What to open, and the files, of each way."""
    return small["write_all"](tmp_path, pngs)


def _no_room(megabytes: float) -> Iterator[Path]:
    raise NoRoomError("There is no room at the inn.")


def test_every_way_gives_the_sprites_as_drawn(stored) -> None:
    datasets, _ = stored
    for dataset in (make() for make in datasets.values()):
        assert len(dataset) == FEW
        for index in range(FEW):
            image, family = dataset[index]
            assert (image.permute(1, 2, 0).numpy() == draw_sprite(index)).all()
            assert image.is_contiguous()
            assert family == family_of(index)


def test_one_file_holds_the_bytes_of_the_many(stored) -> None:
    _, files = stored
    assert files["blob"][0].read_bytes() == b"".join(file.read_bytes() for file in files["png"])


def test_one_file_counts_as_sequences_do(stored) -> None:
    blob = stored[0]["blob"]()
    assert (blob[-1][0] == blob[FEW - 1][0]).all()
    with pytest.raises(IndexError):
        blob[FEW]


@pytest.mark.skipif(not hasattr(os, "pread"), reason="reads by moving the file position, as Windows must")
def test_one_file_is_read_without_moving_its_position(stored) -> None:
    blob = stored[0]["blob"]()
    blob[7]
    assert os.lseek(blob.descriptor, 0, os.SEEK_CUR) == 0


def test_one_file_is_read_without_pread_too(stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pread", raising=False)
    blob = stored[0]["blob"]()
    for index in (3, 30, 3):
        assert (blob[index][0].permute(1, 2, 0).numpy() == draw_sprite(index)).all()


def test_one_file_is_opened_late_and_closed(stored, small) -> None:
    blob = stored[0]["blob"]()
    assert blob.descriptor is None
    blob[0]
    descriptor = blob.descriptor
    state = blob.__getstate__()
    assert state["descriptor"] is None
    assert pickle.loads(pickle.dumps(state))["path"] == blob.path
    del blob
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_loader_asks_for_whole_batches_unless_that_is_hidden(stored, monkeypatch) -> None:
    asked: list[str] = []
    for way in ("packed", "packed_items"):
        dataset = stored[0][way]()
        for method in ("__getitem__", "__getitems__"):
            original = getattr(type(dataset), method)
            if original is None:
                continue

            def noted(self, index, method=method, original=original):
                asked.append(method)
                return original(self, index)

            monkeypatch.setattr(type(dataset), method, noted)
        asked.clear()
        next(iter(DataLoader(dataset, batch_size=4)))
        assert set(asked) == {"__getitems__" if way == "packed" else "__getitem__"}


def test_the_order_is_shuffled_and_always_the_same(small) -> None:
    orders = [list(small["Requests"]()) for _ in range(2)]
    assert orders[0] == orders[1]
    assert orders[0] != sorted(orders[0]) == list(range(FEW))


@pytest.mark.parametrize("way", ["packed", "packed_items"])
def test_a_map_is_closed_on_request_and_opened_anew(stored, small, way: str) -> None:
    loader = small["make_loader"](stored[0][way](), 0)
    before = small["checksum"](loader)
    assert loader.dataset._map is not None
    small["close_maps"]([loader])
    assert loader.dataset._map is None
    assert small["checksum"](loader) == before


@linux
@pytest.mark.usefixtures("forks")
def test_helpers_close_their_maps_too(stored, small) -> None:
    loader = small["make_loader"](stored[0]["packed"](), 2)
    path = str(stored[1]["packed"][0])

    def mapped() -> list[bool]:
        pids = worker_pids(loader)
        return [any(path == held.path for held in psutil.Process(pid).memory_maps()) for pid in pids]

    try:
        before = small["checksum"](loader)
        assert mapped() == [True, True]
        small["close_maps"]([loader])
        assert mapped() == [False, False]
        assert small["checksum"](loader) == before
    finally:
        dismiss(loader)


def test_a_checksum_knows_pixels_labels_and_their_order(small) -> None:
    images, labels = torch.arange(8, dtype=torch.uint8).reshape(2, 4), torch.tensor([1, 2])
    checksum = small["checksum"]
    found = checksum([(images, labels)])
    assert found == checksum([(images[:1], labels[:1]), (images[1:], labels[1:])])
    other = [(images + 1, labels), (images, labels + 1), (images.flip(0), labels), (images, labels.flip(0))]
    assert found not in [checksum([batch]) for batch in other]


def test_other_pixels_stop_the_example(stored, small, monkeypatch) -> None:
    datasets, files = stored
    monkeypatch.setitem(small, "HELPERS", 0)
    rounds = small["Rounds"](datasets, files, defaultdict(list))
    assert rounds.check() == small["checksum"](small["drawn_batches"]())
    monkeypatch.setattr(SpriteFolder, "__getitem__", lambda self, index: (torch.zeros(4, 16, 16), 0))
    with pytest.raises(ValueError, match="PNG files, 0 helpers: not the sprites as drawn"):
        rounds.check()


@linux
def test_what_is_dropped_is_gone_and_looking_does_not_bring_it_back(stored, small) -> None:
    _, files = stored
    samples: dict[str, list[float]] = defaultdict(list)
    if reason := small["why_not_cold"](files, samples):
        pytest.skip(reason)
    assert [min(percents) >= small["NEARLY_ALL"] for percents in samples.values()] == [True] * 4
    file = files["packed"][0]
    assert small["drop_and_look"]([file]) == 100
    assert small["dropped_percent"]([file]) == 100
    file.read_bytes()
    assert small["dropped_percent"]([file]) == 0
    cached, pages = small["pages_in_cache"](file)
    assert cached == pages == -(-file.stat().st_size // os.sysconf("SC_PAGESIZE"))


@linux
def test_each_file_is_asked_to_be_dropped_as_a_whole(stored, small, monkeypatch) -> None:
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda descriptor, *how: asked.append(how))
    small["drop"](stored[1]["png"])
    assert asked == [(0, 0, os.POSIX_FADV_DONTNEED)] * FEW


@linux
def test_a_cache_that_keeps_its_pages_is_found_out(stored, small, monkeypatch) -> None:
    _, files = stored
    monkeypatch.setitem(small, "drop", lambda files: [file.read_bytes() for file in files])
    samples: dict[str, list[float]] = defaultdict(list)
    assert "did not let go" in small["why_not_cold"](files, samples)
    assert samples["dropped_percent_png"] == [0]


@linux
def test_a_file_system_that_refuses_is_found_out(stored, small, monkeypatch) -> None:
    def refuse(*args: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "posix_fadvise", refuse)
    assert "did not let go" in small["why_not_cold"](stored[1], defaultdict(list))


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_are_never_cold(small, monkeypatch, system: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert "cold reads need Linux" in small["why_not_cold"]({}, {})
    assert small["bytes_from_disk"]() == 0


@linux
def test_reads_that_may_not_be_counted_count_as_none(small, monkeypatch) -> None:
    def denied(self: psutil.Process) -> None:
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "io_counters", denied)
    assert small["bytes_from_disk"]() == 0


def test_a_single_warm_page_in_a_cold_round_makes_a_gap(small) -> None:
    findings = small["Findings"]()
    kept = {"us_png_cold_0", "us_packed_items_cold_0", "us_blob_warm_0", "us_packed_cold_0"}
    for name in {*kept, "us_blob_cold_4", "disk_bytes_blob_cold", "step_first_ms_png"}:
        findings.samples[name] = [1.0]
    for way in small["WAYS"]:
        findings.samples[f"dropped_percent_{way}"] = [100.0, 40.0 if way == "blob" else 100.0]
    findings.discard_what_stayed()
    assert {name for name in findings.samples if not name.startswith("dropped")} == kept
    gap = findings.value("us_blob_cold_4")
    assert isinstance(gap, Gap)
    assert "did not let go" in gap.reason


def test_a_ratio_is_paired_and_missing_where_a_part_is(small) -> None:
    findings = small["Findings"]()
    findings.samples |= {"long": [4.0, 9.0], "short": [2.0, 3.0]}
    findings.no_cold = "It was too warm."
    assert findings.ratio("longer", "long", "short").samples == (2, 3)
    assert findings.ratio("share", "short", "long", "%").samples == (50, pytest.approx(100 / 3))
    assert findings.ratio("colder", "long", "never") == Gap("colder", "It was too warm.")


def test_without_room_decoding_remains(small, pngs, monkeypatch) -> None:
    monkeypatch.setitem(small, "room_for", contextmanager(_no_room))
    findings = small["measure"](pngs)
    assert isinstance(findings.value("us_decode"), Measurement)
    for name in (*WARM, *COLD):
        assert findings.value(name) == Gap(name, "There is no room at the inn.")
    assert isinstance(findings.ratio("decode_percent_of_png", "us_decode", "us_png_warm_0", "%"), Gap)


def test_a_disk_that_fills_up_while_writing_is_no_room(small, pngs, monkeypatch) -> None:
    def full(path: Path, count: int) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(small, "write_packed", full)
    findings = small["measure"](pngs)
    assert "No space left on device" in findings.value("us_png_warm_0").reason
    assert "TMPDIR" in findings.no_files


@pytest.mark.usefixtures("forks")
@pytest.mark.parametrize("cold", [True, False])
def test_it_samples_all_ways_and_leaves_no_process_and_no_file(
    small, pngs, monkeypatch, tmp_path: Path, capsys, cold: bool
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if not cold:
        monkeypatch.setitem(small, "why_not_cold", lambda files, samples: "It was too warm.")
    before = set(psutil.Process().children(recursive=True))
    findings = small["measure"](pngs)
    assert set(psutil.Process().children(recursive=True)) <= before
    assert list(tmp_path.iterdir()) == []
    assert "as drawn" in capsys.readouterr().out
    assert set(findings.samples) >= WARM | {"us_decode", "content_bytes_png", "us_packed_items_warm_0"}
    if not findings.no_cold:
        assert set(findings.samples) >= COLD | {"step_later_ms_png", "step_wait_percent_packed"}
    if not cold:
        assert findings.value("us_png_cold_4") == Gap("us_png_cold_4", "It was too warm.")
        assert not [name for name in findings.samples if "cold" in name and findings.samples[name]]


def test_sizes_tell_the_block_from_its_content(small, tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.png" for n in range(FEW)]
    for file in files:
        file.write_bytes(bytes(100))
    found = dict(small["sizes"](files))
    assert found["content"] == 100
    if "space" in found:
        assert found["space"] == round(512 * np.sum([file.stat().st_blocks for file in files]) / FEW)


def test_it_measures_what_its_page_needs(values_of) -> None:
    values = values_of(NAME)
    assert set(values) >= WARM | {"us_decode", "decode_percent_of_png", "content_bytes_png"}
    # Wide on purpose: nothing may depend on the disk, and decoding takes tens of times as long as copying.
    assert values["png_over_packed_warm"].median > 3
    assert 5 < values["decode_percent_of_png"].median < 120
    assert values["content_bytes_packed"].median > 2 * values["content_bytes_png"].median
    if set(values) >= COLD:
        assert values["dropped_percent_png"].bounds[0] >= 90
        assert values["png_over_packed_cold"].median > 3
