"""What the arguments for GPUs do: the pieces on the CPU, the CUDA ones with stand-ins that keep the order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch.utils.data import DataLoader

from spritedocs.machine import GpuLoad, worker_pids
from spritedocs.report import Gap, Measurement
from spritedocs.sprites import family_of
from spritedocs.timing import TimingError

NAME = "15_handing_batches_to_the_gpu"

CPU = torch.device("cpu")
SHOWN_EVERYWHERE = {"even_speedup_8", "bursty_speedup_8", "persistent_speedup", "out_of_order_speedup"}
SHOWN_EVERYWHERE |= {"large_batches_speedup", "control_ratio", "recipe_speedup", "step_persistent_speedup"}
SHOWN_EVERYWHERE |= {"control_ratio_recipe", "recipe_over_headroom"}


def patched(monkeypatch: pytest.MonkeyPatch, script: dict[str, Any], **names: Any) -> None:
    """Replace names of the script, for its own functions."""
    for name, replacement in names.items():
        monkeypatch.setitem(script["why_no_gpu"].__globals__, name, replacement)


# Is there a GPU?


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one here")
def test_without_cuda_one_sentence_stands_in_every_table_of_copies(script) -> None:
    why = script["why_no_gpu"]()
    assert "needs CUDA" in why
    rows = [script["way_row"](name, {}, why) for name in script["WAYS"]]
    rows += [script["size_row"](mb, {}, why) for mb in script["MEGABYTES"]]
    rows += [script["stream_row"](name, {}, why) for name in script["STREAMS"]]
    gaps = [cell for row in rows for cell in row if not isinstance(cell, str)]
    gaps.append(script["link_value"]("", {}, why))
    assert {gap.reason for gap in gaps} == {why}
    assert len({gap.name for gap in gaps}) == len(gaps) == 29


FULL, OTHERS, BROKEN = "ran out of memory", "has the GPU for itself", "see what 'nvidia-smi' says"
GPU_FAILURES = {
    "CUDA out of memory. Tried to allocate 600.00 MiB. GPU 0 has a total capacity of 79.10 GiB.": FULL,
    "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported.": FULL,
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`": FULL,
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED": FULL,
    "CUDA error: CUDA-capable device(s) is/are busy or unavailable\nFor debugging": OTHERS,
    "CUDA error: an illegal memory access was encountered\nFor debugging.": f"was encountered): {BROKEN}",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED": f"(cuDNN error: CUDNN_STATUS_EXECUTION_FAILED): {BROKEN}",
    "Caught AcceleratorError in pin memory thread for device 0.\nOriginal Traceback:\n  File cuda/x.py\n"
    "torch.AcceleratorError: CUDA error: unspecified launch failure\nTry.": f"launch failure): {BROKEN}",
}


@pytest.mark.parametrize(("message", "said"), GPU_FAILURES.items())
def test_a_gpu_that_is_there_but_fails_ends_the_run_in_one_sentence(
    script, monkeypatch, message, said
) -> None:
    def fails() -> None:
        raise RuntimeError(message)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("spritedocs.machine.accelerator.gpu_load", lambda gpu=None: None)
    patched(monkeypatch, script, wake_gpu=fails)
    # Not a gap: the recorder would take the run for a good one, and replace the GPU's by it.
    with pytest.raises(SystemExit) as left:
        script["why_no_gpu"]()
    sentence = left.value.code
    assert isinstance(sentence, str)  # so the status is 1
    assert sentence.startswith("The GPU gave up")
    assert said in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert ". " not in sentence


def test_a_gpu_that_takes_the_work_leaves_no_gap(script, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    patched(monkeypatch, script, wake_gpu=lambda: torch.ones(1))
    assert script["why_no_gpu"]() == ""


def test_an_error_that_is_not_the_gpus_passes_through(script) -> None:
    def lost() -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    with pytest.raises(RuntimeError, match="pid 7"):
        script["tried"](lost)


def test_what_was_tried_is_returned_or_not_tried_at_all(script) -> None:
    assert script["tried"](lambda: {"a": 1}) == {"a": 1}
    assert script["tried"](lambda: 1 / 0, "No GPU.") == {}


@pytest.mark.parametrize(
    ("found", "said"), [(GpuLoad(37, 12.3, 2), "37% utilised"), (GpuLoad(0, 0.2, 0), ""), (None, "")]
)
def test_a_gpu_that_others_use_is_told(script, monkeypatch, found, said) -> None:
    patched(monkeypatch, script, load=lambda: found)
    note = script["whose_gpu"]()
    assert said in note
    assert bool(note) == bool(said)


@pytest.mark.parametrize(("said", "link"), [("5, 16", "5, 16"), (None, "")])
def test_the_link_is_asked_of_the_gpu_that_torch_uses(script, monkeypatch, said, link) -> None:
    asked: list[str] = []
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: SimpleNamespace(uuid="1a-2b"))
    patched(monkeypatch, script, ask=lambda *command: asked.extend(command) or said)
    assert script["pcie_link"]() == link
    assert asked[-1] == "--id=GPU-1a-2b"
    # What it has now may be what it rests at.
    assert "--query-gpu=pcie.link.gen.max,pcie.link.width.max" in asked


# Copies


def test_every_way_gives_the_batch_and_pins_only_when_told(script) -> None:
    pageable, pinned = Pinnable("pageable"), Pinnable("pinned")
    told = {
        name: (way.copy(pageable, pinned, "gpu"), way.non_blocking) for name, way in script["WAYS"].items()
    }
    assert told == {
        "pageable": ("pageable to gpu, False", False),
        "pageable_nb": ("pageable to gpu, True", True),
        "pinned": ("pinned to gpu, False", False),
        "pinned_nb": ("pinned to gpu, True", True),
        "pin_first": ("pageable, just pinned to gpu, True", True),
    }


class Pinnable:
    """A batch that says how it was copied."""

    def __init__(self, name: str) -> None:
        self.name = name

    def pin_memory(self) -> Pinnable:
        return Pinnable(f"{self.name}, just pinned")

    def to(self, device: str, non_blocking: bool) -> str:
        return f"{self.name} to {device}, {non_blocking}"


def test_a_copy_is_not_done_before_the_host_goes_on(script) -> None:
    host, done = script["timed_copy"](lambda: torch.ones(9), CPU)
    assert 0 < host <= done


def test_rates_are_bytes_by_the_time_between_events(script, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    copies: list[int] = []
    # 5 copies of 2 MB in 4 ms.
    assert script["gigabytes_per_s"](lambda: copies.append(1), 2_000_000, CPU) == pytest.approx(2.5)
    assert len(copies) == script["IN_A_ROW"] == 5


class FakeEvent:
    """A CUDA event, 4 ms before the next."""

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None: ...

    def synchronize(self) -> None: ...

    def elapsed_time(self, other: FakeEvent) -> float:
        return 4.0


@pytest.mark.parametrize(
    ("link", "rate"),
    [
        ("3, 16", 15.75),
        ("4, 16", 31.5),
        ("5, 16", 63.0),
        ("1, 4", 1.0),
        ("", None),
        ("[N/A], 16", None),
        ("9, 16", None),
    ],
)
def test_the_nominal_rate_of_a_link(script, link, rate) -> None:
    assert script["nominal_gb_per_s"](link) == (rate and pytest.approx(rate, rel=1e-3))


def test_a_link_that_copies_outrun_is_not_the_one_they_take(script) -> None:
    slow, fast = {("pinned_nb", 1): [50.0]}, {("pinned_nb", 1): [300.0]}
    assert script["link_value"]("5, 16", slow, "").median == pytest.approx(63, rel=1e-2)
    assert "NVLink" in script["link_value"]("5, 16", fast, "").reason
    assert "does not say" in script["link_value"]("", slow, "").reason


# The prefetcher, with streams that only note what happens after what


class FakeStream:
    """A CUDA stream: its work, and how far into other streams' work it has waited before each piece."""

    def __init__(self, device: Any = None) -> None:
        self.work: list[tuple[str, dict[int, int]]] = []
        self.seen: dict[int, int] = {}

    def wait_stream(self, other: FakeStream) -> None:
        for key, count in (*other.seen.items(), (id(other), len(other.work))):
            self.seen[key] = max(self.seen.get(key, 0), count)

    def launch(self, what: str) -> None:
        self.work.append((what, dict(self.seen)))


