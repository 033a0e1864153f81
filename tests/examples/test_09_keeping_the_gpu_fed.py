"""Training with and without helpers: that pictures vary, models learn, and what is said of the GPU is so."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from spritedocs.machine import GpuLoad, NoRoomError
from spritedocs.sprites import FAMILIES, draw_sprite, family_of, write_png_folder
from spritedocs.timeline import ClockError, Span, Timeline, traced
from spritedocs.timing import dismiss

NAME = "09_keeping_the_gpu_fed"

VALUES = {f"{value}_{arm}" for value in ("utilisation", "data_wait", "epoch_s") for arm in ("0", "helped")}
VALUES |= {
    "epoch_s_headroom",
    "fed_over_headroom",
    "speedup_helped",
    "speedup_headroom",
    "helped_over_headroom",
}
VALUES |= {
    "fed_over_headroom",
    "first_batch_ms_0",
    "first_batch_ms_helped",
    "accuracy_pct",
    "chance_pct",
    "loss_first",
    "loss_last",
    "main_waiting_pct_0",
}
VALUES |= {"main_computing_pct_0", "helper_loading_pct_helped", "main_computing_pct_helped"}

FEW = 12
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the script: several threads on a busy machine wait for each other most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def names(script: dict[str, Any]) -> dict[str, Any]:
    """The script's own names, to be altered."""
    return script["choose_device"].__globals__


@pytest.fixture
def pictures(script: dict[str, Any], tmp_path: Path) -> Any:
    """A few sprites, as they are trained on."""
    folder = write_png_folder(tmp_path / "png", FEW, script["PNG_SIZE"])
    return script["SpritePictures"](folder, range(FEW), augment=True)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose torch could use a GPU, and finds none."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "12.8")


def test_pictures_are_scaled_labelled_and_in_memory_of_their_own(script, pictures) -> None:
    pictures.augment = False
    for index in range(FEW):
        pixels, family = pictures[index]
        assert family == family_of(index)
        assert pixels.shape == (4, script["SIDE"], script["SIDE"])
        assert pixels.dtype == torch.uint8
        assert pixels.is_contiguous()
        opaque = draw_sprite(index)[..., 3].mean() / 255
        assert pixels[3].float().mean() / 255 == pytest.approx(opaque, abs=0.02)
        assert (pictures[index][0] == pixels).all()


def test_the_held_out_sprites_are_others(script, pictures) -> None:
    held_out = script["SpritePictures"](pictures.folder, range(7, FEW), augment=False)
    assert len(held_out) == FEW - 7
    pictures.augment = False
    assert (held_out[0][0] == pictures[7][0]).all()
    assert held_out[0][1] == family_of(7)


def test_augmentation_obeys_torchs_dice(pictures) -> None:
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return pictures[3][0]

    assert (drawn(1) == drawn(1)).all()
    different = {tuple(drawn(seed).flatten().tolist()) for seed in range(8)}
    assert len(different) == 8


def test_a_picture_is_moved_and_stays_as_large(script) -> None:
    picture, places = Image.new("L", (96, 96)), set()
    picture.putpixel((48, 48), 255)
    for seed in range(30):
        torch.manual_seed(seed)
        changed = script["moved"](picture)
        assert changed.size == (96, 96)
        (row,), (column,) = np.nonzero(np.array(changed))
        places.add((int(row) - 48, int(column) - 48))
    assert len(places) > 20
    assert {abs(shift) for place in places for shift in place} <= set(range(script["SHIFT"] + 1))


def test_light_changes_colours_and_leaves_the_outline(script) -> None:
    pixels = torch.full((4, 8, 8), 200, dtype=torch.uint8)
    pixels[3, :, :4] = 0
    seen = set()
    for seed in range(30):
        torch.manual_seed(seed)
        changed = script["mirrored_and_lit"](pixels)
        assert changed.dtype == torch.uint8
        assert sorted(changed[3].unique().tolist()) == [0, 200]
        (light,) = changed[:3].unique().tolist()
        assert 139 <= light <= 255  # 0.7 times as bright, up to what a byte can hold
        seen.add((bool(changed[3, 0, 0]), light > 200))
    assert len(seen) == 4


