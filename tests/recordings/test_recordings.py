"""Recordings: fresh, stale or missing, and whatever is wrong with one is a sentence with its path."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import NAME, Tiny

from spritedocs import machine
from spritedocs.recordings import Recording, RecordingError, Status, claimed_values, published
from spritedocs.recordings.recording import FORMAT
from spritedocs.site.edition import Edition
from spritedocs.site.marks import Marks
from spritedocs.site.pages import experiment_page

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def said(path: Path) -> str:
    """What is said of the recording at ``path``, which must be a sentence that names it."""
    with pytest.raises(RecordingError) as error:
        Recording.read(path)
    sentence = str(error.value)
    assert sentence.startswith(f"{path} ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def provenance(notebook: dict[str, Any]) -> dict[str, Any]:
    return notebook["metadata"]["spritedocs"]


def test_values_and_results_are_read_back(tiny: Tiny) -> None:
    recording = Recording.read(tiny.recording())
    assert {name: str(value) for name, value in recording.values.items()} == {
        "helpers": "4",
        "ratio": "3.00×",
    }
    assert recording.values["ratio"].samples == (3.0, 3.1, 2.9, 3.0, 3.1, 3.0)
    [result] = recording.results
    assert result.title == "What was counted"
    assert result.html.startswith("<div")
    assert recording.machine == "cpu-13-cores"
    assert recording.recorded_at.utcoffset() is not None


def test_a_recording_is_fresh_until_code_changes_and_missing_elsewhere(tiny: Tiny) -> None:
    def state(machine_name: str = "cpu-13-cores") -> str:
        return tiny.library.status(tiny.example, tiny.project.recorded / machine_name).state

    assert (state(), state("other-machine")) == ("fresh", "missing")
    tiny.edit("examples/01_counting.py", "# # Counting", "# # Counting again")
    assert state() == "fresh"
    tiny.edit("examples/01_counting.py", "[4]", "[5]")
    assert state() == "stale"


@pytest.mark.parametrize(
    ("modules", "because"),
    [
        ({"measurement": "0" * 64}, "measurement has changed since"),
        ({"timing.rounds": "0" * 64}, "timing.rounds has changed since"),
        (
            {f"timing.{letter}": "0" * 64 for letter in "abcde"},
            "timing.a, timing.b, timing.c and 2 more have changed since",
        ),
    ],
)
def test_a_recording_is_stale_when_a_module_measures_otherwise_and_says_which(
    tiny: Tiny, modules: dict[str, str], because: str
) -> None:
    tiny.add_recording(tiny.recording(), lambda n: provenance(n)["modules"].update(modules))
    status = tiny.library.status(tiny.example, tiny.recording().parent)
    assert (status.state, status.because) == ("stale", because)
    tiny.edit("examples/01_counting.py", "[4]", "[5]")
    status = tiny.library.status(tiny.example, tiny.recording().parent)
    assert status.because.startswith(f"the script{',' if len(modules) > 1 else ' and'} {min(modules)}")


def test_what_an_older_format_measured_with_cannot_be_judged(tiny: Tiny) -> None:
    def older(notebook: dict[str, Any]) -> None:
        provenance(notebook).update(format=2, package_sha256="0" * 64)
        del provenance(notebook)["modules"]

    tiny.add_recording(tiny.recording(), older)
    status = tiny.library.status(tiny.example, tiny.recording().parent)
    assert status.because == "format 2 does not say what it was measured with"
    assert status.recording.has_code_of(tiny.example)


def test_a_reference_recording_never_counts_as_this_machines_own(tiny: Tiny) -> None:
    here = machine.slug()
    tiny.recording().parent.rename(tiny.project.recorded / here)
    assert tiny.library.machines() == [here]
    assert tiny.library.own(tiny.example) == []
    assert tiny.library.status(tiny.example, tiny.project.own / here).state == "missing"


def test_the_first_fresh_recording_is_published_else_the_first() -> None:
    def chosen(*states: str) -> str | None:
        status = published([Status(NAME, f"{state} {n}", state) for n, state in enumerate(states)])
        return status.machine if status else None

    assert chosen("stale", "fresh", "fresh") == "fresh 1"
    assert chosen("stale", "stale") == "stale 0"
    assert chosen() is None


def recorded_on(machine_name: str, tiny: Tiny, *gaps: str, **changes: Any) -> Status:
    """How it stands with a recording by another machine, which lacks ``gaps`` and counts ``helpers``."""

    def change(notebook: dict[str, Any]) -> None:
        [output] = notebook["cells"][-1]["outputs"]
        payload = output["data"]["application/vnd.spritedocs.measurement+json"]
        for value in payload["values"]:
            if value["name"] == "helpers":
                value["samples"] = [changes.get("helpers", 4)]
        payload["values"] = [value for value in payload["values"] if value["name"] not in gaps]
        payload["gaps"] = [{"name": name, "reason": "No."} for name in gaps]
        provenance(notebook)["recorded_at"] = changes.get("at", "2026-11-01T00:00:00+00:00")
        provenance(notebook)["modules"].update(changes.get("modules", {}))

    tiny.add_recording(tiny.recording(machine_name), change)
    return tiny.library.status(tiny.example, tiny.project.recorded / machine_name)


def test_a_recording_with_a_gap_where_a_claim_needs_a_value_stands_back(tiny: Tiny) -> None:
    lacking, other = recorded_on("a", tiny, "speed", "ratio"), recorded_on("b", tiny, "speed")
    whole = recorded_on("c", tiny)
    assert published([lacking, other, whole], claimed_values(tiny.example)) == other
    assert published([lacking, other, whole], {"speed"}) == whole
    assert published([lacking], {"speed"}) == lacking
    assert published([lacking, whole]) == lacking
    old = replace(whole, state="stale")
    assert published([lacking, old], {"speed"}) == old
    assert published([lacking, old]) == lacking


STALE = {"timing": "0" * 64}


def values_from(tiny: Tiny, machines: list[str], name: str = NAME) -> dict[str, str]:
    """The machine that each value of the example is published from."""
    edition = Edition(tiny.project, machines)
    found = {value: edition.value("page.md", name, value) for value in ("helpers", "ratio")}
    assert edition.problems == []
    return {value: each[1].machine for value, each in found.items() if each}


def test_each_value_is_from_the_first_fresh_machine_unless_only_a_gpu_can_measure_it(tiny: Tiny) -> None:
    recorded_on("old-gpu", tiny, modules=STALE, helpers=1)
    recorded_on("new-gpu", tiny, modules=STALE, helpers=2, at="2026-11-02T00:00:00+00:00")
    recorded_on("fresh-gpu", tiny, at="2026-11-01T12:00:00+00:00")
    cpu, gpus = "cpu-13-cores", ["old-gpu", "new-gpu"]
    # Nobody without a GPU lacks anything: all of it is from the first fresh one, or the first.
    assert values_from(tiny, [*gpus, cpu]) == {"helpers": cpu, "ratio": cpu}
    assert values_from(tiny, gpus) == {"helpers": "old-gpu", "ratio": "old-gpu"}
    recorded_on(cpu, tiny, "ratio", helpers=3)
    assert values_from(tiny, [*gpus, cpu]) == {"helpers": cpu, "ratio": "new-gpu"}
    assert values_from(tiny, [*gpus, cpu, "fresh-gpu"]) == {"helpers": cpu, "ratio": "new-gpu"}
    edition = Edition(tiny.project, [*gpus, cpu])
    assert [status.machine for status in edition.entries[NAME].sources] == ["old-gpu", cpu, "new-gpu"]
    said = [notice for notice in edition.notices if "shown on no page" not in notice]
    assert said == [
        f"STALE: examples/{NAME}.py, as {name} recorded it: timing has changed since." for name in gpus
    ]


def test_a_claim_is_judged_by_the_values_of_one_machine(tiny: Tiny) -> None:
    recorded_on("some-gpu", tiny, modules=STALE, helpers=2)
    recorded_on("cpu-13-cores", tiny, "ratio", helpers=3)
    edition = Edition(tiny.project, ["some-gpu", "cpu-13-cores"])
    claims = [f"{NAME}: {claim}" for claim in ("helpers == 3", "ratio > 2", "ratio > helpers", "helpers < 3")]
    judged = [verdict for _, verdict in edition.check("page.md", claims)]
    assert [verdict.holds for verdict in judged] == [True, True, True, False]
    assert judged[2].found == "ratio is 3.00× (2.94–3.10) and helpers is 2"
    assert edition.problems == [
        f"page.md: the claim '{claims[-1]}' is false on cpu-13-cores, where helpers is 3."
    ]


def test_an_example_shows_values_of_the_one_it_came_out_of_until_it_is_recorded(tiny: Tiny) -> None:
    newer, machines = "02_half", ["some-gpu", "cpu-13-cores"]
    recorded_on("some-gpu", tiny)
    recorded_on("cpu-13-cores", tiny, "ratio", helpers=3)
    tiny.edit(f"examples/{NAME}.py", "# claims:", f"# formerly: {NAME}\n# claims:")
    tiny.script.rename(tiny.script.with_stem(newer))
    edition = Edition(tiny.project, machines)
    entry = edition.entries[newer]
    assert (edition.problems, entry.published.state, entry.published.machine) == ([], "stale", "some-gpu")
    assert entry.command(entry.published.recording) == f"spritedocs record {newer}"
    because = f"it was recorded as {NAME}, which this came out of."
    assert f"STALE: examples/{newer}.py, as some-gpu recorded it: {because}" in edition.notices
    assert not [notice for notice in edition.notices if "gone" in notice]
    assert values_from(tiny, machines, newer) == {"helpers": "some-gpu", "ratio": "some-gpu"}
    assert edition.result("page.md", newer, "was counted")
    assert edition.result("page.md", newer, 1) is None

    # One machine records it. The other's values stay, as far as they are of this example.
    old = tiny.recording().read_text(encoding="utf-8")
    tiny.write(tiny.recording().with_stem(newer), json.loads(old.replace(NAME, newer)))
    assert values_from(tiny, machines, newer) == {"helpers": "cpu-13-cores", "ratio": "some-gpu"}
    renamed = tiny.recording("some-gpu").read_text(encoding="utf-8").replace('"helpers"', '"goblins"')
    tiny.write(tiny.recording("some-gpu"), json.loads(renamed))
    entry = Edition(tiny.project, machines).entries[newer]
    assert (entry.published.machine, entry.published.state) == ("cpu-13-cores", "fresh")
    assert (entry.names, entry.source("goblins")) == (("helpers", "ratio"), None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda n: n["metadata"].pop("spritedocs"), "is not a recording made by 'spritedocs record'"),
        (lambda n: n.update(metadata=[]), "is not a recording made by 'spritedocs record'"),
        (
            lambda n: provenance(n).update(format=FORMAT + 1),
            f"has format {FORMAT + 1}, not {FORMAT} or older",
        ),
        (lambda n: provenance(n).update(example="02_other"), "is a recording of '02_other'"),
        (lambda n: provenance(n).pop("commit"), "is damaged: its commit is missing"),
        (lambda n: provenance(n).update(machine="H200"), "is damaged: its machine is missing"),
        (lambda n: provenance(n).update(recorded_at="yesterday"), "is damaged (ValueError"),
        (lambda n: provenance(n)["machine"].update(memory_gb="much"), "is damaged (TypeError"),
        (lambda n: provenance(n)["machine"].update(gpu_count=[]), "is damaged (TypeError"),
        (lambda n: provenance(n).update(duration_s=1e999), "is damaged (ValueError: a duration"),
        (lambda n: provenance(n).update(duration_s=10**400), "is damaged (OverflowError"),
        (
            lambda n: n["cells"][-1]["outputs"].append({"output_type": "stream", "text": 5}),
            "is damaged (TypeE",
        ),
        (lambda n: n.pop("cells"), "is damaged (KeyError: 'cells')"),
        (lambda n: n["cells"].append(n["cells"][-1]), "is damaged (ValueError: helpers was measured twice"),
    ],
)
def test_an_unusable_recording_is_named_with_its_path_and_the_reason(
    tiny: Tiny, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    assert reason in said(tiny.add_recording(tiny.recording(), change))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"<<<<<<< HEAD\n", b"[" * 100_000, b"{}", b"null"])
def test_a_file_that_is_no_notebook_is_named_with_its_path(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"{NAME}.ipynb"
    path.write_bytes(content)
    assert "cannot be read" in said(path) or "is not a recording" in said(path)


def test_a_recording_that_is_too_large_is_not_even_parsed(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spritedocs.recordings.recording.LARGEST_BYTES", 1000)
    monkeypatch.setattr("spritedocs.recordings.recording.json.loads", None)
    assert "cannot be read (0.0 MB, more than 0.001 MB): record the example again" in said(tiny.recording())


@pytest.fixture(scope="module")
def scratch(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A copy whose recording the tests below overwrite again and again."""
    return Tiny(Path(shutil.copytree(recorded, tmp_path_factory.mktemp("scratch") / "tiny")))


