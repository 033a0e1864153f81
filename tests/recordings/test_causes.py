"""Likely causes: only from what two provenances differ in, and only where values point to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running import PROJECT
from tiny import DESCRIBED

from spritedocs.recordings import Recording
from spritedocs.recordings.causes import _NUMBERED_OTHERWISE, Cause, _Setting, _workers, differences, likely

WITHOUT_NUMBERS = (
    *("11_platform_quirks", "11_what_a_start_costs", "16_the_count_that_lies", "17_what_cannot_travel"),
    *("18_one_bad_file", "22_one_change_at_a_time", "23_is_it_a_leak", "24_reading_a_profiler"),
    *("30_a_rank_that_dies", "31_other_loaders", "32_one_loop_to_its_end"),
    *("33_feeding_from_other_machines", "35_ranks_of_unequal_length"),
)
"""Recordings whose values' names hold no number of workers."""
STARTING = {"startup_s_4": "s", "first_epoch_s_4": "s", "first_batch_ms_2": "ms"}
HELPED = {"speedup_4": "×", "computing_items_per_s_8": "items/s"}


def run(**changes: Any) -> dict[str, Any]:
    """A provenance: of ``machine`` where the key is one of its, else of the run."""
    machine = {**DESCRIBED.as_dict(), "usable_cores": 2}
    said = {
        "source_sha256": "a",
        "modules": {"timing.rounds": "b"},
        "commit": "0123456789abcdef",
        "dirty": False,
    }
    for key, value in changes.items():
        (machine if key in machine else said)[key] = value
    return {**said, "machine": machine}


def causes(values: dict[str, str], yours: dict[str, Any], published: dict[str, Any]) -> list[Cause]:
    return likely(yours, published, values)[0]


def about(*arguments: Any) -> list[str]:
    return [cause.about for cause in causes(*arguments)]


def test_alike_provenances_differ_in_nothing() -> None:
    assert differences(run(), run()) == {}
    later = run(commit="fff", torch="2.13.1+cu130", python="3.11.9", os="TinyOS 2", memory_gb=8.1)
    assert differences(run(), later) == {}


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("start_method", "spawn", ("start_method", "the start method", "fork", "spawn")),
        ("usable_cores", 16, ("cores", "the usable cores", "2", "16")),
        ("gpu", "NVIDIA H200", ("gpu", "the GPU", "none", "NVIDIA H200")),
        ("torch", "2.11.0+cu128", ("torch", "torch", "2.13", "2.11")),
        ("python", "3.12.1", ("python", "Python", "3.11", "3.12")),
        ("cpu", "M4", ("cpu", "the processor", "Tiny CPU", "M4")),
        ("os", "Darwin 25", ("os", "the operating system", "TinyOS", "Darwin")),
        ("memory_gb", 64.0, ("memory", "the memory", "8 GB", "64 GB")),
        (
            "modules",
            {"timing.rounds": "c"},
            ("code", "the code", "0123456789", "the same commit with other files"),
        ),
    ],
)
def test_each_difference_is_named_yours_first(key: str, value: object, found: tuple[str, ...]) -> None:
    [(name, difference)] = differences(run(), run(**{key: value})).items()
    assert (name, *difference) == found


def test_a_busy_gpu_and_uncommitted_changes_are_told() -> None:
    busy = run(gpu_busy={"utilisation_pct": 40, "memory_used_gb": 3.2, "other_processes": 1})
    assert differences(run(), busy)["gpu_busy"].published == "40% utilised, 3.2 GB taken, 1 other process"
    assert differences(run(), busy)["gpu_busy"].yours == "none seen"
    changed = run(source_sha256="x", dirty=True)
    assert differences(changed, run())["code"].yours == "0123456789 with uncommitted changes"


def test_start_up_points_to_the_start_method_and_shared_cores_to_the_cores() -> None:
    spawning = run(start_method="spawn", usable_cores=1)
    found = causes(STARTING | HELPED, spawning, run())
    assert [cause.about for cause in found] == ["start_method", "cores"]
    assert found[0].says == (
        "Likely the start method: spawn here, fork there. It decides how long workers take to start, and "
        "what they share: startup_s_4, first_epoch_s_4, first_batch_ms_2."
    )
    assert found[1].values == tuple(HELPED)


def test_the_cause_that_more_values_point_to_comes_first() -> None:
    there = run(start_method="spawn", usable_cores=1)
    assert about({"startup_s_4": "s", **HELPED}, run(), there) == ["cores", "start_method"]


@pytest.mark.parametrize(
    ("values", "yours", "published"),
    [
        ({"speedup_4": "×"}, run(), run(start_method="spawn")),
        ({"speedup_4": "×"}, run(usable_cores=8), run(usable_cores=16)),  # enough in both
        ({"epoch_s_0": "s"}, run(), run(usable_cores=16)),  # no workers
        ({"startup_s_0": "s"}, run(), run(start_method="spawn")),  # none to start
        ({"first_batch_s_spawn": "s"}, run(), run(start_method="spawn")),  # chosen in both
        ({"growth_list_mb": "MB"}, run(), run(gpu="NVIDIA H200")),
        ({"speedup_4": "×"}, run(), run(cpu="M4")),
        ({"sprite_us_with_30_us": "µs"}, run(), run(usable_cores=1)),  # 30 µs are no 30 workers
    ],
)
def test_a_difference_that_explains_nothing_is_no_cause(
    values: dict[str, str], yours: dict[str, Any], published: dict[str, Any]
) -> None:
    found, others = likely(yours, published, values)
    assert [cause.about for cause in found] == ["unknown"]
    assert next(iter(values)) in found[0].says
    assert len(others) == 1