@pytest.mark.usefixtures("forks")
def test_helpers_throw_different_dice(script, pictures) -> None:
    pictures.indices = [3] * 8
    loader = script["make_loader"](pictures, 4, 2, CPU)
    try:
        batches = [pixels for pixels, _ in loader]
    finally:
        dismiss(loader)
    assert (batches[0] != batches[1]).any()


def test_the_loaders_differ_in_their_helpers_only(script, pictures) -> None:
    alone, helped = (script["make_loader"](pictures, 4, n, CPU) for n in (0, 3))
    assert (alone.num_workers, helped.num_workers) == (0, 3)
    assert alone.batch_size == helped.batch_size
    assert helped.persistent_workers
    assert not helped.pin_memory
    assert script["make_loader"](pictures, 4, 3, CUDA).pin_memory


def test_a_model_learns(script, pictures) -> None:
    pictures.augment = False
    trainer = script["Trainer"](8, CPU)
    batch = next(iter(script["make_loader"](pictures, FEW, 0, CPU)))
    trainer.step(batch)
    first = trainer.mean_loss()
    for _ in range(15):
        trainer.step(batch)
    assert trainer.steps == 15
    mean = trainer.mean_loss()
    assert mean < 0.8 * first
    trainer.step(batch)
    assert trainer.mean_loss() < mean  # the earlier ones are forgotten


def test_a_model_is_judged_on_what_it_is_shown(script, pictures) -> None:
    class Stubborn(torch.nn.Linear):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            assert not self.training
            assert pictures.dtype == torch.float32
            assert 0 <= pictures.min() <= pictures.max() <= 1
            return torch.nn.functional.one_hot(torch.full((len(pictures),), 3), len(FAMILIES))

    trainer = script["Trainer"](4, CPU)
    trainer.net = Stubborn(1, 1)
    loader = script["make_loader"](pictures, 5, 0, CPU)
    families = [family_of(index) for index in range(FEW)]
    assert trainer.accuracy_pct(loader) == pytest.approx(100 * families.count(3) / FEW)
    assert 0 < families.count(3) < FEW
    assert trainer.net.training


def test_models_of_a_width_start_alike(script) -> None:
    one, other = (script["Trainer"](6, CPU).net.state_dict() for _ in range(2))
    assert all((one[name] == other[name]).all() for name in one)


def test_a_wider_model_has_more_to_compute(script) -> None:
    widths = script["WIDTHS"]
    assert list(widths) == sorted(set(widths))
    sizes = [sum(p.numel() for p in script["make_net"](width).parameters()) for width in widths[:4]]
    assert sizes == sorted(set(sizes))
    assert script["make_net"](4)(torch.zeros(2, 4, 64, 64)).shape == (2, len(FAMILIES))


@pytest.mark.parametrize(("device", "helpers", "fitting"), [(CPU, 1, 14), (CPU, 4, 8), (CUDA, 2, 12)])
def test_the_first_width_is_taken_whose_step_is_long_enough(
    names, monkeypatch, device: torch.device, helpers: int, fitting: int
) -> None:
    # A step of 1 ms for each unit of width.
    monkeypatch.setitem(names, "loading_s", lambda loader: 0.011)
    monkeypatch.setitem(names, "Trainer", lambda width, device: width)
    monkeypatch.setitem(names, "step_s", lambda width, batch: width / 1000)
    width, loading, step = names["fitting_width"]([None], helpers, device)
    assert (width, loading, step) == (fitting, 0.011, fitting / 1000)


