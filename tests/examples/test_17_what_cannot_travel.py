"""What cannot travel: it fails for the reason that the page gives, and its cure survives."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from types import ModuleType

import pytest

from spritedocs.machine import Outcome, program

NAME = "17_what_cannot_travel"

LUGGAGE = {
    "a lambda": r"too_much_luggage\.<locals>\.<lambda>",
    "a local class": r"too_much_luggage\.<locals>\.Local",
    "an open file": r"cannot pickle '.*BufferedReader'",
    "a lock": r"cannot pickle '.*lock'",
    "a generator": r"cannot pickle 'generator'",
}


@pytest.fixture(autouse=True)
def importable(script, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets pickle find the script's top-level names, as it does in a run."""
    module = ModuleType(script["__name__"])
    vars(module).update(script)
    monkeypatch.setitem(sys.modules, script["__name__"], module)


@pytest.mark.parametrize("name", LUGGAGE)
def test_each_piece_of_luggage_stops_pickle(script, name: str) -> None:
    with Path(os.__file__).open("rb") as file:
        luggage = script["too_much_luggage"](file)
        assert list(luggage) == list(LUGGAGE)
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError), match=LUGGAGE[name]):
            pickle.dumps(luggage[name])
        assert script["refusal"](luggage[name])


@pytest.mark.parametrize("number", range(5))
def test_its_cure_survives_pickle_before_and_after_the_first_item(script, number: int) -> None:
    dataset = list(script["travelling_light"](os.__file__).values())[number]
    assert script["refusal"](dataset) == ""
    dataset[0]
    assert script["refusal"](dataset) == ""


def test_what_is_made_late_is_made_once_in_each_process(script) -> None:
    dataset = script["Late"](dict)
    assert dataset.thing is None
    dataset[0]
    made = dataset.thing
    dataset[1]
    assert dataset.thing is made is not None
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.thing is None
    copy[0]
    assert copy.thing is not made


def test_only_the_unguarded_program_lacks_a_guard() -> None:
    guarded = {name: "__main__" in program(name).read_text() for name in ("unguarded", "in_a_notebook")}
    assert guarded == {"unguarded": False, "in_a_notebook": True}


def test_batches_are_counted_by_what_the_program_says_of_them(script) -> None:
    said = Outcome('In [3]: print("batches by spawn:", 9)\nbatches by spawn, from a file: 8\n', 0, 1.0)
    assert [script["batches"](said, how) for how in ("by spawn", "by spawn, from a file")] == [0, 8]