@pytest.fixture
def streams(script, monkeypatch) -> SimpleNamespace:
    """A CUDA device of two streams, on which copies are only noted."""
    main, side = FakeStream(), FakeStream()
    now = [main]

    @contextlib.contextmanager
    def on(stream: FakeStream) -> Iterator[None]:
        now.append(stream)
        yield
        now.pop()

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: side)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: now[-1])

    def copy(batch: Any, device: torch.device, non_blocking: bool) -> str:
        assert non_blocking
        assert device.type == "cuda"
        now[-1].launch(f"copy {batch}")
        return f"batch {batch} on the device"

    patched(monkeypatch, script, on_device=copy)
    return SimpleNamespace(main=main, side=side, now=now)


def test_a_step_waits_for_its_own_copy_and_not_for_the_next(script, streams) -> None:
    for number, batch in enumerate(script["Prefetcher"](range(5), "cuda")):
        assert batch == f"batch {number} on the device"
        assert streams.now == [streams.main]
        # Launched before the step: this copy, and the next one if there is one.
        assert len(streams.side.work) == min(number + 2, 5)
        streams.main.launch(f"step {number}")
    assert [what for what, _ in streams.main.work] == [f"step {n}" for n in range(5)]
    waited = [seen[id(streams.side)] for _, seen in streams.main.work]
    assert waited == [1, 2, 3, 4, 5]


