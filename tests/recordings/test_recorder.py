"""Recording: success leaves a recording with where it came from; nothing else leaves anything."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from tiny import DESCRIBED, MACHINE, NAME, Tiny, Traces, add_benchmark

from spritedocs import machine
from spritedocs.machine import GpuLoad
from spritedocs.recordings import (
    ExampleError,
    RecordError,
    Recording,
    can_store,
    provenance_line,
    record,
    record_own,
    recorder,
    source_sha256,
)
from spritedocs.recordings.fingerprints import modules_sha256
from spritedocs.recordings.recording import FORMAT

STRAGGLER = """
import pathlib, subprocess, sys, tempfile, time
sleep = [sys.executable, "-c", "import time; time.sleep(100)"]
orphaned = [sys.executable, "-c", f"import subprocess as s; s.Popen({sleep}, start_new_session=True)"]
subprocess.run(orphaned), subprocess.run(orphaned, env={} if sys.platform == "linux" else None)
tempfile.mkdtemp(), pathlib.Path("scrap").touch()
"""
"""What an example leaves behind if nobody looks after it: orphans in sessions of their own, and files."""

TORCH = """
__version__ = "2.6.0"
class version:
    cuda = hip = None
class cuda:
    device_count = staticmethod(lambda: 0)
"""
"""A torch that is imported at once, and knows of no GPU."""

SPAWNING = """
# %%
import multiprocessing
import os

def square(number):
    return Squared(number)

class Squared:
    def __init__(self, number):
        self.square, self.process = number**2, os.getpid()

# %%
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        results = pool.map(square, [2, 3])
    print([result.square for result in results], results[0].process != os.getpid())
