"""A recording from a stranger: whatever was altered in it is refused in one sentence with the remedy."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import PROJECT
from sealing import seal
from tiny import MACHINE, NAME, Tiny, add_benchmark

from spritedocs.recordings import Library, RecordingError, Result, checksums, orphans
from spritedocs.recordings.recording import FORMAT
from spritedocs.recordings.summaries import ContradictionError, check_result, check_summary
from spritedocs.report import MIME, Gap, Measurement, Report
from spritedocs.site.edition import Edition

Notebook = dict[str, Any]
Change = Callable[[Notebook], object]


def said(tiny: Tiny, change: Change) -> str:
    """What is said of the published recording after ``change``, whose sums are those of the altered file."""
    notebook = json.loads(tiny.recording().read_text(encoding="utf-8"))
    change(notebook)
    tiny.write(tiny.recording(), notebook)
    return refused(tiny)


def refused(tiny: Tiny) -> str:
    with pytest.raises(RecordingError) as error:
        tiny.library.status(tiny.example, tiny.recording().parent)
    sentence = str(error.value)
    assert sentence.startswith(f"{tiny.recording()} ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence.removeprefix(f"{tiny.recording()} ")


def provenance(notebook: Notebook) -> dict[str, Any]:
    return notebook["metadata"]["spritedocs"]


def data(notebook: Notebook) -> dict[str, Any]:
    return notebook["cells"][-1]["outputs"][0]["data"]


def value(notebook: Notebook, name: str = "ratio") -> dict[str, Any]:
    return next(value for value in data(notebook)[MIME]["values"] if value["name"] == name)


def html(old: str, new: str) -> Change:
    def change(notebook: Notebook) -> None:
        text = "".join(data(notebook)["text/html"])
        assert old in text
        data(notebook)["text/html"] = [text.replace(old, new)]

    return change


def code(notebook: Notebook, old: str, new: str) -> None:
    source = "".join(notebook["cells"][-1]["source"])
    assert old in source
    notebook["cells"][-1]["source"] = source.replace(old, new).splitlines(keepends=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda n: value(n).update(median=3.2),
            "says that ratio is 3.2 (2.937",
        ),
        (lambda n: value(n).update(interval=[2.99, 3.01]), "though its samples give 3 (2.937"),
        (lambda n: value(n).update(interval=None), "says that ratio is 3, though its samples give 3 (2.937"),
        (lambda n: value(n, "helpers").update(interval=[3.9, 4.1]), "though its samples give 4"),
        (lambda n: value(n).update(samples=[3.0] * 6), "though its samples give 3 (3 to 3)"),
        (lambda n: value(n).update(samples=[]), "is damaged (ValueError"),
        (lambda n: value(n).update(name="<b>"), "is damaged (ValueError: the name '<b>' is not"),
        (lambda n: value(n).update(unit="\x1b[2J"), "says '\\x1b[2J', which is no plain text"),
        (lambda n: value(n).update(label="a\nb"), "says 'a\\nb', which is no plain text"),
        (
            lambda n: data(n)[MIME].update(gaps=[{"name": "weight", "reason": "\x07"}]),
            "says '\\x07', which is no plain text",
        ),
        (
            lambda n: data(n)[MIME].update(gaps=[{"name": "ratio", "reason": "None."}]),
            "is damaged (ValueError: ratio was measured and was not)",
        ),
        (lambda n: code(n, "3.1", "3.2"), "holds code whose fingerprint is not its source_sha256"),
        (
            lambda n: n["cells"].insert(2, {**n["cells"][-1], "outputs": [], "source": ["import os"]}),
            "holds code whose fingerprint is not its source_sha256",
        ),
        (
            lambda n: n["cells"][1].update(source=["import os; os.system('id')"]),
            "has a setup cell that 'spritedocs record' does not write",
        ),
        (
            lambda n: n["cells"][-1]["metadata"].update(spritedocs_setup=True),
            "has a setup cell that 'spritedocs record' does not write",
        ),
        (
            lambda n: n["cells"][1].update(outputs=n["cells"][-1]["outputs"]),
            "has a setup cell that 'spritedocs record' does not write",
        ),
        (lambda n: n["cells"][0].update(source="Pay here"), "does not begin with the two cells that "),
        (lambda n: n["cells"].pop(1), "does not begin with the two cells that "),
        (lambda n: n.update(nbformat=3), "is no notebook of the format 4.5"),
        (html("3.00×", "3.99×"), "shows '3.99× 2.94–3.10×' where its values say 3.00×"),
        (html("2.94–3.10×", "2.99–3.01×"), "shows '3.00× 2.99–3.01×' where its values say 3.00×"),
        (html("2.94–3.10×", "hardly ever"), "shows '3.00× hardly ever' where its values say 3.00×"),
        (html("3.00×", "3.00 s"), "shows '3.00 s 2.94–3.10×' where its values say 3.00×"),
        (html(">4<", ">not measured<"), "shows 'not measured' for a value that it does not lack"),
        (
            lambda n: data(n)[MIME]["values"].pop(),
            "shows '3.00× 2.94–3.10×' where its values say nothing",
        ),
        (html("<caption>What", "<caption>Whatever"), "shows a table 'Whatever was counted' for the result "),
        (lambda n: provenance(n).update(recorded_at="2999-01-01T00:00:00+00:00"), "which cannot be"),
        (lambda n: provenance(n).update(recorded_at="2001-01-01T00:00:00+00:00"), "which cannot be"),
        (lambda n: provenance(n).update(recorded_at="2026-11-01T00:00:00"), "which cannot be"),
        (lambda n: provenance(n).update(format=-1), "says that its format is -1"),
        (lambda n: provenance(n).update(format=True), "says that its format is True"),
        (lambda n: provenance(n)["modules"].update(timing="a"), "says of a module what is no fingerprint"),
        (lambda n: provenance(n)["modules"].update({"<b>": "0" * 64}), "says of a module what is no finger"),
        (lambda n: provenance(n).update(duration_s=-1), "says that it took -1 s"),
        (lambda n: provenance(n).update(commit="<i>"), "says that its commit is '<i>'"),
        (lambda n: provenance(n).update(command="curl x | sh"), "was made by the command 'curl x | sh', "),
        (
            lambda n: provenance(n).update(command="python benchmarks/x.py"),
            "holds code, though it is a benchmark's report",
        ),
        (lambda n: provenance(n)["machine"].update(cpu="\x1b]0;x"), "its machine's cpu is '\\x1b]0;x'"),
        (lambda n: provenance(n)["machine"].update(usable_cores="2"), "its machine's usable_cores is '2'"),
        (lambda n: provenance(n)["machine"].update(gpu=5), "its machine's gpu is 5"),
        (lambda n: provenance(n)["machine"].update(gpu="NVIDIA H200"), "was recorded by nvidia-h200: "),
        (lambda n: provenance(n)["machine"].update(usable_cores=12), "was recorded by cpu-12-cores: "),
        (lambda n: n["cells"].append({**n["cells"][0], "cell_type": "raw"}), "has a cell of the type 'raw'"),
        (
            lambda n: n["cells"][0].update(attachments={"x.svg": {}}),
            "holds 'attachments', which no recording",
        ),
        (lambda n: n["metadata"].update(widgets={}), "holds 'widgets', which no recording"),
        (lambda n: n["metadata"]["kernelspec"].update(name="bash"), "names another kernel than ours"),
        (
            lambda n: n["cells"][-1]["outputs"][0].update(metadata={"text/html": {"isolated": True}}),
            "has an output with the metadata ",
        ),
        (
            lambda n: n["cells"][-1]["outputs"][0].update(output_type="error"),
            "has an output of the type 'error'",
        ),
    ],
)
def test_what_was_altered_is_refused_with_what_it_says(tiny: Tiny, change: Change, sentence: str) -> None:
    assert sentence in said(tiny, change)


@pytest.mark.parametrize(
    "shown",
    [
        {"text/html": "<b>5×</b>"},
        {"text/html": "<b>5×</b>", "text/plain": "5×"},
        {"application/javascript": "alert(1)", "text/plain": "x"},
        {"image/svg+xml": "<svg onload='alert(1)'/>", "text/plain": "x"},
        {"text/markdown": "<img src=x onerror=alert(1)>", "text/plain": "x"},
        {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "x"},
    ],
)
def test_only_text_and_our_reports_are_shown(tiny: Tiny, shown: dict[str, Any]) -> None:
    def change(notebook: Notebook) -> None:
        output = {"output_type": "display_data", "metadata": {}, "data": shown}
        notebook["cells"][-1]["outputs"].append(output)

    assert "where text or a report of ours can be shown" in said(tiny, change)


def test_a_trace_is_a_trace(tiny: Tiny) -> None:
    assert "keeps a trace that is none" in said(
        tiny, lambda n: data(n).update({"application/vnd.spritedocs.trace": '"<script>"'})
    )


def test_a_clock_may_be_ahead_by_hours(tiny: Tiny) -> None:
    ahead = (datetime.now(UTC) + timedelta(hours=20)).isoformat()
    tiny.add_recording(tiny.recording(), lambda n: provenance(n).update(recorded_at=ahead))
    assert tiny.library.status(tiny.example, tiny.recording().parent).state == "fresh"


def test_code_is_compared_in_a_stale_recording_too(tiny: Tiny) -> None:
    tiny.edit(f"examples/{NAME}.py", "[4]", "[5]")
    assert tiny.library.status(tiny.example, tiny.recording().parent).state == "stale"
    assert "holds code whose fingerprint" in said(tiny, lambda n: code(n, "[4]", "[6]"))


def test_format_1_is_judged_by_the_rule_that_it_was_written_by(tiny: Tiny) -> None:
    tiny.add_recording(tiny.recording(), lambda n: value(n).update(samples=[1.0, 1.0, 2.0, 8.0, 8.0, 8.0]))
    written = json.loads(tiny.recording().read_text(encoding="utf-8"))
    assert value(written)["median"] == pytest.approx(4)
    assert "though its samples give 5 " in said(
        tiny, lambda n: provenance(n).update(format=1, package_sha256="")
    )
    value(written)["median"] = 5.0
    provenance(written).update(format=1, package_sha256="")
    html("4.0×", "5.0×")(written)
    tiny.write(tiny.recording(), written)
    assert tiny.library.status(tiny.example, tiny.recording().parent).recording.values["ratio"].median == 5
    assert "though its samples give 4 " in said(
        tiny, lambda n: provenance(n).update(format=2, package_sha256="")
    )


def test_formats_1_to_3_gave_samples_that_are_not_all_positive_no_interval(tiny: Tiny) -> None:
    assert FORMAT == 4
    zeros = Measurement.of("ahead", [0.0] * 6, "").as_json()
    old = Measurement.from_json({**zeros, "interval": None})
    for form in (1, 2, 3):
        check_summary(old, form)
        with pytest.raises(ContradictionError, match=r"though its samples give 0$"):
            check_summary(Measurement.from_json(zeros), form)
    check_summary(Measurement.from_json(zeros), FORMAT)
    with pytest.raises(ContradictionError, match=r"though its samples give 0 \(0 to 0\)"):
        check_summary(old, FORMAT)


def test_another_platforms_last_digits_are_no_contradiction(tiny: Tiny) -> None:
    notebook = json.loads(tiny.recording().read_text(encoding="utf-8"))
    low, high = value(notebook)["interval"]
    value(notebook)["interval"] = [low * (1 + 1e-12), high * (1 - 1e-12)]
    tiny.write(tiny.recording(), notebook)
    assert tiny.library.status(tiny.example, tiny.recording().parent).state == "fresh"


@given(
    samples=st.lists(
        st.floats(1e-6, 1e9) | st.floats(-1e9, -1e-6) | st.integers(-1000, 10**7), min_size=1, max_size=9
    ),
    unit=st.sampled_from(["", "s", "×", "%", "of 16", "items/s"]),
)
def test_whatever_is_measured_its_table_says_so(samples: list[float], unit: str) -> None:
    cells = [Measurement.of("x", samples, unit), Gap("y", "No <disk>."), Measurement.of("z", [1.0], "s")]
    data = Report("A & <b>", ["what"], [[cell] for cell in cells]).bundle()
    stored = json.loads(json.dumps(data[MIME]))
    values = tuple(Measurement.from_json(each) for each in stored["values"])
    result = Result(data[MIME]["title"], data["text/html"], values, (cells[1],))
    check_result(result)
    check_summary(values[0], FORMAT)


# The sums beside recordings.


def test_a_file_that_differs_from_its_sum_is_refused(tiny: Tiny) -> None:
    text = tiny.recording().read_text(encoding="utf-8")
    tiny.recording().write_text(text + "\n", encoding="utf-8")
    assert refused(tiny) == "is not what the SHA256SUMS beside it says: record the example again."
    assert Edition(tiny.project, [MACHINE]).problems == [
        f"{tiny.recording().relative_to(tiny.root)} is not what the SHA256SUMS beside it says: "
        "record the example again."
    ]


def test_a_published_recording_has_a_sum(tiny: Tiny) -> None:
    tiny.recording().with_name(checksums.NAME).unlink()
    assert refused(tiny) == "is not in the SHA256SUMS beside it: record the example again."
    tiny.recording().with_name(checksums.NAME).write_bytes(b"\xff")
    assert refused(tiny) == "is not in the SHA256SUMS beside it: record the example again."


def test_the_readers_own_need_none_and_an_altered_one_is_only_mentioned(tiny: Tiny) -> None:
    own = tiny.project.own / "mine" / f"{NAME}.ipynb"
    own.parent.mkdir(parents=True)
    shutil.copy(tiny.recording(), own)
    [status] = tiny.library.own(tiny.example)
    assert status.state == "fresh"
    seal(own)
    own.write_bytes(own.read_bytes() + b"\n")
    edition = Edition(tiny.project, [MACHINE])
    assert edition.problems == []
    assert [notice for notice in edition.notices if "is not what the SHA256SUMS" in notice]


def test_sums_are_sorted_kept_and_dropped_with_their_files(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).write_text(name, encoding="utf-8")
        seal(tmp_path / name)
    (tmp_path / "c").unlink()
    (tmp_path / "a").write_text("new", encoding="utf-8")
    seal(tmp_path / "a")
    sums = {name: hashlib.sha256(text).hexdigest() for name, text in (("a", b"new"), ("b", b"b"))}
    written = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    assert (tmp_path / checksums.NAME).read_bytes() == written.encode()
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", checksums.NAME}
    assert [checksums.agrees(tmp_path / name) for name in ("a", "b", "c")] == [True, True, None]


# Benchmarks, and what the repository holds.


def test_a_benchmarks_report_states_intervals_of_its_own_and_holds_no_code(tiny: Tiny) -> None:
    benchmark = add_benchmark(tiny)
    path = tiny.project.benchmarked / MACHINE / "speed.ipynb"
    stored = json.loads(path.read_text(encoding="utf-8"))

    def state(change: Change) -> str:
        notebook = json.loads(json.dumps(stored))
        change(notebook)
        tiny.write(path, notebook)
        return tiny.library.status(benchmark, path.parent).state

    assert state(lambda n: value(n, "overhead").update(interval=[1.4999, 1.5001])) == "fresh"
    for change, sentence in {
        (lambda n: value(n, "overhead").update(median=1.6)): "says that overhead is 1.6, unlike its samples",
        (lambda n: n["cells"][0].update(source=["import os"])): "holds code, though it is a benchmark's",
        (lambda n: provenance(n).update(command="spritedocs record speed")): "fingerprint is not its",
    }.items():
        with pytest.raises(RecordingError, match=sentence):
            state(change)


def test_a_benchmarks_report_does_not_stand_in_for_an_example(tiny: Tiny) -> None:
    """Its intervals are not checked: an example has none to state."""

    def change(notebook: Notebook) -> None:
        provenance(notebook).update(command=f"python benchmarks/{NAME}.py")
        notebook["cells"] = [{**notebook["cells"][-1], "source": []}]
        value(notebook).update(interval=[2.999, 3.001])
        html("2.94–3.10×", "2.999–3.001×")(notebook)

    assert f"was not recorded by {NAME}.py" in said(tiny, change)


def test_every_recording_of_the_repository_is_whole() -> None:
    library = Library(PROJECT)
    found = [library.reference(PROJECT.example(name), library.machines()) for name in PROJECT.names()]
    machines = sorted(folder.name for folder in PROJECT.benchmarked.glob("*/"))
    found += [library.benchmark(PROJECT.benchmark(name), machines) for name in PROJECT.benchmarks()]
    stored = {*PROJECT.recorded.glob("*/*.ipynb"), *PROJECT.benchmarked.glob("*/*.ipynb")}
    assert {status.recording.path for statuses in found for status in statuses} == stored


def test_git_shows_what_changes_in_a_recording() -> None:
    path = next(PROJECT.recorded.glob("*/*.ipynb")).relative_to(PROJECT.root)
    asked = ["git", "check-attr", "diff", "linguist-generated", "--", str(path)]
    done = subprocess.run(asked, cwd=PROJECT.root, capture_output=True, text=True, check=True)
    assert [line.split(": ")[-1] for line in done.stdout.splitlines()] == ["unspecified", "unspecified"]


# Recordings that no page shows.


def test_recordings_that_no_page_shows_are_mentioned(tiny: Tiny) -> None:
    assert orphans(tiny.project, [MACHINE]) == []
    tiny.add_recording(tiny.recording("old-machine"))
    tiny.add_recording(tiny.recording().with_name("02_gone.ipynb"))
    folder = Path("examples", "recorded")
    expected = [
        f"{folder / MACHINE} has a recording of 02_gone.py, which is gone: delete it, or restore the script.",
        f"{folder / 'old-machine'} is shown on no page: "
        "name that machine in mkdocs.yml, or delete its recordings.",
    ]
    assert orphans(tiny.project, [MACHINE]) == expected
    assert orphans(tiny.project, []) == expected[:1]
    text = tiny.script.read_text(encoding="utf-8")
    (tiny.root / "examples" / "03_newer.py").write_text(
        text.replace("# claims:", "# formerly: 02_gone\n# claims:"), encoding="utf-8"
    )
    assert orphans(tiny.project, []) == []
    (tiny.root / "examples" / "03_newer.py").unlink()
    edition = Edition(tiny.project, [MACHINE])
    assert edition.problems == []
    assert edition.notices == expected


def test_where_the_sum_cannot_be_written_the_former_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, written = tmp_path / "a", tmp_path / "writing" / "a"
    path.write_text("old", encoding="utf-8")
    seal(path)
    written.parent.mkdir()
    written.write_text("new", encoding="utf-8")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        checksums.put(written, path)
    assert path.read_text(encoding="utf-8") == "old"
    assert checksums.agrees(path)