def test_a_copy_waits_for_the_steps_whose_memory_it_may_take(script, streams) -> None:
    for number, _ in enumerate(script["Prefetcher"](range(5), "cuda")):
        streams.main.launch(f"step {number}")
    waited = [seen.get(id(streams.main), 0) for _, seen in streams.side.work]
    # Before copy n + 2 the steps up to n are done; step n + 1, which it shall overlap, is not launched yet.
    assert waited == [0, 0, 1, 2, 3]


def test_all_batches_come_and_none_twice(script, streams) -> None:
    prefetcher = script["Prefetcher"](range(3), "cuda")
    assert len(prefetcher) == 3
    assert [list(prefetcher), list(prefetcher)] == [[f"batch {n} on the device" for n in range(3)]] * 2
    assert list(script["Prefetcher"]([], "cuda")) == []


def test_on_the_cpu_batches_pass_through(script) -> None:
    batches = [torch.ones(2), torch.zeros(2)]
    prefetcher = script["Prefetcher"](batches, "cpu")
    assert [batch is own for batch, own in zip(prefetcher, batches, strict=True)] == [True, True]
    assert len(prefetcher) == 2


def test_all_tensors_of_a_batch_are_moved(script) -> None:
    batch = {"image": torch.ones(2), "more": (torch.zeros(1), ["name", 3]), "pair": Pair(torch.ones(1), 2)}
    moved = script["on_device"](batch, torch.device("meta"))
    tensors = moved["image"], moved["more"][0], moved["pair"].left
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved["more"][1] == ["name", 3]
    assert [type(moved[key]) for key in batch] == [torch.Tensor, tuple, Pair]
    other = SimpleNamespace(tensor=torch.ones(1))
    assert script["on_device"](other, torch.device("meta")) is other


class Pair(NamedTuple):
    """A batch whose parts have names."""

    left: torch.Tensor
    right: int