"""
"""Function and class stand in the example itself, where a worker started by spawn has to find them."""


def add(tiny: Tiny, code: str, header: str = "") -> None:
    """Append ``code`` to the example, which makes its recording stale."""
    if header:
        tiny.edit("examples/01_counting.py", "# claims:", f"# {header}\n# claims:")
    with tiny.script.open("a", encoding="utf-8") as script:
        script.write(f"\n# %%{code}\n" if not code.startswith("\n# %%") else code)


def replace_last_cell(tiny: Tiny, code: str, header: str = "") -> None:
    """Let the example run ``code`` alone: it draws no figure, which takes longer than all the rest."""
    text = tiny.script.read_text(encoding="utf-8")
    tiny.script.write_text(text[: text.rindex("# %%\nif __name__")], encoding="utf-8")
    add(tiny, code, header)


def recorded_again(tiny: Tiny) -> Recording:
    return record(tiny.project, tiny.example, tiny.recording().parent, DESCRIBED.as_dict())


def test_a_success_replaces_the_recording_and_leaves_nothing_else(tiny: Tiny, traces: Traces) -> None:
    add(tiny, STRAGGLER)
    add(tiny, SPAWNING)
    assert tiny.library.status(tiny.example, tiny.recording().parent).state == "stale"
    recording = recorded_again(tiny)
    assert tiny.library.status(tiny.example, tiny.recording().parent).state == "fresh"
    assert recording.code_cells[-1]["outputs"][0]["text"] == ["[4, 9] True\n"]
    assert {path.name for path in tiny.recording().parent.iterdir()} == {f"{NAME}.ipynb", "SHA256SUMS"}
    assert (traces.processes(), traces.files()) == ([], [])


def test_a_recording_says_where_its_figures_come_from(tiny: Tiny) -> None:
    recording = Recording.read(tiny.recording())
    text, package = tiny.script.read_text(encoding="utf-8"), tiny.project.package
    said = dict(recording.provenance)
    assert said.pop("duration_s") > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", said.pop("recorded_at"))
    assert said == {
        "format": FORMAT,
        "example": NAME,
        "source_sha256": source_sha256(text),
        "modules": modules_sha256(text, package),
        "machine": DESCRIBED.as_dict(),
        "commit": "0123456789abcdef",
        "dirty": False,
        "command": f"spritedocs record {NAME}",
    }


def test_a_recording_is_a_valid_executed_notebook_whose_first_cell_says_why(tiny: Tiny) -> None:
    notebook = nbformat.read(tiny.recording(), as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3]
    assert "__main__.__file__" in code[0].source
    assert "spawn" in code[0].source
    script = [cell.text for cell in tiny.example.cells if cell.kind == "code"]
    assert [cell.source for cell in code[1:]] == script
    assert ["".join(cell["source"]) for cell in Recording.read(tiny.recording()).code_cells] == script


@pytest.mark.parametrize(
    ("ending", "header", "reason"),
    [
        (
            "raise ValueError('no\\nsprites')",
            "",
            "01_counting failed in line 27 with ValueError: no sprites. ",
        ),
        ("time.sleep(100)", "time_limit_s: 3", "01_counting took longer than its 3 s"),
        (
            "import os; os._exit(3)",
            "",
            "01_counting failed in line 22, because its Python ended itself, with exit status 3. ",
        ),
        ("while True: print('x' * 100_000), time.sleep(0.001)", "", "01_counting shows "),
        (
            "class OutOfMemoryError(RuntimeError): ...\nraise OutOfMemoryError('CUDA out of memory. Tried')",
            "",
            "01_counting failed in line 28, because the GPU ran out of memory",
        ),
        (
            "raise RuntimeError('Caught in worker 0.\\nCannot re-initialize CUDA in forked subprocess.')",
            "",
            "01_counting failed in line 27, because a forked worker used CUDA",
        ),
    ],
    ids=["failure", "time-out", "crash", "endless output", "GPU memory", "CUDA before fork"],
)
def test_a_run_without_success_leaves_everything_as_it_was(
    tiny: Tiny, traces: Traces, ending: str, header: str, reason: str
) -> None:
    replace_last_cell(tiny, STRAGGLER + ending, header)
    before = tiny.recording().read_bytes()
    with pytest.raises(RecordError) as error:
        recorded_again(tiny)
    assert str(error.value).startswith(reason)
    if " failed" in reason:
        assert str(error.value).endswith(f". 'python {tiny.script}' shows where.")
    assert "\n" not in str(error.value)
    assert tiny.recording().read_bytes() == before
    assert {path.name for path in tiny.recording().parent.iterdir()} == {f"{NAME}.ipynb", "SHA256SUMS"}
    assert (traces.processes(), traces.files()) == ([], [])


INTERRUPTED = "Interrupted: no recording was changed by the example that was running."


def to_the_group(process: subprocess.Popen[str]) -> None:
    """Ctrl-C: a terminal sends it to all processes of the group."""
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.skipif(os.name != "posix", reason="Windows has neither of these signals")
@pytest.mark.parametrize(
    ("command", "interrupt", "status", "complaint"),
    [
        ("spritedocs record", to_the_group, 130, INTERRUPTED),
        ("spritedocs record", subprocess.Popen.terminate, 143, INTERRUPTED),
        ("spritedocs record", lambda process: process.send_signal(signal.SIGQUIT), 131, INTERRUPTED),
        ("spritedocs record", subprocess.Popen.kill, -9, ""),
        ("mkdocs build --quiet", subprocess.Popen.terminate, 143, ""),
    ],
    ids=["Ctrl-C", "SIGTERM", "SIGQUIT", "SIGKILL", "SIGTERM to a build"],
)
def test_an_interruption_leaves_everything_as_it_was(
    tiny: Tiny,
    traces: Traces,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
    interrupt: Callable[[subprocess.Popen[str]], None],
    status: int,
    complaint: str,
) -> None:
    monkeypatch.setenv("SPRITEDOCS_EXECUTE", "missing")
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stub"))
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "torch.py").write_text(TORCH, encoding="utf-8")
    arrived = tiny.root / "arrived"
    replace_last_cell(tiny, f"{STRAGGLER}pathlib.Path({str(arrived)!r}).touch(); time.sleep(100)")
    own = tiny.add_recording(tiny.project.own / _slug() / f"{NAME}.ipynb")
    before = own.read_bytes()
    with subprocess.Popen(
        [sys.executable, "-m", *command.split()],
        cwd=tiny.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while not arrived.exists():
            assert process.poll() is None
            time.sleep(0.05)
        assert len(traces.processes()) >= 3
        interrupt(process)
        _, complained = process.communicate(timeout=60)
    assert (process.returncode, complained.strip()) == (status, complaint)
    assert own.read_bytes() == before
    assert {path.name for path in own.parent.iterdir()} == {f"{NAME}.ipynb", "SHA256SUMS"}
    end = time.monotonic() + (30 if interrupt is subprocess.Popen.kill else 0)
    while (traces.processes() or traces.files()) and time.monotonic() < end:
        time.sleep(0.1)  # a supervisor takes a moment to notice
    assert (traces.processes(), traces.files()) == ([], [])


def _slug() -> str:
    from spritedocs import machine

    return machine.slug()


@pytest.fixture
def printing(monkeypatch: pytest.MonkeyPatch, tiny: Tiny) -> Callable[[str], None]:
    """Let the example print a text without running it."""

    def prints(text: str) -> None:
        notebook = nbformat.read(tiny.recording(), as_version=4)
        notebook.cells[-1].outputs.append(nbformat.v4.new_output("stream", text=text))
        monkeypatch.setattr(recorder, "_executed", lambda example: notebook)

    return prints


@pytest.mark.parametrize("secret", ["home folder", "host name", "user name"])
def test_what_is_private_is_refused(
    tiny: Tiny, printing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setattr("pathlib.Path.home", lambda: Path("C:\\Users\\jo"))
    monkeypatch.setattr("platform.node", lambda: "jos-box")
    monkeypatch.setattr("getpass.getuser", lambda: "jo")
    shown = {"home folder": "in C:\\Users\\jo\\x", "host name": "on jos-box", "user name": "/mnt/jo/x"}
    before = tiny.recording().read_bytes()
    printing(shown[secret])
    with pytest.raises(RecordError, match=f"01_counting shows this machine's {secret}"):
        recorded_again(tiny)
    assert tiny.recording().read_bytes() == before
    printing("in jolly /mnt/joy/x, of a jos-boxer, at C:\\\\Users\\\\joy")
    recorded_again(tiny)


def test_a_host_called_like_a_word_of_the_code_can_record(
    tiny: Tiny, printing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.node", lambda: "code")
    printing("fine")
    assert recorded_again(tiny).values


def test_a_user_without_name_or_home_can_record(
    tiny: Tiny, printing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that runs under a number which its password file does not have."""

    def nobody(*_: object) -> Any:
        raise KeyError("uid not found: 1234")

    def nowhere(*_: object) -> Any:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setattr("pathlib.Path.home", nowhere)
    printing("fine")
    assert recorded_again(tiny).values


