"""The benchmarks' common part: their options, and that a run is stored where pages find it."""

from __future__ import annotations

import ast
import runpy
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from running import PROJECT
from tiny import DESCRIBED, MACHINE, Tiny, add_benchmark

from spritedocs.report import Measurement, Report

sys.path.insert(0, str(PROJECT.root / "benchmarks"))
sys.path.insert(0, str(PROJECT.root / "benchmarks" / "tuning"))

import runs

RECORDING = [
    *("kernel_against_script", "publishing_build", "tracing_overhead", "trust", "watching", "long_epochs"),
    *("tune_suite", "tuning_cases", "tuning_others"),
]


@pytest.mark.parametrize("name", RECORDING)
def test_a_benchmark_can_be_started_and_record(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = PROJECT.benchmark(name)
    monkeypatch.setattr(sys, "argv", [str(benchmark.path), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(benchmark.path), run_name="__main__")
    assert ended.value.code == 0
    assert "--record" in capsys.readouterr().out
    assert f"python {benchmark.path.relative_to(PROJECT.root).as_posix()}" in benchmark.text


@pytest.mark.parametrize("record", [False, True])
def test_a_run_is_shown_and_where_that_is_asked_for_stored(
    record: bool, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = add_benchmark(tiny)
    monkeypatch.setattr(runs, "PROJECT", tiny.project)
    monkeypatch.setattr(runs.machine, "describe", lambda: DESCRIBED)
    run = runs.Run(str(benchmark.path))
    benchmark.path.write_text("x = 2\n", encoding="utf-8")  # while it measures
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    report = Report("How slow", ["overhead"], [[Measurement.of("overhead", [2.5] * 6, "×")]])
    run.publish(report, record, "said\n", lambda provenance: replace(provenance, recorded_at=begun))
    assert "How slow" in capsys.readouterr().out
    [status] = tiny.library.benchmark(benchmark, [MACHINE])
    assert status.recording is not None
    assert status.state == "fresh"  # as it was when the run began
    assert status.recording.values["overhead"].median == (2.5 if record else 1.5)
    assert status.recording.provenance["command"] == "python benchmarks/timing/speed.py"
    assert (status.recording.recorded_at == begun) == record


def test_what_benchmarks_share_is_no_benchmark() -> None:
    assert set(RECORDING) < set(PROJECT.benchmarks())
    helpers = {path.stem for path in (PROJECT.root / "benchmarks").rglob("*.py")} - set(PROJECT.benchmarks())
    assert {"answers", "digits", "public_cases", "runs", "scores"} < helpers


def test_the_answer_on_the_page_about_the_tuner_is_that_for_the_dataset_on_it() -> None:
    page = (PROJECT.root / "docs" / "tune-your-own-dataset.md").read_text(encoding="utf-8")
    own = (PROJECT.root / "benchmarks" / "tuning" / "targets" / "my_data.py").read_text(encoding="utf-8")
    code = page.split("```python\n# my_data.py\n")[1]
    shown, tuned = ast.parse(code.partition("```")[0]), ast.parse(own)
    assert list(map(ast.dump, shown.body)) == list(map(ast.dump, tuned.body[1:]))
