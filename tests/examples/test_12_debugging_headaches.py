"""The debugging example: the programs fail as told, the search finds what was planted, nothing stays."""

from __future__ import annotations

import errno
import multiprocessing
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, UnidentifiedImageError
from tiny import Traces

from spritedocs.machine import run_script
from spritedocs.report import Gap, Measurement

NAME = "12_debugging_headaches"

PROGRAMS = ("CURSED", "FALLEN", "LOCKED")
HELPED = """\
trained on batch 0
sprite 45 strikes
trained on batch 1
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    train(2)
  File "…/torch/loader.py", line 7, in __next__
    raise it
    ^^^^^^^^
ValueError: Caught ValueError in DataLoader worker process 1.
Original Traceback (most recent call last):
  File "train.py", line 1, in __getitem__
    raise ValueError
ValueError: cursed

"""
WAITING = """\
Traceback (most recent call last):
  File "…/torch/handler.py", line 73, in handler
RuntimeError: DataLoader worker (pid 12) is killed by signal: Segmentation fault. \n
The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "train.py", line 62, in <module>
    train(fall, step_s)
  File "train.py", line 50, in train
    for batch in loader:
RuntimeError: DataLoader worker (pid(s) 12) exited unexpectedly
"""
DUMPS = """\
Timeout (0:00:01)!
Thread 0x00007f (most recent call first):
  File "…/torch/worker.py", line 334 in _worker_loop
  File "train.py", line 48 in <module>
Timeout (0:00:01.500000)!
Thread 0x00007f (most recent call first):
  File "…/threading.py", line 9 in wait
  File "train.py", line 20 in __getitem__
  File "train.py", line 48 in <module>
RuntimeError: DataLoader timed out after 3 seconds
"""
SPIED = """\
a process named pt_data_worker
Thread 7 (idle): "MainThread"
    LockedSprites.__getitem__ (train.py:20)
    fetch (torch/utils/data/_utils/fetch.py:54)
    <module> (train.py:48)
"""


