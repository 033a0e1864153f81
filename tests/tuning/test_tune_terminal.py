"""What ``spritedocs tune`` prints of a result."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tiny import DESCRIBED

from spritedocs.model import Costs, Settings
from spritedocs.report import Measurement
from spritedocs.tuning import Tuning, print_tuning
from spritedocs.tuning.diagnosis import DIAGNOSES, Remedy
from spritedocs.tuning.result import Candidate

LINE = "DataLoader(dataset, batch_size=32, num_workers=3, prefetch_factor=2, persistent_workers=True)"
NONE, TWO, THREE, FOUR = (Settings(count, 2, count > 0) for count in (0, 2, 3, 4))


def measured(unit: str, middle: float, spread: float = 0.01, count: int = 8) -> Measurement:
    samples = [middle * (1 + spread * (number % 3 - 1)) for number in range(count)]
    return Measurement.of("value", samples, unit)


TUNED = Tuning(
    recommended={"num_workers": 3, "prefetch_factor": 2, "persistent_workers": True},
    line=LINE,
    throughput=measured("items/s", 810),
    gain=measured("×", 1.9),
    present=NONE,
    diagnosis="waiting",
    remedies=(
        Remedy("Use the line above.", 1.9, "guide/"),
        Remedy("Pack the files into one.", 1.43, "guide/summoning-workers/#packed"),
        Remedy(
            "Store pictures that are as large as the model takes them, and no larger than that.",
            None,
            "guide/",
        ),
    ),
    candidates=(
        Candidate(NONE, 431.0, measured("items/s", 430), measured("×", 0.53)),
        Candidate(TWO, 702.0, measured("items/s", 700, count=3), None, 118.0),
        Candidate(THREE, 822.0, measured("items/s", 810), measured("×", 0.99), 121.6),
        Candidate(FOUR, 830.0, measured("items/s", 818), Measurement.of("value", [1.0], "×"), 119.0),
        Candidate(Settings(8, 2, True), 835.0),
        *(
            Candidate(Settings(count, 8, True), 800.0, measured("items/s", 600 + count, count=2))
            for count in (1, 6)
        ),
    ),
    costs=Costs((0.002, 0.0021, 0.013), (0.0003, 0.0003, 0.0004), 32, send_s=0.001, gil_share=0.2, cores=2),
    batch_size=32,
    batches=100,
    step_s=0.0,
    epoch_start_s=0.25,
    data_wait_share=0.97,
    start_method="fork",
    machine=DESCRIBED,
    seconds_spent=41.2,
    warnings=("Other programs computed during 3 of 8 rounds: end them, and run this again.",),
)

Shown = Callable[..., str]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shown:
    """What is printed at 80 columns, of ``TUNED`` with changes, after it went through JSON."""
    monkeypatch.setenv("COLUMNS", "80")

    def show(explain: bool = False, **changes: Any) -> str:
        result = json.loads(json.dumps(dataclasses.replace(TUNED, **changes).as_json()))
        print_tuning(result, explain)
        return capsys.readouterr().out

    return show


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_line_to_copy_comes_first_in_one_piece_and_all_else_fits(shown: Shown) -> None:
    for explain in (False, True):
        line, *others = shown(explain).splitlines()
        assert line == LINE
        assert len(line) > 80
        assert max(map(len, others)) <= 80
        assert not any("\x1b" in other for other in others)


LONG_NOTE = (
    "The DataLoader in the PrefetchingLoaderOfSomeLibrary was tuned, its .loader.loader: " + "what else " * 12
)


@pytest.mark.parametrize("notes", range(4))
@pytest.mark.parametrize("doubt", ["", f"No gain is promised: {LONG_NOTE}"])
@pytest.mark.parametrize("present", [NONE, Settings(16, 128, False)], ids=str)
def test_the_answer_fits_one_screen(shown: Shown, notes: int, doubt: str, present: Settings) -> None:
    """With the line to copy in two lines of the screen, and of many candidates those that matter."""
    many = [
        Candidate(Settings(count, ahead, True), 800.0, measured("items/s", 100 * count, count=2), None, 118.0)
        for count in (5, 6, 7, 9, 10, 12, 16)
        for ahead in (2, 8)
    ]
    pages = ["in-depth/handing-batches-to-the-gpu/#ahead-of-time", "in-depth/platforms-and-notebooks/#a"]
    told = [Remedy(f"{LONG_NOTE[:90]}.", 1.3, page) for page in pages]
    rows = (Candidate(present, 5.0, measured("items/s", 123_456_789), measured("×", 0.987)), *many)
    rows = tuple(sorted((*TUNED.candidates[1:], *rows), key=lambda each: each.settings))
    changes: dict[str, Any] = {"candidates": rows, "present": present, "doubt": doubt, "step_s": 0.05}
    text = shown(remedies=(TUNED.remedies[0], *told * 2), warnings=(LONG_NOTE,) * notes, **changes)
    line, *lines = text.splitlines()
    assert len(lines) + -(-len(line) // 80) <= 24
    shown_rows = [row for row in lines if re.match(r" *\d+ +[\d–]+ ", row)]
    assert 2 <= len(shown_rows) <= 6
    assert sum(mark in " ".join(shown_rows) for mark in ("yours", "recommended")) == 2
    if not notes and not doubt:
        assert "the fastest" in " ".join(shown_rows)
        assert len(shown_rows) >= 3
    remedies = [number for number in "1234" if re.search(rf"^{number}\. ", text, re.MULTILINE)]
    assert 1 <= len(remedies) <= 3
    for page in pages[: len(remedies) - 1]:
        assert re.search(rf"{re.escape(page)} *$", text, re.MULTILINE)


def test_of_those_that_left_the_best_are_shown_and_on_request_all(shown: Shown) -> None:
    rows = [words(line) for line in shown(remedies=()).splitlines()]
    assert [row for row in rows if row.startswith("6 8 about 6")]
    assert not any("not tried" in row for row in rows)
    assert "8 2 840 not tried" in words(shown(explain=True)).replace("about ", "")


def test_the_gain_the_diagnosis_and_what_they_come_from_are_told(shown: Shown) -> None:
    text = words(shown())
    gain, loads = (
        r"1\.90× \(1\.8\d+–1\.9\d+\) as fast as your present settings \(num_workers=0\)",
        r"\(80\d–81\d\)",
    )
    assert re.search(
        rf"{gain}\. It loads 810 items/s {loads}, with more workers than the 2 usable cores, of which "
        r"torch warns\. Diagnosis: waiting\. An item is mostly waited for",
        text,
    )
    assert "No step was given: --step-ms tells" in text
    assert (
        "1. Use the line above. Measured: 1.9×. guide/ "
        "2. Pack the files into one. Predicted: 1.4× on top. guide/summoning-workers/#packed" in text
    )
    assert "no larger than that. guide/" in text
    assert "Note: Other programs computed during 3 of 8 rounds: end them, and run this again." in text
    assert text.endswith(
        "Took 41 s on 13 usable cores of Tiny CPU, 8 GB memory, no GPU; workers start by fork."
    )


def test_no_warning_of_torch_comes_as_a_surprise(shown: Shown) -> None:
    assert "usable cores, of which torch warns" in words(shown())
    for changes in (
        {"costs": dataclasses.replace(TUNED.costs, cores=3)},
        {"recommended": {"num_workers": 0}},
        {"ranks": 2},  # the cores are one rank's, and torch does not know of others
    ):
        assert "torch warns" not in words(shown(**changes))


def test_a_doubt_stands_first_and_nothing_is_promised(shown: Shown) -> None:
    doubt = "No gain is promised: batches came 9× as fast as loading explains."
    remedies = (Remedy("Use num_workers=3.", None, "guide/"),)
    text = shown(doubt=doubt, gain=None, remedies=remedies)
    assert text.splitlines()[1] == doubt
    assert words(text).partition(doubt)[2].startswith(" It loads 810 items/s")
    assert "Measured" not in text
    assert "as fast as your present" not in text


def test_batches_are_called_so_where_they_are_counted(shown: Shown) -> None:
    batches = measured("batches/s", 81)
    rows = (Candidate(THREE, 80.0, batches, Measurement.of("value", [1.0], "×")),)
    text = shown(throughput=batches, candidates=rows)
    assert re.search(r"It loads [\d.]+ batches/s", words(text))
    assert "items/s" not in text


def test_the_table_says_how_far_each_came(shown: Shown) -> None:
    rows = [words(line) for line in shown().splitlines()]
    interval = r"\([\d.]+–[\d.]+\)"
    patterns = [
        rf"0 – 430 {interval} 0\.530× {interval} yours",
        r"2 2 about 700 118 left early",
        rf"3 2 810 {interval} 0\.990× {interval} 122 recommended",
        rf"4 2 818 {interval} the fastest 119",
    ]
    first = rows.index("workers prefetch items/s of the fastest MB") + 1
    found = [row for row in rows[first:] if re.match(r"\d [\d–] ", row)]
    for pattern in patterns:
        assert any(re.fullmatch(pattern, row) for row in found), pattern


def test_what_each_costs_and_each_prediction_is_explained_on_request(shown: Shown) -> None:
    text = words(shown(explain=True))
    assert "an item 5.7 ms (median 2.1 ms, largest 13 ms, of 3)" in text
    assert "of which computing, waiting 0.333 ms, 5.37 ms" in text
    assert "handing a batch over 1 ms in the worker" in text
    assert "beginning an epoch 250 ms" in text
    assert "2 2 about 700 118 about 700 left early" in text
    assert "What loading costs" not in shown()


@pytest.mark.parametrize(
    ("gain", "says"),
    [(1.06, "1.06×"), (1.094, "1.09×"), (1.14, "1.1×"), (2.0, "2.0×"), (9.97, "10×"), (2345.6, "2,346×")],
)
def test_a_gain_is_never_shown_as_none_nor_with_an_exponent(shown: Shown, gain: float, says: str) -> None:
    text = words(shown(remedies=(Remedy("Pack the files into one.", gain, "guide/"),)))
    assert f"Pack the files into one. Predicted: {says} on top. guide/" in text
    text = words(shown(gain=measured("×", gain), remedies=(Remedy("Use this.", gain, "guide/"),)))
    assert f"Use this. Measured: {says}. guide/" in text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"gain": measured("×", 1.01, 0.05)},
            "No difference from your present settings (num_workers=0) was measured: 1.01",
        ),
        ({"gain": measured("×", 2.0, 0.4)}, " as fast as your present settings (num_workers=0)."),
        (
            {"gain": measured("×", 1.2), "present": Settings(8, 4, True)},
            "(num_workers=8, prefetch_factor=4, persistent_workers=True), with fewer workers.",
        ),
        (
            {"gain": Measurement.of("gain", [1.0], "×"), "present": THREE, "diagnosis": "consumer"},
            "Nothing is faster than your present settings (num_workers=3, prefetch_factor=2, persistent",
        ),
        (
            {
                "gain": Measurement.of("gain", [1.0], "×"),
                "recommended": {"num_workers": 0},
                "diagnosis": "nothing-to-gain",
            },
            "Nothing to gain: leave num_workers at 0.",
        ),
        ({"ranks": 4}, "(num_workers=0). Each of 4 ranks loads 810 items/s ("),
        ({"step_s": 0.05}, "97% of an epoch is waiting for data, beside a step of 50 ms a batch."),
        ({"recommended": {**TUNED.recommended, "multiprocessing_context": "spawn"}}, "122 recommended"),
        (
            {
                "present": Settings(3, 2, False),
                "candidates": (Candidate(Settings(3, 2, False), 5.0, measured("items/s", 5)),),
            },
            "yours, restarted",
        ),
    ],
)
def test_what_is_found_is_told_as_it_is(shown: Shown, changes: dict[str, Any], says: str) -> None:
    assert says in words(shown(**changes))


def test_every_diagnosis_is_told_in_words_of_its_own(shown: Shown) -> None:
    told = {shown(diagnosis=diagnosis).partition("items/s (")[2] for diagnosis in DIAGNOSES}
    assert len(told) == len(DIAGNOSES)


def test_what_an_encoding_lacks_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    with io.TextIOWrapper(io.BytesIO(), encoding="ascii") as narrow:
        monkeypatch.setattr(sys, "stdout", narrow)
        print_tuning(TUNED.as_json(), explain=True)
        narrow.flush()
        assert re.search(r"1\.90\? \(1\.8\d+\?1\.9\d+\) as fast", narrow.buffer.getvalue().decode("ascii"))


def test_where_the_site_is_known_each_page_stands_in_one_piece(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = f"https://{'sprites' * 12}.example/"
    monkeypatch.setattr("spritedocs.tuning.terminal.whole", lambda page: site + page)
    assert f"\n   {site}guide/summoning-workers/#packed\n" in shown()