@pytest.fixture(scope="module")
def intact(recorded: Path) -> bytes:
    # Not of the copy, which another of these tests may have overwritten already.
    return Tiny(recorded).recording().read_bytes()


@given(content=anything)
def test_arbitrary_json_is_no_recording(scratch: Tiny, content: object) -> None:
    path = scratch.recording()
    path.write_text(json.dumps(content), encoding="utf-8")
    said(path)


@given(data=st.data())
def test_a_truncated_recording_is_named(scratch: Tiny, intact: bytes, data: st.DataObject) -> None:
    path = scratch.recording()
    path.write_bytes(intact[: data.draw(st.integers(0, len(intact.rstrip()) - 1))])
    assert "cannot be read" in said(path)


@given(data=st.data())
def test_a_recording_with_any_one_thing_replaced_is_named_or_makes_a_page(
    scratch: Tiny, intact: bytes, data: st.DataObject
) -> None:
    notebook = json.loads(intact)
    where = data.draw(st.sampled_from(list(_places(notebook))))
    scratch.write(scratch.recording(), _replaced(notebook, where, data.draw(anything)))
    edition = Edition(scratch.project, ["cpu-13-cores"])
    for entry in edition.entries.values():
        experiment_page(entry, edition, Marks())
    assert edition.entries or edition.problems


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from _places(child, (*path, key))


def _replaced(notebook: Any, where: tuple[Any, ...], new: Any) -> Any:
    if not where:
        return new
    changed = copy.deepcopy(notebook)
    node = changed
    for key in where[:-1]:
        node = node[key]
    node[where[-1]] = new
    return changed
