"""The command line: what it prints, its exit statuses, and a sentence where something is wrong."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest
from calling import Answer, called
from tiny import NAME, Tiny, Traces

from spritedocs import __version__, machine
from spritedocs.cli import commands as cli
from spritedocs.recordings import RecordError, Recording
from spritedocs.report import MIME


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny: Tiny
) -> Callable[..., Answer]:
    """The command ``spritedocs`` in the miniature site's folder."""
    monkeypatch.chdir(tiny.root)

    return partial(called, monkeypatch, capsys)


def test_status_is_a_table_that_says_what_has_changed(
    call: Callable[..., Answer], tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    answer = call("status")
    assert answer.status == 0
    heading, own, published = (line.split() for line in answer.said.splitlines())
    assert heading == ["example", "machine", "state", "recorded", "because"]
    assert own == [NAME, machine.slug(), "(yours)", "missing"]
    assert published[:3] == [NAME, "cpu-13-cores", "fresh"]
    tiny.edit(f"examples/{NAME}.py", "[4]", "[5]")
    assert call("status").said.rstrip().endswith("the script has changed since")


def test_in_a_sentence_own_recordings_alone_count(tiny: Tiny) -> None:
    tiny.add_recording(tiny.recording(), lambda n: n["metadata"]["spritedocs"].update(duration_s=50))
    assert tiny.library.own_summary([tiny.example]) == (
        "Your machine: 0 of 1 measured; 'make record' (or 'spritedocs record'), about 1 minute, "
        "puts it beside ours."
    )
    tiny.add_recording(tiny.project.own / "mine" / f"{NAME}.ipynb")
    assert tiny.library.own_summary([tiny.example]) == (
        "Your machine: 1 of 1 measured; they stand beside the published ones."
    )


def test_recording_is_done_once_and_again_by_force_alone(
    call: Callable[..., Answer], tiny: Tiny, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spritedocs.recordings.privacy.getpass.getuser", lambda: "nobody-at-all")
    here = machine.slug()
    answer = call("record")
    assert answer.status == 0, answer.complained
    [own] = tiny.library.own(tiny.example)
    assert (own.machine, own.state) == (here, "fresh")
    assert own.recording.provenance["machine"] == machine.describe().as_dict()
    stored = Path(".cache", "spritedocs", "recorded", here, f"{NAME}.ipynb")
    assert f" s: {stored}\n" in answer.complained
    assert (traces.processes(), traces.files()) == ([], [])

    ran = []
    monkeypatch.setattr(
        "spritedocs.recordings.record", lambda project, example, *_: ran.append(example.name) or own.recording
    )
    assert call("record", NAME).said == f"{NAME} is fresh: --force records it again.\n"
    assert ran == []
    call("record", NAME, "--force")
    assert ran == [NAME]
    own.recording.path.write_text("damaged")
    call("record")
    assert ran == [NAME, NAME]


def test_a_folder_that_takes_no_recording_is_said_once_before_any_run(
    call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tiny: Tiny
) -> None:
    monkeypatch.setattr("spritedocs.recordings.record", None)
    tiny.project.own.parent.mkdir(exist_ok=True)
    tiny.project.own.write_text("no folder")
    answer = call("record")
    assert answer.status == 1
    assert re.fullmatch(r"Error: .+ takes no recordings \(.+\): make room there\.\n", answer.complained)


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps a folder that somebody works in")
def test_the_working_folder_may_go_while_it_records(
    call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tiny: Tiny
) -> None:
    here = tiny.root / "docs" / "deep"
    here.mkdir()
    monkeypatch.chdir(here)

    def remove_it(*_: object) -> Recording:
        here.rmdir()
        return Recording.read(tiny.recording())

    monkeypatch.setattr("spritedocs.recordings.record", remove_it)
    answer = call("record")
    assert answer.status == 0
    assert f" s: {tiny.recording()}\n" in answer.complained


def on_a_machine(monkeypatch: pytest.MonkeyPatch, **changes: object) -> str:
    """Let this machine be another; returns its short name."""
    described = machine.Machine(**{"usable_cores": 8, "torch": "2.11.0+cu130", "cuda": "13.0", **changes})
    monkeypatch.setattr(machine, "describe", lambda *_: described)
    monkeypatch.setattr(machine, "gpu_absence", lambda: "torch finds no NVIDIA driver: install one")
    return machine.slug(described)


def test_where_a_gpu_was_asked_for_and_none_is_found_it_says_why(
    call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tiny: Tiny
) -> None:
    before = tiny.recording().read_bytes()
    on_a_machine(monkeypatch)
    answer = call("record", "--machine", "nvidia-h200")
    said = "this machine is cpu-8-cores, not nvidia-h200, because torch finds no NVIDIA driver: install one."
    assert answer.status == 2
    assert answer.sentence.endswith(said)
    assert call("record", "--machine", "cpu-2-cores").sentence.endswith("names the machine that made it.")
    on_a_machine(monkeypatch, gpu="NVIDIA H100")
    assert call("record", "--machine", "nvidia-h200").sentence.endswith("names the machine that made it.")
    assert tiny.recording().read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "arguments", "said"),
    [
        ({}, [], "Recording as cpu-8-cores, because torch finds no NVIDIA driver: install one.\n"),
        ({}, ["--machine", "cpu-8-cores"], ""),
        ({"cuda": None}, [], ""),
        ({"gpu": "NVIDIA H200"}, [], ""),
    ],
)
def test_a_cuda_build_without_a_gpu_records_and_says_so(
    call: Callable[..., Answer],
    monkeypatch: pytest.MonkeyPatch,
    tiny: Tiny,
    changes: dict[str, object],
    arguments: list[str],
    said: str,
) -> None:
    here = on_a_machine(monkeypatch, **changes)
    monkeypatch.setattr("spritedocs.recordings.record", lambda *_: Recording.read(tiny.recording()))
    assert call("record", *arguments).complained.startswith(said or f"{NAME} recorded in ")
    for folder in (tiny.project.own, tiny.project.recorded):
        tiny.add_recording(folder / here / f"{NAME}.ipynb")
    assert call("record", *arguments) == (0, f"{NAME} is fresh: --force records it again.\n", "")