def test_a_batch_is_held_back_until_the_next_one_is_loaded(script, streams) -> None:
    loaded: list[int] = []
    prefetcher = iter(script["Prefetcher"]((loaded.append(n) or n for n in range(3)), "cuda"))
    seen = [(batch, len(loaded)) for batch in prefetcher]
    assert [count for _, count in seen] == [2, 3, 3]


def test_a_step_of_products_runs_where_it_is_told(script, monkeypatch) -> None:
    patched(monkeypatch, script, MATRIX=4)
    step = script["Products"](CPU)
    step.count = 2
    batches = [torch.ones(1)] * 3
    assert script["ms_per_batch"](batches, step, CPU, non_blocking=True) > 0
    assert step.out.unique().tolist() == [4.0]


# Orders, and what helpers do with them


def test_a_batch_waits_once_and_bears_its_number(script) -> None:
    assert script["orders"]([0.5, 0], size=3) == [
        [(0, 0.5), (0, 0), (0, 0)],
        [(1, 0), (1, 0), (1, 0)],
    ]
    loader = script["make_loader"](num_workers=0, persistent_workers=False)
    loader.batch_sampler.batches = script["orders"]([0, 0], size=3)
    numbers = [batch[1].tolist() for batch in loader]
    assert numbers == [[0, 0, 0], [1, 1, 1]]
    assert script["timed"](loader, script["orders"]([0] * 4)).items == 16


def test_even_and_bursty_batches_cost_the_same(script) -> None:
    costs = {
        kind: [sum(wait for _, wait in batch) for batch in batches]
        for kind, batches in script["KINDS"].items()
    }
    assert sum(costs["bursty"]) == pytest.approx(sum(costs["even"]))
    slow = [n for n, cost in enumerate(costs["bursty"]) if cost]
    assert len(slow) == script["BURSTS"]
    assert [n % 2 for n in slow].count(0) == len(slow) / 2  # fair to both helpers


def test_arms_take_turns_and_a_first_time_is_thrown_away(script) -> None:
    calls: list[str] = []

    def arm(name: str) -> Callable[[], int]:
        return lambda: calls.append(name) or len(calls)

    arms = {"a": arm("a"), "b": arm("b"), "cold": arm("cold")}
    results = script["take_turns"](arms, 3, cold="cold")
    assert sorted(calls) == ["a"] * 4 + ["b"] * 4 + ["cold"] * 3
    assert sorted(number for row in results.values() for number in row) == list(range(3, 12))
    for start in (2, 5, 8):
        assert sorted(calls[start : start + 3]) == ["a", "b", "cold"]
    assert script["take_turns"]({}, 3) == {}


@pytest.mark.parametrize("warm", [1, 7])
def test_all_arms_come_after_the_cold_one_in_turn(script, warm) -> None:
    names = [f"arm {number}" for number in range(warm)]
    orders = list(script["random_orders"]([*names, "cold"], 3 * (warm + 1), "cold"))
    assert all(sorted(order) == [*names, "cold"] for order in orders)
    places = [order.index("cold") for order in orders]
    after = [order[place + 1 :][:1] for order, place in zip(orders, places, strict=True)]
    assert sorted(after) == sorted([[], *([name] for name in names)] * 3)
    # Without helpers there is no cold arm.
    assert [sorted(order) for order in script["random_orders"](names, 2, "cold")] == [names] * 2


def test_ratios_are_paired_by_round(script) -> None:
    assert script["times_as_fast"]("faster", [4.0, 9.0], [2.0, 3.0]).samples == (2.0, 3.0)
    assert script["times_as_fast"]("faster", [], [2.0], "No helpers.") == Gap("faster", "No helpers.")


def test_a_summoning_is_what_an_epoch_of_new_helpers_takes_more(script) -> None:
    label, *values = script["stayer_row"]("spawn", {"new": [60.0, 70.0], "kept": [10.0, 10.0]}, "")
    assert "by spawn, from the second epoch on" in label
    found = {value.name: value.median for value in values}
    assert found["persistent_speedup"] == pytest.approx((6 * 7) ** 0.5)
    assert found["restart_ms"] == 55
    assert found["epoch_s_of_5_percent"] == pytest.approx(1.1)