@pytest.fixture(scope="module")
def folder(script, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sprite files, three of them bad."""
    made: Path = tmp_path_factory.mktemp("sprites")
    script["write_sprites"](made)
    return made


@pytest.fixture
def sprites(script, folder: Path) -> Any:
    return script["SpriteFiles"](folder)


@pytest.fixture
def few(script, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, str]], None]:
    """Lets there be four files, in batches of two, of which the given ones are bad."""

    def make(bad: dict[int, str]) -> None:
        names = script["write_sprites"].__globals__
        for name, value in {"FILES": 4, "BATCH_SIZE": 2, "BAD": bad}.items():
            monkeypatch.setitem(names, name, value)

    return make


def named(values: list[Measurement | Gap]) -> dict[str, float | str]:
    """The median of each value, or the reason for its gap."""
    return {value.name: value.reason if isinstance(value, Gap) else value.median for value in values}


def all_of(report: Any) -> dict[str, float | str]:
    return named([*report.values, *report.gaps])


# The programs


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_can_be_copied_and_read(script, program: str) -> None:
    source = script[program]
    compile(source, "train.py", "exec")
    assert 'if __name__ == "__main__":' in source
    assert "num_workers=" in source
    assert max(map(len, source.splitlines())) <= 80
    assert source.count("\n") < 75


def test_a_hang_is_found_by_its_line_and_nothing_of_it_stays(script, traces: Traces) -> None:
    outcome = run_script(script["LOCKED"])
    inside, outside = script["sections_of"](outcome.text).values()
    assert outcome.status == 0
    assert inside.startswith("trained on batch 0\n")
    assert "DataLoader timed out after" in script["last_line_of"](inside)
    planted = script["line_of"](script["LOCKED"], "DOOR.acquire()")
    assert script["stack_line_in"](inside) == planted
    assert script["stack_line_in"](outside) in (planted, None)  # there may be no py-spy
    assert traces.processes() == []
    assert traces.files() == []


@pytest.mark.skipif(os.name == "nt", reason="there ctypes turns the crash into an exception")
def test_a_crash_shows_its_line_only_if_faulthandler_is_enabled_in_the_worker(script) -> None:
    """As the page says, ``python -X faulthandler`` is not enough."""
    only_crash = re.sub(r"ways = \[\(killed.*", "pass", script["FALLEN"])
    early = only_crash.replace("import torch\n", "import torch\nfaulthandler.enable()\n")
    late = early.replace("    faulthandler.disable()\n    faulthandler.enable()\n", "    pass\n")
    assert early != only_crash
    assert late != early
    for source, has_stack in ((early, True), (late, False)):
        said = script["sections_of"](run_script(source).text)["crashes while the loop waits"]
        assert "DataLoader worker" in said
        line = script["line_of"](source, "ctypes.string_at(0)") if has_stack else None
        assert script["stack_line_in"](said) == line


# Reading what they print


def test_a_text_is_cut_at_its_headings(script) -> None:
    assert script["sections_of"]("noise\n== one\na\nb\n== two\n") == {"one": "a\nb\n", "two": ""}
    assert script["sections_of"]("") == {}


def test_lines_of_the_program_are_marked_and_others_folded(script) -> None:
    marked = script["marked"](HELPED).splitlines()
    assert marked[4:8] == [
        '> File "train.py", line 3, in <module>',
        ">   train(2)",
        '  File "…/torch/loader.py", line 7, in __next__',
        "    raise it",
    ]
    assert [line[2:] if line[0] == ">" else line for line in marked] == [
        line.removeprefix("  ") if '"train.py"' in line or before else line
        for line, before in _with_place(HELPED)
    ]
    folded = script["marked"](HELPED, fold=True).splitlines()
    assert len(folded) == len(marked) - 2
    assert folded[6] == "  … lines of other files: 3"
    assert script["marked"]("", fold=True) == ""


def _with_place(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is code under a place in train.py."""
    before = ""
    for line in text.strip().splitlines():
        yield line, '"train.py"' in before
        before = line


def test_stacks_of_faulthandler_and_py_spy_are_folded_too(script) -> None:
    assert script["marked"](SPIED, fold=True).splitlines()[2:] == [
        ">   LockedSprites.__getitem__ (train.py:20)",
        "  … lines of other files: 1",
        ">   <module> (train.py:48)",
    ]
    crash = '  File "train.py", line 1 in <module>\n\nExtension modules: numpy (total: 1)\n'
    assert script["marked"](crash, fold=True).endswith("\n\n  … lines of other files: 1")
    assert script["marked"]('  File "train.py", line 1 in f\n\nlast').endswith("f\n\nlast")


def test_what_was_said_nowhere_is_said_to_be_missing(script, capsys: pytest.CaptureFixture[str]) -> None:
    script["tell"]("0 helpers", "")
    assert capsys.readouterr().out == "\n[0 helpers]\n  Nothing was printed here.\n"


def test_programs_that_cannot_run_leave_gaps(
    script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "there is no room in /home/sprite")

    monkeypatch.setitem(script["run_all"].__globals__, "run_scripts", full)
    assert script["run_all"]({"a": "", "b": ""}) == {"a": {}, "b": {}}
    said = capsys.readouterr().out
    assert os.strerror(errno.ENOSPC) in said
    assert "/home" not in said


def test_an_exception_is_counted_in_steps_and_lines(script) -> None:
    assert script["order_of_events"](HELPED) == [0, 1, 0, 2]
    assert named(script["cursed_values"](HELPED, 2)) == {
        "batches_before_error_2": 2,
        "batches_trained_meanwhile_2": 1,
        "traceback_lines_2": 11,
        "traceback_places_2": 2,
    }


@pytest.mark.parametrize("text", ["", "trained on batch 0\n", HELPED.replace("sprite", "x")])
def test_an_exception_that_did_not_come_is_a_gap(script, text: str) -> None:
    values = script["cursed_values"](text, 0)
    assert all(isinstance(value, Gap) for value in values)
    assert "temporary folder" in values[0].reason


def test_a_death_tells_its_last_line_its_cause_and_where_the_loop_was(script) -> None:
    last = "RuntimeError: DataLoader worker (pid(s) 12) exited unexpectedly"
    cause = "killed by signal: Segmentation fault"
    assert script["death_of"](WAITING) == (last, cause, "for batch in loader:")
    assert script["death_of"](f"Traceback:\n{last} with exit code 3. Details")[1] == "exit code 3"
    assert script["death_of"](f"Traceback:\n{last}\n") == (last, "not named", "none")


def test_deaths_are_counted_by_what_they_tell(script) -> None:
    deaths = {
        "a": ("x killed by signal: Killed.", "killed by signal: Killed", "time.sleep(2)"),
        "b": ("x exited unexpectedly", "exit code 3", "self.fall()"),
        "c": ("x exited unexpectedly", "not named", "for batch in loader:"),
    }
    assert all_of(script["deaths_report"](deaths)) == {
        "deaths": 3,
        "causes_named": 2,
        "causes_in_last_line": 1,
        "deaths_pointing_into_the_dataset": 1,
    }
    assert script["deaths_report"]({}).values == ()
    assert len(script["deaths_report"]({}).gaps) == 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (DUMPS, 20),
        (SPIED, 20),
        (DUMPS.partition("Timeout (0:00:01.5")[0], None),
        ('  File "train.py", line 50 in train\n', None),
        ('Traceback:\n  File "train.py", line 15 in __getitem__\n', None),
        ("", None),
    ],
)
def test_a_stack_names_the_line_of_the_dataset(script, text: str, line: int | None) -> None:
    assert script["stack_line_in"](text) == line