def test_a_fast_machine_gets_the_widest_model(names, monkeypatch, capsys) -> None:
    monkeypatch.setitem(names, "loading_s", lambda loader: 9.0)
    monkeypatch.setitem(names, "Trainer", lambda width, device: width)
    monkeypatch.setitem(names, "step_s", lambda width, batch: width / 1e6)
    assert names["fitting_width"]([None], 1, CPU)[0] == names["WIDTHS"][-1]
    assert "Even the widest" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("device", "cores", "helpers"),
    [(CPU, 1, 1), (CPU, 2, 1), (CPU, 4, 3), (CPU, 64, 8), (CUDA, 1, 1), (CUDA, 4, 4), (CUDA, 64, 8)],
)
def test_the_model_has_a_core_to_itself_where_there_is_no_gpu(
    names, monkeypatch, device: torch.device, cores: int, helpers: int
) -> None:
    monkeypatch.setitem(names, "usable_cores", lambda: cores)
    assert names["helpers_for"](device) == helpers


def test_a_gpu_is_used_where_torch_can_use_one(script, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert script["choose_device"]() == CUDA
    assert list(script["remarks_on"](CUDA)) == []


def test_a_gpu_that_is_not_found_is_spoken_of(names, no_gpu, monkeypatch) -> None:
    monkeypatch.setitem(names, "absence", lambda: "its driver sleeps")
    monkeypatch.setitem(names, "usable_cores", lambda: 1)
    assert names["choose_device"]() == CPU
    unused, shared, single = names["remarks_on"](CPU)
    assert unused == "No GPU was used, because its driver sleeps."
    assert "share the cores" in shared
    assert "one core" in single


def test_a_torch_for_the_cpu_makes_nobody_look_for_a_gpu(names, monkeypatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setitem(names, "usable_cores", lambda: 2)
    assert len(list(names["remarks_on"](CPU))) == 1


def test_a_driver_that_warns_is_not_heard(script, monkeypatch, recwarn) -> None:
    def complain() -> bool:
        import warnings

        warnings.warn("CUDA initialization: the driver is too old", UserWarning, stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", complain)
    assert script["choose_device"]() == CPU
    assert not recwarn.list


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (
            torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 …"),
            " (20.00 MiB more was wanted).",
        ),
        (RuntimeError("CUDA error: out of memory"), "."),
    ],
)
def test_a_full_gpu_is_told_in_one_sentence(script, monkeypatch, error: RuntimeError, wanted: str) -> None:
    monkeypatch.setattr("spritedocs.machine.accelerator.gpu_load", lambda: GpuLoad(97, 79.1, 1))
    with pytest.raises(SystemExit) as left, script["one_sentence_if_the_gpu_fails"](CUDA):
        raise error
    assert "the GPU ran out of memory, while something else is on it (97% utilised, 79.1 GB" in str(
        left.value
    )
    assert f"CUDA_VISIBLE_DEVICES{wanted} With" in str(left.value)


@pytest.mark.parametrize(
    ("device", "error"),
    [(CUDA, RuntimeError("shapes differ")), (CPU, RuntimeError("out of memory")), (CUDA, ValueError("no"))],
)
def test_other_errors_are_left_alone(script, device: torch.device, error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)), script["one_sentence_if_the_gpu_fails"](device):
        raise error


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_only_a_gpu_is_copied_to(names, monkeypatch, device: torch.device) -> None:
    trainer = names["Trainer"](4, CPU)
    trainer.device = device
    asked: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setitem(names, "trace_epoch", lambda *given, **named: asked.append((given, named)))
    names["traced_epoch"]("loader", trainer)
    copy = trainer.copy if device == CUDA else None
    assert asked == [(("loader", trainer.compute), {"copy": copy, "device": device})]


def test_clocks_that_disagree_end_it_with_a_sentence(names, monkeypatch) -> None:
    def refuse(*given: object, **named: object) -> None:
        raise ClockError("the sundial is in the shade")

    monkeypatch.setitem(names, "trace_epoch", refuse)
    with pytest.raises(SystemExit, match="the sundial is in the shade"):
        names["traced_epoch"]("loader", names["Trainer"](4, CPU))