def test_overtakers_are_those_asked_for_later_that_came_before(script) -> None:
    assert script["ahead_of"](1, [0, 1, 2, 3]) == 0
    assert script["ahead_of"](1, [0, 2, 4, 1, 3]) == 2
    races = {"in_order": [([0, 1, 2], 90.0)], "out_of_order": [([0, 2, 1], 60.0)]}
    _, ahead, ms, faster = script["order_row"]("out_of_order", races, "")
    assert (ahead.median, ms.median, faster.median) == (1, 60.0, 1.5)
    assert script["order_picture"](races).rows == {
        "in_order=True": [0, 1, 2],
        "in_order=False": [0, 2, 1],
    }


def test_the_order_is_noted_batch_by_batch(script) -> None:
    loader = script["make_loader"](num_workers=0, persistent_workers=False)
    order, ms = script["order_and_ms"](loader)
    assert order == list(range(12))
    assert ms > 0


def test_larger_batches_are_told_against_the_smallest(script) -> None:
    races = {2: [(1000.0, 2.0, 0.4)], 128: [(3000.0, 70.0, 0.64)]}
    name, rate, faster, first, receive = script["batch_size_row"](128, races, "")
    assert (name, rate.median, first.median, receive.median) == ("128", 3000, 70, 0.64)
    assert (faster.name, faster.median) == ("large_batches_speedup", 3.0)


def test_a_strategy_that_is_not_known_is_a_gap(script, monkeypatch) -> None:
    monkeypatch.setattr(torch.multiprocessing, "get_all_sharing_strategies", lambda: {"file_system"})
    why = script["why_no_strategy"]("file_descriptor")
    assert "does not know file_descriptor" in why
    row = script["strategy_row"]("file_descriptor", {}, {}, why, why)
    assert {cell.reason for cell in row[1:]} == {why}
    assert script["why_no_strategy"]("file_system") == ""


def test_a_manager_without_a_folder_is_told_in_one_sentence(script, monkeypatch) -> None:
    said = 'torch_shm_manager at "…/torch_shm_manager": could not generate a random directory'

    def fails(loader: Any, batches: Any) -> float:
        raise TimingError(said)

    patched(monkeypatch, script, epoch_ms=fails)
    why = script["why_no_manager"](None)
    assert "set TMPDIR" in why
    assert why.count(".") == 1
    said = "the loader raised KeyError"
    with pytest.raises(TimingError, match="KeyError"):
        script["why_no_manager"](None)


@pytest.mark.usefixtures("forks")
def test_kept_tensors_are_open_files_or_names(script) -> None:
    if script["why_no_count"]():
        pytest.skip("this system does not show them")
    found = {}
    for name, settings in (
        ("file_descriptor", {}),
        ("file_system", {"worker_init_fn": script["by_file_system"]}),
    ):
        loader = script["make_loader"](num_workers=1, **settings)
        found[name] = script["files_per_tensor"](loader)
        pids = worker_pids(loader)
        assert pids
        script["dismiss"](loader)
        assert [script["shared_files"](pid) for pid in pids] == [[]]
    assert found == {"file_descriptor": (1, 0), "file_system": (0, 1)}
    assert torch.multiprocessing.get_sharing_strategy() == "file_descriptor"


def test_no_helper_is_summoned_where_the_loader_would_hang(script, monkeypatch) -> None:
    why = "Workers have no place to hand anything over."
    patched(monkeypatch, script, no_helpers=why)
    rows = [script["prefetch_row"](kind, {}, why) for kind in script["KINDS"]]
    assert script["prefetch_picture"](rows) is None
    rows += [script["stayer_row"]("fork", {}, why)]
    rows += [script["order_row"](name, {}, why) for name in ("in_order", "out_of_order")]
    rows += [script["batch_size_row"](size, {}, why) for size in script["SIZES"]]
    rows += script["strategy_rows"](None)
    assert script["order_picture"]({}) is None
    gaps = [cell for row in rows for cell in row if not isinstance(cell, str)]
    assert {gap.reason for gap in gaps} == {why}