def test_an_unknown_commit_is_not_the_same_commit() -> None:
    there = differences(run(commit="unknown"), run(commit="unknown", modules={}))["code"]
    assert there.yours == there.published == "unknown"


@pytest.mark.parametrize(("name", "unit"), [("total_list_mb_4", "MB"), ("unique_numpy_object_4", "of 16")])
def test_memory_and_counts_with_workers_do_not_point_to_the_cores(name: str, unit: str) -> None:
    assert about({name: unit}, run(), run(usable_cores=16)) == ["unknown"]


def test_batch_sizes_and_prefetch_factors_are_no_workers() -> None:
    other = {"example": "21_how_a_batch_changes_hands"}
    there = run(usable_cores=16)
    for name, unit in (("items_per_s_128", "items/s"), ("epoch_ms_even_8", "ms")):
        assert about({name: unit}, run(), there) == ["cores"]
        assert about({name: unit}, run(**other), there) == ["unknown"]
    # Two workers serve every batch size: what they share may tell, whatever the number.
    assert about({"speedup_16": "×"}, run(**other, usable_cores=64), run(usable_cores=32)) == ["cores"]
    assert about({"first_batch_ms_2": "ms"}, run(**other), run(start_method="spawn")) == ["start_method"]


RECORDED = sorted(PROJECT.recorded.glob("*/*.ipynb"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_numbers_in_recorded_names_are_workers(path: Path) -> None:
    """Whoever numbers values by something else has to say so here and in ``causes``."""
    recording = Recording.read(path)
    setting = _Setting(2, False, recording.provenance["example"] not in _NUMBERED_OTHERWISE)
    found = {_workers(name, setting) for name in (*recording.values, *recording.gaps)} - {None}
    cores = recording.provenance["machine"]["usable_cores"]
    assert found <= ({0, 1, 2, 3, 4, 8, cores, 2 * cores} if setting.by_workers else set())
    assert bool(found) == (setting.by_workers and path.stem not in WITHOUT_NUMBERS)


def test_the_gpu_explains_what_is_timed_where_it_computes() -> None:
    training = {"gpu_utilisation_pct_4": "%", "epoch_s_alone": "s", "wait_pct_4": "%"}
    there = run(gpu="NVIDIA H200", cpu="M4")
    [cause] = causes(training, run(), there)
    assert (cause.about, cause.values) == ("gpu", tuple(training))
    assert about({"epoch_s_alone": "s"}, run(), there) == ["cpu"]


def test_doubts_about_the_comparison_come_first_and_leave_the_other_causes() -> None:
    load = {"utilisation_pct": 40, "memory_used_gb": 3.2, "other_processes": 1}
    yours = run(source_sha256="x", gpu_busy=load, start_method="spawn")
    found = causes({**STARTING, "copy_gb_per_s": "GB/s"}, yours, run())
    assert [cause.about for cause in found] == ["code", "gpu_busy", "start_method"]
    assert len(found[0].values) == 4
    assert found[0].says.endswith("startup_s_4, first_epoch_s_4, first_batch_ms_2 and 1 more.")


@pytest.mark.parametrize(
    ("values", "changes", "expected"),
    [
        ({"unpicklable": ""}, {"torch": "2.11.0", "python": "3.12"}, ["torch"]),
        ({"carried": "of 5"}, {"python": "3.14"}, ["python"]),
        ({"size_list_mb": "MB"}, {"python": "3.14", "torch": "2.6"}, ["python"]),
        ({"us_png_cold_0": "µs"}, {"os": "Darwin 25", "cpu": "M4"}, ["os"]),
        ({"epoch_s_0": "s"}, {"os": "Darwin 25", "cpu": "M4"}, ["cpu"]),
    ],
)
def test_versions_system_and_processor(
    values: dict[str, str], changes: dict[str, str], expected: list[str]
) -> None:
    assert about(values, run(), run(**changes)) == expected


def test_where_no_value_differs_there_is_no_cause_but_the_differences_are_told() -> None:
    found, others = likely(run(), run(cpu="M4", usable_cores=8), {})
    assert found == []
    assert [other.what for other in others] == ["the usable cores", "the processor"]


def test_nothing_is_said_to_be_certain() -> None:
    there = run(gpu="NVIDIA H200", cpu="M4", usable_cores=16, start_method="spawn", os="Darwin 25")
    for cause in causes({**STARTING, **HELPED, "copy_s": "s", "read_us": "µs", "x_pct": "%"}, run(), there):
        assert cause.says.startswith(("Likely ", "No difference in provenance points to "))
