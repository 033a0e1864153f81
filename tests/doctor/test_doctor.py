"""What the doctor says of machines that are not this one, and of this one."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from calling import Answer, called
from markdown.extensions.toc import slugify
from running import PROJECT

from spritedocs import doctor
from spritedocs.cli import doctor_command as command
from spritedocs.doctor import Finding
from spritedocs.doctor import facts as facts_module
from spritedocs.doctor.data import Data
from spritedocs.doctor.facts import UNLIMITED, Facts, Room
from spritedocs.doctor.findings import BITES, BREAKS, FINE, SEVERITIES, UNKNOWN
from spritedocs.doctor.starts import Start
from spritedocs.machine import GpuLoad, Interrupted, Machine

BOX = Machine(cpu="Box", logical_cores=8, affinity_cores=8, usable_cores=8, memory_gb=64, start_method="fork")
WELL = Facts(
    machine=BOX,
    suggested_workers=8,
    shm=Room(32 * 10**9, 32 * 10**9),
    socket_problem="",
    files_limit=65_536,
    files_hard_limit=65_536,
    files_open=6,
    tasks_limit=100_000,
    tasks=500,
    torch_threads=8,
    numpy_threads=8,
    memory_available=60 * 10**9,
    starts=(Start("fork", 0.03, "", 1, 3, 12.0), Start("spawn", 2.5, "", 1, 4, 150.0)),
    gpu_absence="torch 2.13.0+cpu is built without CUDA: install a build with it, by PyTorch's selector",
)
"""A machine on which nothing bites."""

MACBOOK = replace(
    WELL,
    machine=replace(BOX, affinity_cores=None, start_method="spawn"),
    system="darwin",
    shm=None,
    sharing="file_system",
    files_limit=256,
    files_hard_limit=UNLIMITED,
    tasks_limit=2_000,
    starts=(Start("spawn", 1.8, "", 1, 4, 180.0), Start("fork", 0.02, "", 1, 3, 9.0)),
    gpu_absence="there is no CUDA for macOS, and no other accelerator is measured: use one elsewhere",
)
WINDOWS = replace(
    MACBOOK, system="win32", files_limit=None, files_hard_limit=None, tasks_limit=None, socket_problem=None
)
DOCKER = replace(
    WELL,
    machine=replace(BOX, usable_cores=2, quota_cores=2.0),
    in_container=True,
    shm=Room(2**26, 2**26),
    files_limit=1_024,
    files_hard_limit=524_288,
)
WITH_GPU = replace(WELL, machine=replace(BOX, gpu="NVIDIA H200"), gpu_absence="", pin_problem="")


def found(facts: Facts) -> dict[str, Finding]:
    return {finding.key: finding for finding in doctor.examine(facts)}


def test_where_all_is_well_only_the_dataset_is_unknown() -> None:
    others = {key: one.severity for key, one in found(WELL).items() if one.severity != FINE}
    assert others == {"page-cache": UNKNOWN}
    assert not doctor.breaks(doctor.examine(WELL))


TWO_OF_EIGHT = replace(BOX, usable_cores=2, quota_cores=2.5)
HELD_TO_ONE = replace(BOX, usable_cores=1, affinity_cores=1)
ONLY_ONE = replace(HELD_TO_ONE, logical_cores=1)
FAILED = (Start("fork", None, "OSError: no"), Start("spawn", 2.0))

CASES = [
    ("shared-memory", {"shm": Room(2**26, 2**26)}, BREAKS, "67 MB of 67 MB free; a batch of 32 pictures"),
    ("shared-memory", {"shm": Room(10**9, 2 * 10**8)}, BITES, "takes 19 MB, and 8 workers have up to 17"),
    ("shared-memory", {"shm": None}, BREAKS, "/dev/shm is missing"),
    ("shared-memory", {"shm": Room(10**9, 10**9, False)}, BREAKS, "/dev/shm cannot be written to"),
    ("temporary-folder", {"socket_problem": "AF_UNIX path too long"}, BREAKS, "(AF_UNIX path too long)"),
    ("open-files", {"files_limit": 32}, BREAKS, "at most 26,"),
    ("open-files", {"files_limit": 1_024}, BITES, "at most 1,018, then loading ends with"),
    ("open-files", {"files_limit": UNLIMITED}, FINE, "Any number of files"),
    ("open-files", {"files_limit": 32, "sharing": "file_system"}, FINE, "no open files"),
    ("processes", {"tasks_limit": 510}, BREAKS, "510 processes and threads may run (ulimit -u), 500 do"),
    ("processes", {"tasks_limit": 550}, BITES, "a worker takes 10: 5 more workers can be started"),
    ("processes", {"tasks_limit": UNLIMITED}, FINE, "Any number of processes"),
    ("processes", {"group_tasks_limit": 30, "group_tasks": 12}, BREAKS, "(pids.max of the cgroup), 12 do"),
    ("processes", {"tasks_limit": UNLIMITED, "group_tasks_limit": 64}, BITES, "6 more workers can be"),
    ("processes", {"tasks_limit": 550, "group_tasks_limit": 9_999}, BITES, "(ulimit -u), 500 do"),
    ("processes", {"group_tasks_limit": 9_999}, FINE, "(pids.max of the cgroup): room for 999 workers"),
    ("cores", {"machine": TWO_OF_EIGHT}, BITES, "2 cores may be used (a quota of 2.5"),
    ("cores", {"machine": HELD_TO_ONE}, BITES, "1 core may be used (affinity to 1"),
    ("cores", {"machine": ONLY_ONE}, BITES, "There is 1 core"),
    ("start-method", {"starts": WELL.starts[::-1]}, FINE, "0.03 s after iter() (by spawn 2.50 s)"),
    (
        "start-method",
        {"starts": (Start("fork", 1.5), Start("spawn"))},
        BITES,
        "iter() (by spawn not measured)",
    ),
    ("start-method", {"starts": FAILED}, BREAKS, "OSError: no"),
    ("start-method", {"starts": (Start("fork"),)}, UNKNOWN, "starts slowly, or hangs"),
    ("start-method", {"starts": ()}, UNKNOWN, "was not measured"),
    ("threads", {"torch_threads": 64}, BITES, "64 threads in the main process, on 8 usable cores"),
    ("threads", {"torch_threads": 1, "thread_setting": "1"}, BITES, "as OMP_NUM_THREADS is '1'"),
    ("threads", {"torch_threads": 4}, FINE, "4 threads"),
    ("worker-threads", {"opencv_threads": 8}, BITES, "OpenCV computes with 8 threads, in each worker"),
    ("worker-threads", {"opencv_threads": 1}, FINE, "OpenCV with 1"),
    ("worker-threads", {"numpy_threads": 64}, BITES, "64 threads, in each worker again, on 8 usable cores"),
    ("worker-threads", {"numpy_threads": None, "starts": ()}, UNKNOWN, "was not measured"),
    ("worker-memory", {"memory_available": 10**7}, BREAKS, "8 take 96 MB of the 10 MB"),
    ("worker-memory", {"memory_available": 15 * 10**7}, BITES, "has 12 MB for itself: 8 take 96 MB"),
    ("worker-memory", {"starts": ()}, UNKNOWN, "was not measured"),
    ("page-cache", {"data": Data(10**11, 7)}, BITES, "100 GB in 7 files, more than the 60 GB"),
    ("page-cache", {"data": Data(10**11, 7, False)}, BITES, "at least 100 GB in at least 7 files"),
    ("page-cache", {"data": Data(10**9, 7)}, FINE, "The data, 1.0 GB in 7 files, fit into the 60 GB"),
    ("page-cache", {"data": Data(10**9, 7, False)}, UNKNOWN, "7 files of 1.0 GB, and there are more"),
    ("page-cache", {"data": Data(0, 0)}, UNKNOWN, "There is no file that may be read"),
    ("page-cache", {"memory_available": None}, UNKNOWN, "is not known here"),
    ("disk", {"data": Data(1, 1, filesystem="nfs4")}, BITES, "kind nfs4: each file is fetched from another"),
    ("disk", {"data": Data(1, 1, filesystem="9p")}, BITES, "fetched from outside of this virtual"),
    ("disk", {"data": Data(1, 1, filesystem="fakeowner")}, BITES, "of this virtual machine"),
    ("disk", {"data": Data(1, 1, filesystem="ext4")}, FINE, "ext4."),
    ("disk", {"data": Data(1, 1, filesystem="fuse.sshfs")}, BITES, "kind fuse.sshfs: each file is fetched"),
    ("disk", {"data": Data(1, 1, filesystem="fuse.mergerfs")}, FINE, "fuse.mergerfs."),
    ("disk", {"data": Data(1, 1)}, UNKNOWN, "is not known here"),
    ("gpu", {"made_for_gpu": True, "gpu_absence": "no driver: get one"}, BITES, "because no driver."),
    ("gpu", {}, FINE, "because torch 2.13.0+cpu is built without CUDA."),
]


@pytest.mark.parametrize(("key", "changes", "severity", "says"), CASES)
def test_each_check_judges_by_its_numbers(
    key: str, changes: dict[str, object], severity: str, says: str
) -> None:
    finding = found(replace(WELL, **changes))[key]
    assert (finding.severity, says in finding.says) == (severity, True), finding
    assert bool(finding.remedy) == (severity in (BREAKS, BITES)) or severity == UNKNOWN


def test_no_remedy_makes_another_check_bite() -> None:
    remedy = found(replace(WELL, tasks_limit=510))["processes"].remedy
    assert "OPENBLAS_NUM_THREADS=1" in remedy
    assert "OMP_NUM_THREADS" not in remedy, "torch itself would compute with one thread"


def test_the_limit_of_a_container_is_raised_where_it_was_set() -> None:
    remedy = found(replace(WELL, tasks_limit=UNLIMITED, group_tasks_limit=30))["processes"].remedy
    assert "--pids-limit" in remedy
    assert "ulimit" not in remedy, "which is not what stops them"


def test_a_gpu_is_asked_for_company_and_for_pinned_memory() -> None:
    well = found(WITH_GPU)
    assert (well["gpu"].severity, well["pinned-memory"].says) == (
        FINE,
        "64 MB could be pinned for copies to the GPU.",
    )
    shared = found(replace(WITH_GPU, gpu_load=GpuLoad(97, 40.0, 1), pin_problem="out of memory"))
    assert (shared["gpu"].severity, shared["pinned-memory"].severity) == (BITES, BITES)
    assert "97% utilised" in shared["gpu"].says
    assert shared["gpu"].values["busy"]["other_processes"] == 1
    one_thread = replace(WITH_GPU, torch_threads=1, thread_setting="1")
    assert found(one_thread)["threads"].severity == FINE, "the GPU computes, not the cores"


def test_docker_as_it_comes_breaks_and_says_how_to_start_it() -> None:
    said = found(DOCKER)
    assert doctor.breaks(said.values())
    assert said["shared-memory"].severity == BREAKS
    assert "--shm-size=1g" in said["shared-memory"].remedy
    assert "ulimit -n 65536" in said["open-files"].remedy
    assert said["threads"].severity == said["worker-threads"].severity == said["cores"].severity == BITES
    assert "--shm-size" not in found(replace(DOCKER, in_container=False))["shared-memory"].remedy


def test_macos_and_windows_get_an_honest_unknown() -> None:
    mac, windows = found(MACBOOK), found(WINDOWS)
    assert mac["shared-memory"].severity == windows["shared-memory"].severity == UNKNOWN
    assert mac["open-files"].severity == FINE
    assert windows["open-files"].severity == windows["processes"].severity == UNKNOWN
    assert windows["temporary-folder"].severity == FINE
    assert mac["start-method"].severity == BITES
    assert "persistent_workers=True" in mac["start-method"].remedy
    assert not doctor.breaks([*mac.values(), *windows.values()])


def test_what_bites_first_stands_first() -> None:
    order = [finding.severity for finding in doctor.examine(DOCKER)]
    assert order == sorted(order, key=[BREAKS, BITES, UNKNOWN, FINE].index)
    assert set(order) <= set(SEVERITIES)


def everything() -> Iterator[Finding]:
    for facts in (WELL, MACBOOK, WINDOWS, DOCKER, WITH_GPU, *(replace(WELL, **case[1]) for case in CASES)):
        yield from doctor.examine(facts)


def test_each_finding_is_a_sentence_that_json_knows() -> None:
    for finding in everything():
        json.dumps(finding.as_json(), allow_nan=False)
        for sentence in (finding.says, finding.remedy):
            assert sentence == "" or (sentence[-1] == "." and "  " not in sentence and "None" not in sentence)


def anchors(page: str) -> set[str]:
    """What a page of the site can be linked to at: the anchors that it sets, and its headings'."""
    name = page.rstrip("/")
    if name.startswith("experiments/"):
        path = PROJECT.example(name.removeprefix("experiments/")).path
    else:
        path = PROJECT.root / "docs" / f"{name}.md"
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"^(?:# )?#{2,3} (.+?)(?: \{.*)?$", text, re.MULTILINE)
    return {slugify(heading, "-") for heading in headings} | set(re.findall(r"\{ #([\w-]+) \}", text))