# The training loop


def test_whole_batches_are_the_same_arithmetic(script, monkeypatch) -> None:
    # The dice are loaded, so that both ways throw the same.
    monkeypatch.setattr(torch, "rand", lambda size: torch.full(size, 0.25))
    pngs = script["pngs_of"](6, 16)
    one_by_one, together = script["Scrolls"](pngs), script["ScrollsByBatch"](pngs)
    indices = [4, 0, 5]
    for (image, family), index in zip(together.__getitems__(indices), indices, strict=True):
        own_image, own_family = one_by_one[index]
        assert torch.equal(image, own_image)
        assert family == own_family == family_of(index)
        assert image.shape == (4, 16, 16)
    assert len(one_by_one) == 6
    assert not hasattr(one_by_one, "__getitems__")


def test_pictures_are_flipped_and_brightened_each_by_its_own_dice(script) -> None:
    torch.manual_seed(0)
    images = torch.zeros(200, 1, 1, 2, dtype=torch.uint8)
    images[..., 0] = 255
    left, right = (script["prepared"](images) * 0.25 + 0.5)[:, 0, 0].unbind(1)
    brightness = torch.maximum(left, right)
    assert 0.8 <= brightness.min() < brightness.max() <= 1.2
    assert 60 < int((right > left).sum()) < 140


@pytest.mark.parametrize("helpers", [1, 2, 4])
def test_each_loop_differs_from_the_one_before_in_one_thing(script, helpers) -> None:
    changes = script["changes_for"](helpers)
    found = script["loops"](changes, dict.fromkeys(changes, ""))
    assert list(found) == list(changes)
    before = found["naive"]
    for settings in list(found.values())[1:]:
        assert len(settings.items() - before.items()) == 1
        assert before.items() <= settings.items()
        before = settings
    assert found["side_stream"] == {
        "num_workers": helpers,
        "persistent_workers": True,
        "whole_batches": True,
        "prefetch_factor": 4,
        "pin_memory": True,
        "non_blocking": True,
        "side_stream": True,
    }


def test_what_a_loop_is_set_to_is_what_its_loader_is(script) -> None:
    settings = {"num_workers": 2, "persistent_workers": True, "whole_batches": True, "prefetch_factor": 4}
    loader, _ = script["make_loop"](settings, script["pngs_of"](4, 16), None, CPU)
    assert (loader.num_workers, loader.persistent_workers, loader.prefetch_factor) == (2, True, 4)
    assert isinstance(loader.dataset, script["ScrollsByBatch"])
    naive, _ = script["make_loop"]({}, script["pngs_of"](4, 16), None, CPU)
    assert (naive.num_workers, type(naive.dataset)) == (0, script["Scrolls"])


def test_the_training_learns(script) -> None:
    step = script["make_step"](CPU)
    images, families = torch.rand(8, 4, 16, 16), torch.arange(8) % 2
    losses = [step(images, families).item() for _ in range(60)]
    assert losses[-1] < losses[0]