def test_both_models_learn_in_every_round(names, pictures, monkeypatch) -> None:
    monkeypatch.setitem(names, "ROUNDS", 2)
    loaders = {arm: traced(names["make_loader"](pictures, 4, 0, CPU)) for arm in ("0", "helped")}
    trainers = {arm: names["Trainer"](4, CPU) for arm in loaders}
    timelines, losses = names["learn_in_turns"](loaders, trainers)
    for arm in loaders:
        assert [epoch.batches for epoch in timelines[arm]] == [3, 3]
        assert len(losses[arm]) == 2
        assert trainers[arm].steps == 0
        assert losses[arm][1] != losses[arm][0]


def test_chance_is_the_most_frequent_family(script, pictures) -> None:
    pictures.indices = [index for index in range(300) if family_of(index) in (1, 2)][:9]
    ones = [family_of(index) for index in pictures.indices].count(1)
    assert script["chance_pct"](pictures) == pytest.approx(100 * max(ones, 9 - ones) / 9)


SPANS = (
    Span("helper 0", "load", 0, 4, 0),
    Span("helper 0", "collate", 4, 5, 0),
    Span("helper 1", "load", 0, 3, 1),
    Span("main", "wait", 0, 6, 0),
    Span("main", "copy", 6, 7, 0),
    Span("main", "compute", 7, 8, 0),
    Span("main", "wait", 8, 10, 1),
    Span("device", "copy", 6, 7, 0),
    Span("device", "compute", 7, 9, 0),
)


def _timeline(device: str, workers: int, *spans: Span) -> Timeline:
    return Timeline(spans=spans, wall_s=10, clock="test", device=device, batches=1, workers=workers)


def test_shares_are_means_over_helpers_and_parts_of_the_epoch(script) -> None:
    kinds = list(script["KINDS"])
    rows = list(script["share_rows"]("helped", "2 helpers", [_timeline("cuda:0", 2, *SPANS)] * 2, kinds))
    assert [row[0] for row in rows] == ["2 helpers: each helper", "2 helpers: main process", "2 helpers: GPU"]
    found = {cell.name: cell.median for row in rows for cell in row[1:] if cell}
    assert found == {
        "helper_loading_pct_helped": pytest.approx(40),
        "main_waiting_pct_helped": pytest.approx(80),
        "main_copying_pct_helped": pytest.approx(10),
        "main_computing_pct_helped": pytest.approx(10),
        "device_copying_pct_helped": pytest.approx(10),
        "device_computing_pct_helped": pytest.approx(20),
    }


def test_loading_without_helpers_is_no_waiting(script) -> None:
    spans = (
        Span("main", "wait", 0, 6, 0),
        Span("main", "load", 0.5, 5, 0),
        Span("main", "compute", 6, 10, 0),
    )
    (row,) = script["share_rows"]("0", "0 helpers", [_timeline("cpu", 0, *spans)], list(script["KINDS"]))
    assert {cell.name: cell.median for cell in row[1:] if cell} == {
        "main_loading_pct_0": pytest.approx(45),
        "main_waiting_pct_0": pytest.approx(15),
        "main_computing_pct_0": pytest.approx(40),
    }


def test_the_window_ends_with_the_step_where_it_is_computed(script) -> None:
    assert script["window_of"](_timeline("cuda:0", 2, *SPANS)) == 9
    many = [Span("main", "compute", n, n + 0.5, n) for n in range(9)]
    assert script["window_of"](_timeline("cpu", 0, *many)) == script["SHOWN_BATCHES"] - 0.5


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (["trace.json"], "trace.json"),
        ([], None),
        (["trace.json", "more"], None),
        (["trace.txt"], None),
        (["-f", "/run/kernel-1.json"], None),
        (["--f=/run/kernel-1.json"], None),
        (["09.py", "spawn", "values.json"], None),
    ],
)
def test_only_a_file_that_was_named_is_written(script, arguments: list[str], file: str | None) -> None:
    assert script["trace_file"](arguments) == (file and Path(file))