def test_every_page_that_is_named_has_its_anchor() -> None:
    links = {finding.page for finding in everything()}
    assert len(links) > 7
    for link in links:
        page, anchor = link.split("#")
        assert anchor in anchors(page), link


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """The command ``spritedocs doctor`` on the machine that ``facts`` describe."""

    def answer(facts: Facts, *arguments: str) -> Answer:
        monkeypatch.setattr(doctor, "look", lambda data, start: replace(facts, starts=facts.starts * start))
        return called(monkeypatch, capsys, "doctor", *arguments)

    return answer


def test_the_command_fails_only_where_something_breaks(call: Callable[..., Answer]) -> None:
    assert [call(facts).status for facts in (WELL, MACBOOK, DOCKER)] == [0, 0, 1]


def test_the_command_tells_people_what_bites_and_the_rest_in_short(call: Callable[..., Answer]) -> None:
    said = " ".join(call(DOCKER).said.split())
    assert said.startswith(
        "2 usable cores of Box, 64 GB memory, no GPU will break /dev/shm has 67 MB of 67 MB free"
    )
    assert (
        said.index("will break") < said.index("will bite") < said.index("unknown here") < said.index(" fine ")
    )
    assert "in-depth/memory/#shm" in said
    assert "start-method By fork, the default here" in said