def test_a_loop_is_told_against_the_one_before_that_was_measured(script) -> None:
    changes = script["changes_for"](2)
    why = {name: script["why_no_loop"](name, "", "No GPU.") for name in changes}
    epochs = {"naive": [80.0], "control": [100.0], "helpers": [40.0], "persistent": [20.0]}
    epochs |= {"whole_batches": [20.0], "prefetch": [10.0], "control_recipe": [8.0], "headroom": [5.0]}
    rows = script["loop_rows"](changes, epochs, why)
    assert rows[-1][0] == "headroom: batches from memory"
    ratios = {row[2].name: row[2] for row in rows[1:]}
    measured = {name: ratio.median for name, ratio in ratios.items() if isinstance(ratio, Measurement)}
    assert measured == {
        "control_ratio": 0.8,
        "step_helpers_speedup": 2,
        "step_persistent_speedup": 2,
        "step_whole_batches_speedup": 1,
        "step_prefetch_speedup": 2,
        "control_ratio_recipe": 1.25,
        "recipe_speedup": 8,
        "recipe_over_headroom": 2,
    }
    assert {r.reason for r in ratios.values() if isinstance(r, Gap)} == {"No GPU."}
    picture = script["loop_picture"](rows)
    assert [bar.label for bar in picture.values][:2] == ["naive", "naive again"]
    assert [bar.label for bar in picture.values][-2:] == ["all of it, again", "from memory"]
    assert list(picture.groups) == [0, 1, 0, 0, 0, 0, 1, 2]


def test_without_helpers_the_naive_loop_and_its_control_are_left(script) -> None:
    changes = script["changes_for"](1)
    why = {name: script["why_no_loop"](name, "No helpers.", "No GPU.") for name in changes}
    assert list(script["loops"](changes, why)) == ["naive"]
    assert list(script["with_controls"]({"naive": {}})) == ["naive", "control"]
    rows = script["loop_rows"](changes, {"naive": [80.0], "control": [80.0], "headroom": [9.0]}, why)
    gaps = {cell.name: cell.reason for row in rows for cell in row if isinstance(cell, Gap)}
    assert set(gaps.values()) == {"No helpers."}
    assert {"recipe_speedup", "control_ratio_recipe", "recipe_over_headroom"} <= set(gaps)
    labels = [bar.label for bar in script["loop_picture"](rows).values]
    assert labels == ["naive", "naive again", "from memory"]


def test_the_controls_are_the_first_and_the_last_loop_again(script) -> None:
    found = {"naive": {}, "helpers": {"num_workers": 2}, "kept": {"num_workers": 2, "prefetch_factor": 4}}
    loops = script["with_controls"](found)
    assert loops == found | {"control": {}, "control_recipe": found["kept"]}


@pytest.mark.usefixtures("forks")
def test_loops_are_raced_beside_controls_and_send_their_helpers_home(script, monkeypatch) -> None:
    made: list[DataLoader] = []
    make = script["make_loop"]

    def keep(*arguments: Any) -> Any:
        made.append((loop := make(*arguments))[0])
        return loop

    trained: list[Any] = []
    train = script["train"]

    def watch(batches: Any, *arguments: Any) -> float:
        trained.append(batches)
        return train(batches, *arguments)

    patched(monkeypatch, script, make_loop=keep, train=watch, TRAINED=8, BATCH_SIZE=4, SIZE=16)
    found = {"naive": {}, "kept": {"num_workers": 1, "persistent_workers": True}}
    epochs = script["race_of_loops"](found, CPU, 1)
    assert {name: len(ms) for name, ms in epochs.items()} == dict.fromkeys(
        ("naive", "kept", "control", "control_recipe", "headroom"), 1
    )
    assert len(made) == 4
    replayed = next(batches for batches in trained if isinstance(batches, list))
    assert [len(images) for images, _ in replayed] == [4, 4]
    assert all(worker_pids(loader) == () for loader in made)


def test_it_measures_what_the_guide_quotes(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = values_of(NAME)
    assert set(values) >= SHOWN_EVERYWHERE
    # Wide on purpose: a summoning against none, one sleeper against a queue that hides it.
    assert values["persistent_speedup"].median > 1.2
    assert values["out_of_order_speedup"].median > 1
    assert values["batches_ahead_in_order"].median == 0
    assert values["batches_ahead_out_of_order"].median > 0
    # Nothing loads in less than no time: a wide margin for a machine that others use.
    assert values["recipe_over_headroom"].median > 0.8
