"""Reading a profiler: what is looked at, and what a thread takes out of sight."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader, TensorDataset

NAME = "24_reading_a_profiler"


def loader() -> DataLoader[tuple[torch.Tensor, ...]]:
    return DataLoader(TensorDataset(torch.zeros(12, 4)), batch_size=4)


def test_a_thread_hands_over_every_batch_and_ends(script) -> None:
    assert list(script["from_a_thread"](range(5))) == [0, 1, 2, 3, 4]


def test_the_profiler_sees_who_waits_in_its_own_thread_only(script) -> None:
    seen = script["look"](loader, lambda batch: None)
    assert 0 < seen["self_pct"] <= seen["row_pct"] < 100
    assert 0 < seen["clock_pct"] < 100
    unseen = script["look"](lambda: script["from_a_thread"](loader()), lambda batch: None)
    assert unseen["row_pct"] == unseen["self_pct"] == 0
    assert 0 < unseen["clock_pct"] < 100


def test_items_that_are_scaled_in_sight_are_counted(script, tmp_path: Path) -> None:
    pictures = script["write_png_folder"](tmp_path / "png", 8, size=96)
    lessons = script["Lessons"](pictures)
    assert lessons[0][0].shape == (4, 64, 64)
    seen = script["look"](lambda: DataLoader(lessons, 4), script["Hero"]().step)
    assert seen["items"] == 8


def test_the_row_is_no_operator_for_dashboards(tmp_path: Path) -> None:
    with profile(activities=[ProfilerActivity.CPU]) as found:
        list(loader())
    trace = tmp_path / "trace.json"
    found.export_chrome_trace(str(trace))
    events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    kinds = {event.get("cat") for event in events if event["name"].startswith("enumerate(DataLoader)#")}
    assert kinds == {"user_annotation"}