@pytest.mark.parametrize(
    ("text", "line", "helpers"),
    [
        (SPIED, 20, 1),
        ("py-spy is not installed\n", "pip install py-spy", "/proc"),
        ("a process named pt_data_worker\nError: Permission denied\n", "administrator", 1),
        ("", "temporary folder", "temporary folder"),
    ],
)
def test_what_cannot_be_seen_from_outside_is_a_gap_that_says_why(
    script, text: str, line: int | str, helpers: int | str
) -> None:
    seen = named(script["seen_from_outside"](text))
    for expected, found in ((line, seen["py_spy_line"]), (helpers, seen["workers_named"])):
        assert (expected in found) if isinstance(expected, str) else (expected == found)


# The search


def test_three_files_are_bad_and_the_others_are_sprites(script, sprites, folder: Path) -> None:
    cut, empty, page = script["BAD"]
    assert len(sprites) == len(list(folder.iterdir())) == 2000
    assert sprites[0].shape == (16, 16, 4)
    assert sprites[0].dtype == torch.uint8
    assert torch.equal(sprites[8], sprites[0])
    assert not torch.equal(sprites[1], sprites[0])
    with pytest.raises(OSError, match="truncated"):
        sprites[cut]
    for index in (empty, page):
        with pytest.raises(UnidentifiedImageError):
            sprites[index]
    with Image.open(script["path_of"](folder, cut)) as file:  # cut short, but still a PNG file
        assert file.format == "PNG"
    assert script["path_of"](folder, empty).stat().st_size == 0


def test_the_wrapper_names_the_item_and_keeps_the_cause(script, sprites) -> None:
    wrapped = script["Named"](sprites)
    assert len(wrapped) == len(sprites)
    assert torch.equal(wrapped[3], sprites[3])
    with pytest.raises(RuntimeError, match="item 1234") as error:
        wrapped[1234]
    assert isinstance(error.value.__cause__, OSError)


def test_the_index_survives_the_trip_to_the_main_process_and_no_helper_is_left(script, sprites) -> None:
    bare, wrapped = script["error_of"](sprites), script["error_of"](script["Named"](sprites))
    assert multiprocessing.active_children() == []
    assert bare.startswith("OSError: Caught OSError in DataLoader worker process")
    assert script["indices_in"](bare) == []
    assert script["last_line_of"](wrapped) == "RuntimeError: item 1234"
    assert script["indices_in"](wrapped) == [1234]


def test_a_loop_without_errors_dies_of_nothing(script, sprites, few) -> None:
    few({})
    assert script["error_of"](sprites) == ""


def test_a_scan_reads_every_item_and_names_all_that_fail(script, sprites) -> None:
    looked_at, errors = script["scan"](sprites)
    assert looked_at == 2000
    assert errors == {1234: "OSError", 1500: "UnidentifiedImageError", 1777: "UnidentifiedImageError"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("item 1234", [1234]),
        ("001500.png and 1777", [1500, 1777]),
        ('File "x.py", line 1234, in f', []),
        ("0x1234, a1234, 12345", []),
        ("", []),
    ],
)
def test_an_index_is_a_number_that_counts_no_lines(script, text: str, found: list[int]) -> None:
    assert script["indices_in"](text) == found


def test_none_stands_for_what_cannot_be_read_and_can_be_left_out(script, sprites) -> None:
    missing = script["OrNone"](sprites)
    assert [missing[index] is None for index in (1233, 1234, 1500, 1777)] == [False, True, True, True]
    batch = script["without_none"]([missing[index] for index in (1233, 1234, 1235)])
    assert batch.shape == (2, 16, 16, 4)
    with pytest.raises((IndexError, RuntimeError, TypeError)):
        script["without_none"]([None])