def test_where_the_site_is_known_each_page_stands_in_one_piece(
    call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = f"https://{'sprites' * 12}.example/"
    monkeypatch.setattr("spritedocs.cli.doctor_command.whole", lambda page: site + page)
    assert f"\n    {site}in-depth/memory/#shm\n" in call(DOCKER).said


def test_the_command_tells_programs_an_object_and_nothing_else(call: Callable[..., Answer]) -> None:
    answer = call(DOCKER, "--json")
    told = json.loads(answer.said)
    assert (answer.status, answer.complained) == (1, "")
    assert told["machine"] == DOCKER.machine.as_dict()
    assert told["findings"][0]["values"] == {"free_bytes": 2**26, "total_bytes": 2**26}
    assert [set(one) for one in told["findings"]] == [
        {"key", "severity", "says", "remedy", "page", "values"} for _ in told["findings"]
    ]
    assert [one["key"] for one in told["findings"] if one["severity"] == BREAKS] == ["shared-memory"]


def test_quick_starts_no_worker(call: Callable[..., Answer]) -> None:
    told = json.loads(call(WELL, "--json", "--quick").said)
    severity = {one["key"]: one["severity"] for one in told["findings"]}
    assert severity["start-method"] == severity["worker-memory"] == UNKNOWN


def test_data_that_is_not_there_is_misuse(call: Callable[..., Answer], tmp_path: Path) -> None:
    answer = call(WELL, "--data", str(tmp_path / "nothing"))
    assert (answer.status, answer.said) == (2, "")
    assert f"there is nothing at {tmp_path / 'nothing'}: name the folder" in answer.complained


@pytest.mark.parametrize("address", ["s3://sprites/train", "https://example.org/sprites.zip", "gs://sprites"])
def test_data_at_an_address_are_not_looked_for_on_the_disk(call: Callable[..., Answer], address: str) -> None:
    answer = call(WELL, "--data", address)
    assert (answer.status, answer.said) == (2, "")
    said = f"what is at {address.partition('://')[0]}:// lies on no disk here: name a folder with a copy"
    assert said in answer.complained


def test_data_that_may_not_be_looked_at_are_misuse(
    call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise PermissionError(13, "Permission denied")  # by Path.exists of Python 3.11

    monkeypatch.setattr(Path, "exists", refuse)
    answer = call(WELL, "--data", "secret")
    assert (answer.status, answer.said) == (2, "")
    assert "secret cannot be looked at (Permission denied): name the folder" in answer.complained


def test_without_proc_nothing_can_be_said(
    call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "PROC", tmp_path / "proc")
    monkeypatch.setattr(sys, "platform", "linux")
    answer = call(WELL)
    assert (answer.status, answer.said) == (1, "")
    assert answer.complained.startswith("There is no /proc here")


def test_an_interruption_is_a_sentence(call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(facts: Facts, **_: object) -> Facts:
        raise Interrupted(2)

    monkeypatch.setattr("test_doctor.replace", interrupted)
    assert call(WELL) == (130, "", "Interrupted: nothing was changed.\n")


def test_this_machine_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts_module, "start_all", lambda: pytest.fail("nobody asked for a start"))
    here = doctor.look(start=False)
    assert here.starts == ()
    assert here.data is None
    assert here.memory_available > 0
    assert {finding.key for finding in doctor.examine(here)} >= {"cores", "open-files", "gpu"}