def test_status_mentions_recordings_that_no_page_shows(call: Callable[..., Answer], tiny: Tiny) -> None:
    tiny.add_recording(tiny.recording("old-machine"))
    answer = call("status")
    assert answer.status == 0
    assert "old-machine is shown on no page: name that machine in mkdocs.yml" in answer.complained
    assert "old-machine" in answer.said


@pytest.mark.parametrize("columns", ["80", "100"])
def test_yours_stand_beside_the_published_ones(
    call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tiny: Tiny, columns: str
) -> None:
    def change(notebook: dict[str, Any]) -> None:
        """Another name for the ratio, a machine with one core less, and code that has changed since."""
        provenance = notebook["metadata"]["spritedocs"]
        provenance["machine"]["usable_cores"] = 1
        provenance["source_sha256"] = "0" * 64
        text = json.dumps(notebook["cells"][-1]["outputs"])
        notebook["cells"][-1]["outputs"] = json.loads(text.replace('"ratio"', '"speedup_4"'))

    monkeypatch.setenv("COLUMNS", columns)
    here = machine.slug()
    tiny.add_recording(tiny.project.own / here / f"{NAME}.ipynb", change)
    answer = call("compare", NAME)
    assert (answer.status, answer.complained) == (0, "")
    lines = [line.split() for line in answer.said.splitlines()]
    assert lines[0] == ["value", "yours", "cpu-13-cores", "yours", "/", "published"]
    assert lines[1] == ["speedup_4", "3.00×", "–"]
    assert lines[2] == ["ratio", "–", "3.00×"]
    text = " ".join(word for line in lines for word in line)
    assert "1 value is the same in both." in text
    assert (
        "Yours: Stale: the code has changed since; compared all the same. 1 usable core of Tiny CPU" in text
    )
    assert "Published: 13 usable cores of Tiny CPU" in text
    assert f"repeat with 'spritedocs record {NAME}'" in text
    assert "No value differs clearly, so there is no cause to look for." in text
    assert "no value points to it: the code (0123456789 here, the same commit with other files there)" in text
    assert max(map(len, answer.said.splitlines())) <= int(columns)