@pytest.mark.parametrize("helpers", [0, 2])
def test_an_error_in_one_batch_does_not_end_the_iterator(script, sprites, few, helpers: int) -> None:
    few({})
    told = script["batch_by_batch"](script["loader_of"](_Missing(sprites, {1}), helpers))
    assert len(told) == 2
    assert "NoneType" in told[0]
    assert re.match(r"(Type|Attribute)Error: ", told[0])
    assert told[1] == ""


class _Missing(torch.utils.data.Dataset[Any]):
    """``dataset``, some of whose items are ``None``."""

    def __init__(self, dataset: Any, missing: set[int]) -> None:
        self.dataset = dataset
        self.missing = missing

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return None if index in self.missing else self.dataset[index]


def test_the_search_is_reported_way_by_way(script) -> None:
    found = {"bare": "an error", "wrapped": "item 1500", "scan": (9, {1500: "OSError", 1777: "KeyError"})}
    report = script["search_report"](found, "")
    assert all_of(report) == {
        "bad_files_planted": 3,
        "bad_files_named_bare": 0,
        "bad_files_named_wrapped": 1,
        "bad_files_scanned_out": 2,
        "bad_index_found": 1500,
        "items_scanned": 9,
    }
    assert report.rows[3][2] == "1500, 1777"
    assert "empty: OSError, a web page: KeyError" in report.notes[0]


def test_what_none_leads_to_is_counted(script) -> None:
    alone = [""] * 40
    alone[1234 // 50], alone[1500 // 50] = "element 34 is NoneType", "found NoneType"
    helped = [*alone]
    helped[1234 // 50] = "element 7 is NoneType"
    report = script["none_report"]({"alone": alone, "helped": helped, "kept": 1997}, "")
    assert all_of(report) == {"none_messages": 2, "batches_after_error": 14, "items_kept": 1997}


def test_without_room_the_search_is_a_gap(script, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(megabytes: float) -> None:
        raise script["NoRoomError"]("There is no room: make some.")

    monkeypatch.setitem(script["search_somewhere"].__globals__, "room_for", none)
    found, why_not = script["search_somewhere"]()
    assert (found, why_not) == ({}, "There is no room: make some.")
    for report in (script["search_report"](found, why_not), script["none_report"](found, why_not)):
        assert report.values == ()
        assert set(all_of(report).values()) == {why_not}


# First aid


def test_first_aid_quotes_what_was_seen_and_leaves_out_what_was_not(script) -> None:
    deaths = {"exits while the loop waits": ("exited unexpectedly", "exit code 3", "")}
    found = {"bare": "OSError: Caught\nOSError: truncated\n", "helped": [*[""] * 24, "NoneType"]}
    seen = script["texts_seen"](HELPED, deaths, DUMPS, found)
    assert set(seen) == set(script["ADVICE"])
    assert {case: text for case, text in seen.items() if text} == {
        "exception": "ValueError: Caught ValueError in DataLoader worker process 1.",
        "waits": "exited unexpectedly",
        "exits": "exit code 3",
        "hang": "RuntimeError: DataLoader timed out after 3 seconds",
        "bad file": "OSError: truncated",
        "None": "NoneType",
    }
    assert not any(script["texts_seen"]("", {}, "", {}).values())


def test_a_killing_whose_signal_is_not_named_is_not_quoted_as_one(script) -> None:
    deaths = {"killed while the loop trains": ("exited unexpectedly", "not named", "")}
    assert script["texts_seen"]("", deaths, "", {})["trains"] == ""


# The whole


def test_what_the_page_says_was_measured(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = {name: value.median for name, value in values_of(NAME).items()}
    assert values["batches_before_error_0"] == values["batches_before_error_2"] == 45 // 8
    assert values["batches_trained_meanwhile_0"] == 0
    assert 0 < values["batches_trained_meanwhile_2"] <= 5
    assert values["traceback_lines_0"] < values["traceback_lines_2"] < 100
    assert values["traceback_places_2"] == 3
    assert values["deaths"] >= 2
    assert values["causes_in_last_line"] < values["deaths"]
    assert values["deaths_pointing_into_the_dataset"] == 0
    assert values["crash_line"] == values["crash_line_planted"]
    assert values["hang_line"] == values["hang_line_planted"]
    assert values["bad_files_named_bare"] == 0
    assert values["bad_index_found"] == 1234
    assert values["bad_files_scanned_out"] == 3
    assert values["items_scanned"] == 2000
    assert values["items_kept"] == 1997
    assert values["none_messages"] >= 2
    assert 0 < values["batches_after_error"] < 40
