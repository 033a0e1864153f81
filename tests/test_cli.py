"""The command line: what it prints, its exit statuses, and a sentence where something is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from tiny import NAME, Tiny, Traces

from spritedocs import __version__, cli, machine
from spritedocs.recorder import RecordError


class Answer(NamedTuple):
    status: int
    said: str
    complained: str

    @property
    def sentence(self) -> str:
        """The complaint, which stands alone."""
        assert self.said == ""
        assert "Traceback" not in self.complained
        return self.complained.splitlines()[-1]


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny: Tiny
) -> Callable[..., Answer]:
    """The command ``spritedocs`` in the miniature site's folder."""
    monkeypatch.chdir(tiny.root)

    def answer(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["spritedocs", *arguments])
        capsys.readouterr()
        status = 0
        try:
            cli.main()
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        return Answer(status, *capsys.readouterr())

    return answer


def test_status_for_programs_is_a_list_of_objects(call: Callable[..., Answer], tiny: Tiny) -> None:
    recorded_at = tiny.library.status(tiny.example, tiny.recording().parent).recording.recorded_at
    here = machine.slug()
    answer = call("status", "--json")
    assert answer.status == 0
    assert json.loads(answer.said) == [
        {"example": NAME, "machine": here, "state": "missing", "recorded_at": None, "whose": "yours"},
        {
            "example": NAME,
            "machine": "tiny-machine",
            "state": "fresh",
            "recorded_at": recorded_at.isoformat(),
            "whose": "published",
        },
    ]


def test_status_for_people_is_a_table(call: Callable[..., Answer]) -> None:
    answer = call("status")
    assert answer.status == 0
    heading, own, published = (line.split() for line in answer.said.splitlines())
    assert heading == ["example", "machine", "state", "recorded"]
    assert own == [NAME, machine.slug(), "(yours)", "missing"]
    assert published[:3] == [NAME, "tiny-machine", "fresh"]


def test_the_short_status_counts_own_recordings_alone(call: Callable[..., Answer], tiny: Tiny) -> None:
    answer = call("status", "--short")
    assert answer.said == (
        "Your machine: 0 of 1 measured; 'make record' (or 'spritedocs record'), about 1 minute, "
        "puts it beside ours.\n"
    )
    tiny.add_recording(tiny.project.own / "mine" / f"{NAME}.ipynb")
    assert call("status", "--short").said == (
        "Your machine: 1 of 1 measured; they stand beside the published ones.\n"
    )


def test_recording_is_done_once_and_again_by_force_alone(
    call: Callable[..., Answer], tiny: Tiny, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spritedocs.privacy.getpass.getuser", lambda: "nobody-at-all")
    here = machine.slug()
    answer = call("record")
    assert answer.status == 0, answer.complained
    [own] = tiny.library.own(tiny.example)
    assert (own.machine, own.state) == (here, "fresh")
    assert own.recording.provenance["machine"] == machine.describe().as_dict()
    assert f" s: .cache/spritedocs/recorded/{here}/{NAME}.ipynb\n" in answer.complained
    assert (traces.processes(), traces.files()) == ([], [])

    ran = []
    monkeypatch.setattr(
        "spritedocs.recorder.record", lambda project, example, *_: ran.append(example.name) or own.recording
    )
    assert call("record", NAME).said == f"{NAME} is fresh: --force records it again.\n"
    assert ran == []
    call("record", NAME, "--force")
    assert ran == [NAME]
    call("record", "--into", "elsewhere")
    assert ran == [NAME, NAME]
    own.recording.path.write_text("damaged")
    call("record")
    assert ran == [NAME, NAME, NAME]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["record", "99_nothing"], f"there is no example '99_nothing': known are {NAME}."),
        (["record", "--machine", "nvidia-none"], "this machine is {here}, not nvidia-none"),
        (["record", "--into", "mkdocs.yml"], "'mkdocs.yml' is a file"),
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


@pytest.mark.parametrize("arguments", [["status"], ["status", "--short"], ["status", "--json"], ["record"]])
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

    monkeypatch.setattr("spritedocs.recorder.record", fails)
    answer = call("record")
    assert (answer.status, answer.sentence) == (1, "01_counting failed.")
    tiny.recording().write_text("{", encoding="utf-8")
    answer = call("status", "--json")
    assert answer.status == 1
    assert answer.sentence.startswith(f"{tiny.recording()} cannot be read")


def test_sprites_are_drawn_as_files_or_as_one_array(call: Callable[..., Answer], tiny: Tiny) -> None:
    assert call("sprites", "drawn", "--count", "3").said == "3 sprites written to drawn.\n"
    assert len(list((tiny.root / "drawn").glob("*.png"))) == 3
    for _ in range(2):  # the second time there is nothing left to do
        assert call("sprites", "packed.npy", "--packed", "--count", "3").status == 0
        assert (tiny.root / "packed.npy").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["new", "--count", "-3"], "-3"),
        (["new", "--size", "17"], "17"),
        (["new", "--count", "many"], "'many' is not a valid integer"),
        (["docs"], "docs holds something else"),
        (["mkdocs.yml", "--packed"], "mkdocs.yml holds something else"),
    ],
)
def test_sprites_that_cannot_be_drawn_are_misuse(
    call: Callable[..., Answer], tiny: Tiny, arguments: list[str], sentence: str
) -> None:
    before = sorted(tiny.root.rglob("*"))
    answer = call("sprites", *arguments)
    assert answer.status == 2
    assert sentence in answer.sentence
    assert sorted(tiny.root.rglob("*")) == before


def test_help_and_version_are_no_failures(call: Callable[..., Answer]) -> None:
    assert call("--version").said.strip().endswith(f", version {__version__}")
    for arguments in (["--help"], ["record", "-h"], ["status", "-h"], ["sprites", "-h"]):
        answer = call(*arguments)
        assert (answer.status, answer.complained) == (0, "")
        assert "Usage: " in answer.said


def test_every_option_and_argument_says_what_it_is_for() -> None:
    for command in cli.cli.commands.values():
        assert command.help
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help