def test_without_a_temporary_folder_it_is_one_sentence(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tiny.root / "mkdocs.yml"))
    before = tiny.recording().read_bytes()
    with pytest.raises(RecordError, match=r"^Examples run in a temporary folder, and none .* TMPDIR"):
        record(tiny.project, tiny.example, tiny.recording().parent, {})
    assert tiny.recording().read_bytes() == before


def refusing(problem: int | Exception) -> Callable[..., Any]:
    """A function that raises it; a number is that of an ``OSError``."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(problem, os.strerror(problem)) if isinstance(problem, int) else problem

    return refuse


@pytest.mark.parametrize(
    ("where", "problem", "said"),
    [
        (
            "spritedocs.recordings.recorder.prove_room",
            errno.ENOSPC,
            "Examples .* the disk is full: free some",
        ),
        (
            "spritedocs.recordings.recorder.prove_room",
            errno.EDQUOT,
            "Examples .* the disk quota is used up: ",
        ),
        (
            "spritedocs.recordings.recorder.tempfile.mkdtemp",
            errno.EMFILE,
            "Examples .* too many files are open: ",
        ),
        ("pathlib.Path.write_text", errno.ENOSPC, "01_counting could not be run, .* disk is full: "),
        (
            "spritedocs.recordings.kernel.AsyncKernelManager",
            errno.EMFILE,
            "01_counting could .* too many files ",
        ),
        ("threading.Thread.start", RuntimeError("can't start new thread"), "01_.* run, .* no more proc"),
    ],
)
def test_what_the_machine_has_run_out_of_is_one_sentence(
    tiny: Tiny,
    traces: Traces,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    problem: int | Exception,
    said: str,
) -> None:
    before = tiny.recording().read_bytes()
    example, folder = tiny.example, tiny.recording().parent
    with monkeypatch.context() as patch:
        patch.setattr(where, refusing(problem))
        with pytest.raises(RecordError, match=f"^{said}") as error:
            record(tiny.project, example, folder, {})
    assert "\n" not in str(error.value)
    assert tiny.recording().read_bytes() == before
    assert (traces.processes(), traces.files()) == ([], [])


@pytest.mark.parametrize("problem", ["a file", "read-only", "full"])
def test_a_folder_that_takes_no_recording_is_named_before_anything_runs(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(recorder, "_executed", lambda example: ran.append(example.name))
    folder = tiny.project.own
    if problem == "a file":
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.touch()
    else:
        number = errno.EROFS if problem == "read-only" else errno.ENOSPC
        monkeypatch.setattr(recorder, "prove_room", refusing(number))
    kept = sorted(tiny.root.rglob("*"))
    with pytest.raises(RecordError, match=r" takes no recordings \(.*\): make room there"):
        record_own(tiny.project, everything=True, say=ran.append, described=DESCRIBED)
    assert ran == []
    assert sorted(tiny.root.rglob("*")) == kept


def test_a_folder_that_takes_recordings_is_not_there_before_one_is(tiny: Tiny) -> None:
    can_store(tiny.root / "new" / "deep")
    assert not (tiny.root / "new").exists()
    can_store(tiny.recording().parent)
    assert {path.name for path in tiny.recording().parent.iterdir()} == {f"{NAME}.ipynb", "SHA256SUMS"}


def test_a_recording_that_is_too_large_is_not_stored(
    tiny: Tiny, printing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tiny.recording().read_bytes()
    printing("\n" * 100_000)  # each line stands alone in the file
    monkeypatch.setattr(recorder, "LARGEST_BYTES", 1_000_000)
    with pytest.raises(RecordError, match=r"^01_counting shows \d\.\d MB of output, more than the 1 MB "):
        recorded_again(tiny)
    assert tiny.recording().read_bytes() == before


def test_a_folder_that_cannot_be_written_is_named(tiny: Tiny, printing: Callable[[str], None]) -> None:
    printing("fine")
    folder = tiny.root / "mkdocs.yml" / "x"
    said = re.escape(f"{folder / NAME}.ipynb cannot be written")
    with pytest.raises(RecordError, match=said) as error:
        record(tiny.project, tiny.example, folder, DESCRIBED.as_dict())
    assert "\n" not in str(error.value)


def test_values_that_could_not_be_read_back_are_not_stored(
    tiny: Tiny, printing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = nbformat.read(tiny.recording(), as_version=4)
    notebook.cells.append(nbformat.from_dict({**notebook.cells[-1], "id": "again"}))
    monkeypatch.setattr(recorder, "_executed", lambda example: notebook)
    before = tiny.recording().read_bytes()
    with pytest.raises(RecordError, match=r"gave no usable recording: .* measured twice"):
        recorded_again(tiny)
    assert tiny.recording().read_bytes() == before


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_commit_is_gits_and_a_new_recording_alone_does_not_make_it_dirty(
    tiny: Tiny, printing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPRITEDOCS_COMMIT", "not this one")
    git(tiny.root, "init", "-q")
    git(tiny.root, "add", "-A")
    git(tiny.root, "commit", "-qm", "All")
    printing("fine")
    for code, dirty in (("", False), ("", False), ("x = 1", True)):
        if code:
            add(tiny, code)
        said = recorded_again(tiny).provenance
        assert (said["commit"], said["dirty"]) == (git(tiny.root, "rev-parse", "HEAD"), dirty)


@pytest.mark.parametrize(
    ("given", "commit", "dirty"),
    [("abc", "abc", False), ("abc-dirty", "abc", True), (None, "unknown", True)],
)
def test_without_a_repository_the_environment_names_the_commit(
    tiny: Tiny,
    printing: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    given: str | None,
    commit: str,
    dirty: bool,
) -> None:
    monkeypatch.delenv("SPRITEDOCS_COMMIT", raising=False)
    if given:
        monkeypatch.setenv("SPRITEDOCS_COMMIT", given)
    printing("fine")
    said = recorded_again(tiny).provenance
    assert (said["commit"], said["dirty"]) == (commit, dirty)


def test_a_busy_gpu_is_said_before_the_run_and_kept_in_the_recording(
    tiny: Tiny, printing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(machine, "gpu_busy", lambda gpu: asked.append(gpu) or GpuLoad(40, 3.2, 0))
    printing("fine")
    said: list[str] = []

    def recorded_on(gpu: str | None) -> Recording:
        described = {**DESCRIBED.as_dict(), "gpu": gpu}
        return record(tiny.project, tiny.example, tiny.recording().parent, described, said.append)

    assert "gpu_busy" not in recorded_on(None).provenance
    assert (asked, said) == ([], [])
    recording = recorded_on("NVIDIA H200")
    assert asked == ["NVIDIA H200"]
    assert recording.provenance["gpu_busy"] == GpuLoad(40, 3.2, 0).as_dict()
    assert recording.provenance["format"] == FORMAT
    [sentence] = said
    assert sentence.startswith(f"{NAME} is measured on a GPU that something else uses too (40% utilised, ")
    line = provenance_line(recording, fresh=True, command="make record")
    assert " · GPU in use by something else (40% utilised, 3.2 GB taken) · recorded " in line
    monkeypatch.setattr(machine, "gpu_busy", lambda gpu: None)
    assert "gpu_busy" not in recorded_on("NVIDIA H200").provenance
    assert "in use" not in provenance_line(recorded_on("NVIDIA H200"), fresh=True, command="make record")


@pytest.mark.parametrize("dirty", [False, True])
def test_what_was_recorded_with_changes_that_nobody_committed_says_so(tiny: Tiny, dirty: bool) -> None:
    told = {"commit": "4c2d" * 10, "dirty": dirty}
    path = tiny.add_recording(tiny.recording(), lambda kept: kept["metadata"]["spritedocs"].update(told))
    line = provenance_line(Recording.read(path), fresh=True, command="make record")
    assert ("commit 4c2d4c2d4c with uncommitted changes · " in line) is dirty
    assert ("commit 4c2d4c2d4c · " in line) is not dirty


def test_own_recordings_are_made_where_fresh_ones_are_missing_or_of_all(
    tiny: Tiny, printing: Callable[[str], None]
) -> None:
    printing("fine")
    said: list[str] = []
    for everything, count in ((False, 1), (False, 1), (True, 2)):
        assert record_own(tiny.project, everything, said.append, DESCRIBED) == MACHINE
        assert said == [f"Running {NAME}"] * count
    [own] = tiny.library.own(tiny.example)
    assert own.state == "fresh"
    assert json.loads(own.recording.path.read_text(encoding="utf-8"))["nbformat"] == 4


def test_a_benchmarks_report_is_stored_as_a_recording(tiny: Tiny) -> None:
    benchmark = add_benchmark(tiny)
    [status] = tiny.library.benchmark(benchmark, ["cpu-13-cores", "other-machine"])
    assert status.state == "fresh"
    assert status.recording.values["overhead"].median == 1.5
    assert status.recording.provenance["command"] == "python benchmarks/timing/speed.py"
    assert "How fast" in status.recording.results[0].html
    benchmark.path.write_text("x = 2\n", encoding="utf-8")
    assert tiny.library.benchmark(tiny.project.benchmark("speed"), ["cpu-13-cores"])[0].state == "stale"


def test_an_unknown_benchmark_is_named_beside_the_known_ones(tiny: Tiny) -> None:
    add_benchmark(tiny)
    with pytest.raises(ExampleError, match="there is no benchmark 'sped': known are speed"):
        tiny.project.benchmark("sped")