def test_a_trace_holds_both_epochs(script, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    timeline = _timeline("cuda:0", 2, *SPANS)
    said = script["write_trace"](path, {"0 helpers": timeline, "2 helpers": timeline})
    assert "ui.perfetto.dev" in said
    assert str(tmp_path) not in said
    written = path.read_text(encoding="utf-8")
    assert {"0 helpers", "2 helpers"} <= {
        str(event["args"].get("name")) for event in json.loads(written)["traceEvents"] if "args" in event
    }


def test_a_trace_that_finds_no_folder_is_a_sentence(script, tmp_path: Path) -> None:
    said = script["write_trace"](tmp_path / "nowhere" / "trace.json", {"": _timeline("cuda:0", 2, *SPANS)})
    assert said == "The trace could not be written (No such file or directory)."


def test_a_timed_loop_trains_on_every_batch_and_waits_once(names, monkeypatch) -> None:
    done: list[object] = []
    monkeypatch.setitem(names, "finish", lambda device: done.append(device))
    trainer = SimpleNamespace(device="here", step=done.append)
    loop = names["Training"](["a", "b"], trainer)
    assert list(loop) == ["a", "b"]
    assert done == ["a", "b", "here"]
    assert loop.num_workers == 0
    assert names["Training"](SimpleNamespace(num_workers=3), trainer).num_workers == 3


def test_training_stands_still_when_neither_copied_nor_computed(script) -> None:
    assert script["data_wait_pct"](_timeline("cuda:0", 2, *SPANS)) == pytest.approx(70)
    without = [span for span in SPANS if span.lane != "device"]
    assert script["data_wait_pct"](_timeline("cpu", 2, *without)) == pytest.approx(80)
    assert script["first_batch_ms"](_timeline("cpu", 2, *without)) == pytest.approx(6000)


def test_a_value_of_traced_epochs_has_a_sample_for_each(script) -> None:
    values = list(script["traced_values"]("helped", [_timeline("cuda:0", 2, *SPANS)] * 3))
    assert [(value.name, value.unit) for value in values] == [
        ("utilisation_helped", "%"),
        ("data_wait_helped", "%"),
        ("first_batch_ms_helped", "ms"),
    ]
    assert values[0].samples == (pytest.approx(20),) * 3


@pytest.mark.parametrize("why", ["no room", "full"])
def test_without_files_there_is_a_sentence(names, monkeypatch, why: str) -> None:
    @contextmanager
    def no_room(megabytes: float) -> Iterator[Path]:
        raise NoRoomError("There is no room at the inn.")
        yield

    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/sprite-1/png")

    if why == "full":
        monkeypatch.setitem(names, "write_png_folder", full)
    else:
        monkeypatch.setitem(names, "room_for", no_room)
    with pytest.raises(SystemExit) as left, ExitStack() as room:
        names["sprites_in"](room, FEW)
    assert ("no room at the inn" if why == "no room" else "(No space left on device): set TMPDIR") in str(
        left.value
    )
    assert "/tmp" not in str(left.value)


def test_importing_it_starts_nothing(script) -> None:
    assert "device" not in script
    assert "timelines" not in script


def test_it_measures_what_its_page_needs(values_of) -> None:
    values = values_of(NAME)
    assert set(values) >= VALUES
    assert values["loss_last"].median < values["loss_first"].median
    assert values["accuracy_pct"].median > 2 * values["chance_pct"].median
    # Wide on purpose: on one core, or beside other programs, helpers win nothing.
    assert 0 < values["utilisation_0"].median < 100
    assert 0 < values["utilisation_helped"].median <= 100.5
    assert values["speedup_headroom"].median > 1
    assert values["data_wait_0"].median > 20