def test_what_has_another_name_today_is_repeated_by_that(call: Callable[..., Answer], tiny: Tiny) -> None:
    newer, text = "02_half", tiny.recording().read_text(encoding="utf-8")
    tiny.edit(f"examples/{NAME}.py", "# claims:", f"# formerly: {NAME}\n# claims:")
    tiny.script.rename(tiny.script.with_stem(newer))
    tiny.write(tiny.project.own / machine.slug() / f"{newer}.ipynb", json.loads(text.replace(NAME, newer)))
    answer = call("compare", newer)
    assert (answer.status, answer.complained) == (0, "")
    assert " ".join(answer.said.split()).count(f"repeat with 'spritedocs record {newer}'") == 2


def test_what_was_not_measured_has_its_reason_once(
    call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tiny: Tiny
) -> None:
    def lose(notebook: dict[str, Any]) -> None:
        payload = notebook["cells"][-1]["outputs"][0]["data"][MIME]
        names = [value["name"] for value in payload["values"]]
        payload["values"] = []
        payload["gaps"] = [{"name": name, "reason": "No GPU here."} for name in (*names, "one_more")]

    monkeypatch.setenv("COLUMNS", "100")
    tiny.add_recording(tiny.project.own / machine.slug() / f"{NAME}.ipynb", lose)
    said = call("compare", NAME).said
    assert said.count("No GPU here.") == 1
    assert "\nNot measured: No GPU here.\n–: that recording has no such value.\n" in said
    tiny.add_recording(tiny.project.own / machine.slug() / f"{NAME}.ipynb")
    assert "–:" not in call("compare", NAME).said


def test_a_ratio_that_is_known_badly_shows_its_interval(
    call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tiny: Tiny
) -> None:
    def blur(notebook: dict[str, Any], factor: float) -> None:
        for value in notebook["cells"][-1]["outputs"][0]["data"][MIME]["values"]:
            if value["name"] == "ratio":
                value["samples"] = [factor * sample for sample in (2.0, 4.0, 2.5, 3.5, 2.2, 3.8)]

    monkeypatch.setenv("COLUMNS", "120")
    own = tiny.project.own / machine.slug() / f"{NAME}.ipynb"
    tiny.add_recording(own, lambda notebook: blur(notebook, 4.0))
    text = " ".join(call("compare", NAME).said.split())
    assert re.search(r"ratio 11\.8× 3\.00× 3\.\d+× \(2\.\d+–5\.\d+\)", text)
    tiny.add_recording(own, lambda notebook: blur(notebook, 1.0))
    text = " ".join(call("compare", NAME).said.split())
    assert re.search(r"ratio 2\.96× 3\.00× may be no difference \(0\.\d+–1\.\d+\)", text)


