"""The start methods' example: what fails fails for the reason that the page gives, and gaps say why."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from spritedocs.machine import Outcome
from spritedocs.report import Gap, Measurement

NAME = "11_platform_quirks"

HAS_FORK = "fork" in multiprocessing.get_all_start_methods()
needs_fork = pytest.mark.skipif(not HAS_FORK, reason="this system has no fork")

LUGGAGE = {
    "a lambda": r"nameless\.<locals>\.<lambda>",
    "a local class": r"hidden\.<locals>\.Sprites",
    "an open file": r"cannot pickle '.*BufferedReader'",
    "a lock": r"cannot pickle '.*lock'",
    "a generator": r"cannot pickle 'generator'",
}
UNPICKLABLE = (TypeError, AttributeError, pickle.PicklingError)


def seconds(new: float) -> dict[str, float]:
    return {"first_batch": 1.0, "first_epoch": 1.5, "same": 0.5, "new": new}


@pytest.fixture(autouse=True)
def importable(script, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets pickle find the script's top-level names, as it does in a run."""
    module = ModuleType(script["__name__"])
    vars(module).update(script)
    monkeypatch.setitem(sys.modules, script["__name__"], module)


@pytest.fixture
def change(script, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets top-level names of the script, as its functions see them."""

    def to(**names: object) -> None:
        for name, value in names.items():
            monkeypatch.setitem(script["summon"].__globals__, name, value)

    return to


# What the loader is given


@pytest.mark.parametrize("name", LUGGAGE)
def test_each_piece_of_luggage_stops_pickle(script, name: str) -> None:
    with Path(os.__file__).open("rb") as file:
        luggage = script["too_much_luggage"](file)
        assert list(luggage) == list(LUGGAGE)
        with pytest.raises(UNPICKLABLE, match=LUGGAGE[name]):
            pickle.dumps(luggage[name])


@pytest.mark.parametrize("name", LUGGAGE)
def test_its_cure_survives_pickle_before_and_after_the_first_item(script, name: str) -> None:
    cures = script["travelling_light"](os.__file__)
    assert list(cures) == list(LUGGAGE)
    _, parts = cures[name]
    assert script["pickles"](parts)
    parts["dataset"][0]
    assert script["pickles"](parts)


def test_what_is_made_late_is_made_once_in_each_process(script) -> None:
    dataset = script["Late"](dict)
    assert dataset.thing is None
    dataset[0]
    made = dataset.thing
    assert made is not None
    dataset[1]
    assert dataset.thing is made
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.thing is None
    copy[0]
    assert copy.thing is not made


def test_the_cured_file_and_generator_hold_what_the_broken_ones_held(script) -> None:
    cures = script["travelling_light"](os.__file__)
    file, generator = (cures[name][1]["dataset"] for name in ("an open file", "a generator"))
    assert bytes(file.make()[:16]) == Path(os.__file__).read_bytes()[:16]
    assert sorted(generator.make()) == list(range(script["SPRITES"]))


def test_a_failed_start_says_why_and_yields_no_batch(script) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arrived, said = script["attempt"]("spawn", {"dataset": script["Carrying"](multiprocessing)})
    assert arrived == 0
    assert said == "TypeError: cannot pickle 'module' object"


@needs_fork
def test_fork_carries_it_and_both_batches_arrive(script) -> None:
    assert script["attempt"]("fork", {"dataset": script["Carrying"](multiprocessing)}) == (2, "")


def test_on_windows_pickle_is_asked_before_a_process_exists(script, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_loader(**parts: object) -> None:
        raise AssertionError("a loader was made")

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(script["attempt"].__globals__, "DataLoader", no_loader)
    arrived, said = script["attempt"]("spawn", {"dataset": script["hidden"]()})
    assert arrived == 0
    assert "hidden.<locals>.Sprites" in said


# The rounds


def test_a_round_preloads_torch_in_a_program_of_its_own(script, change: Callable[..., None]) -> None:
    asked = []

    def summon(preload: str, methods: list[str]) -> dict[str, object]:
        asked.append((preload, set(methods)))
        return {"import": 0.1, **{method: seconds(2.0 if preload else 3.0) for method in methods}}

    change(summon=summon)
    found = script["one_round"](["fork", "spawn", "forkserver"], random.Random(0))
    assert sorted(asked) == [("", {"fork", "spawn", "forkserver"}), ("torch", {"forkserver"})]
    assert (found["forkserver"]["new"], found["preloaded"]["new"]) == (3.0, 2.0)


def test_without_a_fork_server_nothing_is_preloaded(script, change: Callable[..., None]) -> None:
    change(summon=lambda preload, methods: {"import": 0.1, **{method: seconds(3) for method in methods}})
    assert set(script["one_round"](["spawn"], random.Random(0))) == {"import", "spawn"}


@pytest.mark.parametrize(("per_round", "expected"), [(1, 3), (16, 2), (100, 1)])
def test_a_slow_machine_gets_fewer_rounds_and_is_told(
    script, change: Callable[..., None], per_round: float, expected: int
) -> None:
    now = [0.0]

    def one_round(methods: list[str], chance: random.Random) -> dict[str, object]:
        now[0] += per_round
        return {}

    change(one_round=one_round)
    rounds, why = script["all_rounds"](["spawn"], clock=lambda: now[0])
    assert len(rounds) == expected
    assert why == "" if expected == 3 else f"Only {expected} of 3 rounds" in why


def test_an_unwritable_temporary_folder_leaves_gaps_that_say_so(script, change: Callable[..., None]) -> None:
    def run_script(*_: object, **__: object) -> Outcome:
        raise OSError(errno.EROFS, "none of ['/tmp', '/somebody/at/home'] will do")

    change(run_script=run_script)
    rounds, why = script["all_rounds"](["fork"])
    assert rounds == []
    change(rounds=rounds, cut_short=why)
    gap = script["seconds"]("new", "fork", "epoch_s_fork_new")
    assert isinstance(gap, Gap)
    assert os.strerror(errno.EROFS) in gap.reason
    assert "somebody" not in gap.reason
    assert "TMPDIR" in gap.reason


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome("", None, 40.0), "more than 40 s"),
        (Outcome("Traceback …\nOSError: no semaphores", 1, 1.0), "ended in OSError: no semaphores"),
        (Outcome("", -9, 1.0), "ended in exit status -9"),
    ],
)
def test_a_program_that_measured_nothing_is_a_sentence(
    script, change: Callable[..., None], outcome: Outcome, reason: str
) -> None:
    change(run_script=lambda *_, **__: outcome)
    with pytest.raises(script["Unmeasured"], match=reason):
        script["summon"]("", ["spawn"])


def test_the_answer_is_found_among_warnings(script, change: Callable[..., None]) -> None:
    text = f"UserWarning: {{two}} workers\n{json.dumps({'import': 1.0})}\nlate words"
    change(run_script=lambda *_, **__: Outcome(text, 0, 1.0))
    assert script["summon"]("", []) == {"import": 1.0}


def test_ratios_are_taken_round_by_round(script, change: Callable[..., None]) -> None:
    change(rounds=[{"a": seconds(2), "b": seconds(1)}, {"a": seconds(30), "b": seconds(10)}], cut_short="")
    ratio = script["times"]("a_over_b", ("a", "new"), ("b", "new"))
    assert ratio.samples == (2, 3)
    assert ratio.unit == "×"


def test_the_epoch_that_dwarfs_new_workers_is_twenty_times_what_they_add(
    script, change: Callable[..., None]
) -> None:
    change(rounds=[{"spawn": seconds(2.5)}], cut_short="")
    assert script["small_from"]("spawn").median == pytest.approx(40)


@pytest.mark.parametrize(("arm", "named"), [("fork", "fork"), ("preloaded", "forkserver")])
def test_a_start_method_that_is_not_there_leaves_a_gap(
    script, change: Callable[..., None], arm: str, named: str
) -> None:
    change(rounds=[{"import": 1.0, "spawn": seconds(2)}], cut_short="")
    gap = script["seconds"]("new", arm, "epoch_s_new")
    assert isinstance(gap, Gap)
    assert f"has no {named}:" in gap.reason


# The programs that fail on purpose


@pytest.mark.parametrize("source", ["SUMMON", "UNGUARDED", "NOTEBOOK"])
def test_the_programs_are_python(script, source: str) -> None:
    compile(script[source], source, "exec")


def test_only_the_unguarded_program_lacks_a_guard(script) -> None:
    assert "__main__" in script["SUMMON"]
    assert "__main__" not in script["UNGUARDED"]


def test_frames_are_counted_and_everything_else_stays(script, tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text("def f():\n    return 1 / 0\nprint('before', flush=True)\nf()\n", encoding="utf-8")
    said = subprocess.run(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    ).stdout
    assert "    return 1 / 0" in said
    assert script["without_frames"](said).splitlines() == [
        "before",
        "Traceback (most recent call last):",
        "  … 2 frames left out …",
        "ZeroDivisionError: division by zero",
    ]


def test_an_indented_message_is_no_frame(script) -> None:
    text = (
        'Traceback (most recent call last):\n  File "x", line 1\nRuntimeError: \n    An attempt has been made'
    )
    assert script["without_frames"](text).splitlines()[1:] == [
        "  … 1 frame left out …",
        "RuntimeError: ",
        "    An attempt has been made",
    ]


def test_batches_are_counted_by_what_the_program_says_of_them(script) -> None:
    text = 'In [3]: print("batches by spawn:", 9)\nbatches by spawn, from a file: 8\n'
    assert [script["batches_by"](how, text) for how in ("by spawn", "by spawn, from a file")] == [0, 8]


def test_a_program_without_time_leaves_a_gap_and_no_zero(script, change: Callable[..., None]) -> None:
    change(not_run="", ran={"unguarded": Outcome("", None, 40.0), "notebook": Outcome("", 0, 1.0)})
    late, done = script["arrived_in"]("unguarded_batches"), script["arrived_in"]("notebook_batches_spawn")
    assert isinstance(late, Gap)
    assert "more than 40 s" in late.reason
    assert isinstance(done, Measurement)
    assert done.median == 0


def test_without_fork_its_cell_is_a_gap(script, change: Callable[..., None]) -> None:
    change(not_run="", ran={"notebook": Outcome("", 0, 1.0)}, METHODS=["spawn"])
    gap = script["arrived_in"]("notebook_batches_fork")
    assert isinstance(gap, Gap)
    assert "has no fork" in gap.reason


# The whole of it


def test_it_measures_what_the_page_says(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = values_of(NAME)
    counts = {name: values[name].median for name in ("unpicklable", "cured", "cured_batches_spawn")}
    assert counts == {"unpicklable": 5, "cured": 5, "cured_batches_spawn": 10}
    assert values["unguarded_batches"].median == values["notebook_batches_spawn"].median == 0
    assert values["unguarded_readings"].median == 2
    assert values["notebook_batches_file"].median == 8
    # Wide on purpose: an import of torch against none.
    assert values["persistent_speedup_spawn"].median > 3
    if HAS_FORK:
        assert values["carried_by_fork"].median == 5
        assert values["notebook_batches_fork"].median == 8
        assert values["spawn_over_fork"].median > 2
        assert values["epoch_s_preloaded_new"].median < values["first_batch_s_preloaded"].median