def test_what_differs_has_its_ratio_and_its_likely_cause(
    call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tiny: Tiny
) -> None:
    def rename(notebook: dict[str, Any], factor: float) -> None:
        for value in notebook["cells"][-1]["outputs"][0]["data"][MIME]["values"]:
            if value["name"] == "ratio":
                value["name"] = "speedup_4"
                value["median"] *= factor
                value["samples"] = [sample * factor for sample in value["samples"]]

    def halve(notebook: dict[str, Any]) -> None:
        notebook["metadata"]["spritedocs"]["machine"].update(usable_cores=1)
        notebook["metadata"]["spritedocs"]["gpu_busy"] = {"utilisation_pct": 40}
        rename(notebook, 0.5)

    monkeypatch.setenv("COLUMNS", "80")
    own = tiny.project.own / machine.slug() / f"{NAME}.ipynb"
    tiny.add_recording(own, halve)
    tiny.add_recording(tiny.recording(), lambda notebook: rename(notebook, 1.0))
    text = " ".join(call("compare", NAME).said.split())
    assert re.search(r"speedup_4 1\.50× 3\.00× 0\.500× \(0\.4\d+–0\.5\d+\)", text)
    assert "start method fork · GPU in use by something else (40% utilised) · recorded" in text
    assert "most likely first: 1. Likely the usable cores: 1 here, 13 there. Workers and the main " in text
    assert "Also different, though no value points to it: other work on the GPU" in text
    assert "two runs on one machine differ by more" in text

    answer = call("compare", NAME, "--machine", "cpu-13-cores", "--json")
    found = json.loads(answer.said)
    assert [cause["about"] for cause in found["likely_causes"]] == ["cores"]
    assert found["values"][1]["ratio"] == pytest.approx(0.5)

    tiny.add_recording(own)
    tiny.add_recording(tiny.recording(), lambda notebook: None)
    alike = " ".join(call("compare", NAME).said.split())
    assert re.search(r"speedup_4 3\.00× 3\.00× no difference \(0\.9\d+–1\.0\d+\)", alike)
    assert "GPU in use" not in alike
    assert "Also different" not in alike


def test_nothing_recorded_here_is_a_sentence_and_status_1(call: Callable[..., Answer]) -> None:
    answer = call("compare", NAME)
    made = f"'spritedocs record {NAME}' makes it."
    assert (answer.status, answer.sentence) == (
        1,
        f"{NAME} has no recording of yours, by {machine.slug()}: {made}",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["record", "99_nothing"], f"there is no example '99_nothing': known are {NAME}."),
        (["compare", "99_nothing"], f"there is no example '99_nothing': known are {NAME}."),
        (["record", "9" * 5000], "there is no example '99"),
        (["compare"], "Missing argument 'NAME'"),
        (["record", "--machine", "nvidia-none"], "this machine is {here}, not nvidia-none"),
        (["record", "--nonsense"], "No such option"),
        (["nonsense"], "No such command 'nonsense'"),
    ],
)
def test_misuse_is_a_sentence_and_status_2(
    call: Callable[..., Answer], arguments: list[str], sentence: str
) -> None:
    answer = call(*arguments)
    assert answer.status == 2
    assert sentence.format(here=machine.slug()) in answer.sentence


@pytest.mark.parametrize("arguments", [["status"], ["record"], ["compare", NAME], ["new", "x"]])
def test_outside_a_project_it_says_so(
    call: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = call(*arguments)
    assert answer.status == 2
    assert answer.sentence.startswith(f"{tmp_path} is not inside a clone of the guide")


def test_a_failing_example_and_a_damaged_recording_are_a_sentence_and_status_1(
    call: Callable[..., Answer], tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RecordError("01_counting failed.")

    monkeypatch.setattr("spritedocs.recordings.record", fails)
    answer = call("record")
    assert (answer.status, answer.sentence) == (1, "01_counting failed.")
    tiny.recording().write_text("{", encoding="utf-8")
    answer = call("status")
    assert answer.status == 1
    assert answer.sentence.startswith(f"{tiny.recording()} cannot be read")


def test_help_and_version_are_no_failures(call: Callable[..., Answer]) -> None:
    assert call("--version").said.strip().endswith(f", version {__version__}")
    for arguments in (["--help"], ["record", "-h"], ["status", "-h"], ["compare", "-h"]):
        answer = call(*arguments)
        assert (answer.status, answer.complained) == (0, "")
        assert "Usage: " in answer.said


def test_every_option_and_argument_says_what_it_is_for() -> None:
    for command in cli.cli.commands.values():
        assert command.help
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help
