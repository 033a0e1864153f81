"""What a machine is found to be: on false cgroup trees, with false drivers, and on this one."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spritedocs.machine import (
    Machine,
    NotHere,
    by_start_method,
    describe,
    memory_left,
    memory_limit,
    needs,
    parallelism,
    quota_cores,
    requirements,
    slug,
    start_method,
    tasks_limit,
    usable_cores,
)


@pytest.fixture
def tree(tmp_path):
    """A function that writes files below a false root, which it returns."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / PLACES[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


PLACES = {
    "own": "proc/self/cgroup",
    "cpuinfo": "proc/cpuinfo",
    "top": "sys/fs/cgroup/cpu.max",
    "outer": "sys/fs/cgroup/outer/cpu.max",
    "inner": "sys/fs/cgroup/outer/inner/cpu.max",
    "hybrid": "sys/fs/cgroup/unified/outer/cpu.max",
    "outer_memory": "sys/fs/cgroup/outer/memory.max",
    "inner_memory": "sys/fs/cgroup/outer/inner/memory.max",
    "inner_used": "sys/fs/cgroup/outer/inner/memory.current",
    "inner_stat": "sys/fs/cgroup/outer/inner/memory.stat",
    "top_used": "sys/fs/cgroup/memory/memory.usage_in_bytes",
    "top_stat": "sys/fs/cgroup/memory/memory.stat",
    "quota": "sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us",
    "period": "sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us",
    "top_quota": "sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    "top_period": "sys/fs/cgroup/cpu/cpu.cfs_period_us",
    "top_memory": "sys/fs/cgroup/memory/memory.limit_in_bytes",
    "outer_tasks": "sys/fs/cgroup/outer/pids.max",
    "outer_tasks_now": "sys/fs/cgroup/outer/pids.current",
    "inner_tasks": "sys/fs/cgroup/outer/inner/pids.max",
    "inner_tasks_now": "sys/fs/cgroup/outer/inner/pids.current",
    "top_tasks": "sys/fs/cgroup/pids/pids.max",
    "top_tasks_now": "sys/fs/cgroup/pids/pids.current",
}


def test_quota_is_the_smallest_along_the_path(tree):
    unlimited = "max 100000\n"
    assert quota_cores(tree(own="0::/outer/inner\n", inner=unlimited)) is None
    assert quota_cores(tree(outer="250000 100000\n")) == 2.5
    assert quota_cores(tree(inner="400000 100000\n")) == 2.5
    assert quota_cores(tree(inner="50000 100000\n")) == 0.5


def test_quota_of_a_container_that_sees_its_own_group_as_the_top(tree):
    assert quota_cores(tree(own="0::/\n", top="150000 100000\n")) == 1.5
    assert quota_cores(tree(own="0::/system.slice/docker-0123.scope\n")) == 1.5
    assert quota_cores(tree(own="0::/../../elsewhere\n")) == 1.5


def test_quota_in_the_hybrid_hierarchy(tree):
    assert quota_cores(tree(own="4:memory:/\n0::/outer\n", hybrid="300000 100000\n")) == 3


def test_quota_of_version_1(tree):
    own = "9:name=systemd:/\n2:cpu,cpuacct:/docker\n0::/\n"
    assert quota_cores(tree(own=own, quota="-1\n", period="100000\n")) is None
    assert quota_cores(tree(quota="75000\n", period="50000\n")) == 1.5


def test_quota_of_version_1_mounted_as_the_top(tree):
    root = tree(own="3:cpu,cpuacct:/docker/0123\n", top_quota="200000\n", top_period="100000\n")
    assert quota_cores(root) == 2


@pytest.mark.parametrize("damage", ["", "max", "100000", "0 0", "a b", "100000 0"])
def test_an_unreadable_quota_is_none(tree, damage):
    assert quota_cores(tree(own="0::/\nrubbish\n\n", top=damage)) is None


def test_no_cgroups_no_limits(tmp_path):
    assert quota_cores(tmp_path) is None
    assert memory_limit(tmp_path) is None
    assert tasks_limit(tmp_path) is None


def test_memory_limit_is_the_smallest_along_the_path(tree):
    root = tree(own="0::/outer/inner\n", outer_memory="1000\n", inner_memory="max\n")
    assert memory_limit(root) == 1000
    assert memory_limit(tree(inner_memory="700\n")) == 700


def test_memory_that_is_left_is_what_the_limit_leaves_or_the_system_has(tree, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5000))
    root = tree(own="0::/outer/inner\n", outer_memory="max\n", inner_memory="1000\n", inner_used="700\n")
    assert memory_left(root) == 300
    # What the page cache holds and nobody reads is given up first.
    assert memory_left(tree(inner_stat="anon 500\ninactive_file 150\nactive_file 50\n")) == 450
    assert memory_left(tree(inner_used="2000\n", inner_stat="")) == 0
    assert memory_left(tree(inner_memory="max\n")) == 5000


def test_memory_that_is_left_by_version_1(tree, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**10))
    root = tree(own="4:memory:/docker/0123\n", top_memory="5000\n", top_used="4000\n")
    assert memory_left(root) == 1000
    assert memory_left(tree(top_stat="inactive_file 1\ntotal_inactive_file 500\n")) == 1001


def test_memory_limit_of_version_1(tree):
    assert memory_limit(tree(own="4:memory:/docker/0123\n", top_memory="5000000000\n")) == 5_000_000_000


def test_tasks_are_limited_by_the_group_with_the_least_room(tree):
    own = "0::/outer/inner\n"
    root = tree(own=own, outer_tasks="100\n", outer_tasks_now="90\n", inner_tasks="max\n")
    assert tasks_limit(root) == (100, 90)
    assert tasks_limit(tree(inner_tasks="50\n", inner_tasks_now="20\n")) == (100, 90)
    assert tasks_limit(tree(outer_tasks="max\n")) == (50, 20)


def test_tasks_limit_of_version_1(tree):
    root = tree(own="7:pids:/docker/0123\n0::/\n", top_tasks="64\n", top_tasks_now="9\n")
    assert tasks_limit(root) == (64, 9)


@given(
    affinity=st.none() | st.integers(1, 256),
    counted=st.none() | st.integers(1, 256),
    quota=st.none() | st.floats(0.01, 300),
)
def test_usable_cores_is_at_least_one_and_within_every_limit(affinity, counted, quota):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallelism, "affinity_cores", lambda: affinity)
        patch.setattr(os, "process_cpu_count", lambda: counted, raising=False)
        patch.setattr(parallelism, "quota_cores", lambda root: quota)
        cores = usable_cores()
    limits = [int(limit) for limit in (affinity, counted, quota) if limit is not None]
    assert cores == max(1, min(limits, default=1))


def test_usable_cores_follows_the_affinity_mask():
    process = psutil.Process()
    if not hasattr(process, "cpu_affinity"):
        pytest.skip("this system has no affinity masks")
    before = process.cpu_affinity()
    try:
        process.cpu_affinity(before[:1])
        assert usable_cores() == 1
        assert slug(Machine(usable_cores=usable_cores())) == "cpu-1-core"
    finally:
        process.cpu_affinity(before)


def in_a_new_python(code: str) -> str:
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return answer.stdout.strip()


def test_start_method_is_the_default_and_stays_free():
    code = (
        "import multiprocessing as m, spritedocs.machine as s\n"
        "before = s.start_method(); m.set_start_method('spawn'); print(before, s.start_method())"
    )
    default = in_a_new_python("import multiprocessing as m; print(m.get_start_method())")
    assert in_a_new_python(code) == f"{default} spawn"
    assert start_method() in multiprocessing.get_all_start_methods()


def test_describe_this_machine_survives_json():
    here = describe()
    assert Machine.from_dict(json.loads(json.dumps(here.as_dict(), allow_nan=False))) == here
    assert here.usable_cores == usable_cores() <= here.logical_cores
    assert here.memory_gb > 0
    assert here.python == platform.python_version()
    assert "unknown" not in (here.os, here.torch, here.start_method)


def test_describe_reads_the_tree(tree, monkeypatch):
    monkeypatch.setattr(parallelism, "affinity_cores", lambda: 64)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 64, raising=False)
    root = tree(
        own="0::/outer\n",
        outer="350000 100000\n",
        outer_memory="2000000000\n",
        cpuinfo="processor : 0\nmodel name\t: Pixel 9000 \nmodel name\t: other\n",
    )
    there = describe(root)
    assert (there.cpu, there.quota_cores, there.usable_cores) == ("Pixel 9000", 3.5, 3)
    assert there.memory_gb == 2
    assert there.shm_gb is None
    (root / "dev/shm").mkdir(parents=True)
    assert describe(root).shm_gb > 0


def test_describe_tells_no_name(monkeypatch):
    secret = "zoltan"
    here = platform.uname()
    for variable in ("USER", "LOGNAME", "USERNAME", "HOSTNAME", "HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, f"/{secret}")
    monkeypatch.setattr(socket, "gethostname", lambda: secret)
    monkeypatch.setattr(platform, "node", lambda: secret)
    monkeypatch.setattr(platform, "uname", lambda: here._replace(node=secret))
    told = describe()
    assert secret not in json.dumps(told.as_dict()) + told.summary() + slug(told)


def with_gpu(monkeypatch, answers, count=1):
    """A torch that counts ``count`` GPUs, and commands that answer by the name of their last word."""
    import torch

    def run(command, **options):
        assert options["timeout"] > 0
        answer = answers["nvidia-smi" if command[0] == "nvidia-smi" else "python"]
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(stdout=answer)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(subprocess, "run", run)


def test_a_gpu_is_described(monkeypatch, tree):
    answers = {"python": "noise\nGPU 150754820096 NVIDIA H200\n", "nvidia-smi": "570.86.15\n570.86.15\n"}
    with_gpu(monkeypatch, answers, count=2)
    there = describe(tree(cpuinfo="model name : X\n"))
    assert (there.gpu, there.gpu_count, there.gpu_driver) == ("NVIDIA H200", 2, "570.86.15")
    assert there.gpu_memory_gb == 150.75
    assert slug(there) == "nvidia-h200"
    assert there.summary().endswith(", 2 × NVIDIA H200")


@pytest.mark.parametrize(
    "failure",
    [
        FileNotFoundError("nvidia-smi"),
        subprocess.TimeoutExpired("nvidia-smi", 30),
        subprocess.CalledProcessError(9, "nvidia-smi"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "what is this"),
        "",
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_broken_driver_is_none(monkeypatch, tree, failure):
    root = tree(cpuinfo="model name : X\n")
    with_gpu(monkeypatch, {"python": "GPU 1000000000 Tesla T4", "nvidia-smi": failure})
    assert (describe(root).gpu, describe(root).gpu_driver) == ("Tesla T4", None)
    with_gpu(monkeypatch, {"python": failure, "nvidia-smi": failure})
    assert (describe(root).gpu, describe(root).gpu_count) == (None, 0)


@pytest.mark.parametrize(
    ("gpu", "name"),
    [
        ("NVIDIA H200", "nvidia-h200"),
        ("NVIDIA A100-SXM4-80GB", "nvidia-a100-sxm4-80gb"),
        ("NVIDIA H200 MIG 1g.18gb", "nvidia-h200-mig-1g-18gb"),
        ("AMD Radeon (TM) Pro", "amd-radeon-tm-pro"),
    ],
)
def test_slug_of_a_gpu(gpu, name):
    assert slug(Machine(gpu=gpu, usable_cores=16)) == name


@given(st.text(), st.integers(1, 512))
def test_slug_is_a_folder_name_everywhere(gpu, cores):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug(Machine(gpu=gpu, usable_cores=cores)))


def test_from_dict_is_tolerant():
    assert Machine.from_dict({}) == Machine()
    assert Machine.from_dict({"cpu": None, "colour": "grey", "usable_cores": 4}) == Machine(usable_cores=4)


def test_summary_leaves_out_what_it_does_not_know():
    assert Machine().summary() == "1 usable core of unknown CPU, no GPU"
    assert (
        Machine(cpu="X", memory_gb=8.4, gpu="G", gpu_count=1).summary()
        == "1 usable core of X, 8 GB memory, G"
    )


def test_a_machine_that_has_what_is_needed():
    needs()
    needs("workers", cores=1)
    assert by_start_method(7, 2) == (7 if start_method() == "fork" else 2)
    assert by_start_method("many", other="few") == ("many" if start_method() == "fork" else "few")
    with pytest.raises(
        ValueError, match="'gpu' is no need that is known: choose from cuda, linux, fork, wor"
    ):
        needs("gpu")


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("cuda", "This needs CUDA, but "),
        ("linux", "This is not Linux: run it there, or in a Linux container."),
        ("fork", "This system cannot fork a process: run it on Linux or macOS."),
        ("workers", "Workers have no place to hand anything over. No temporary folder"),
        ("cores", "This takes 3 usable cores, and this machine has 2: run it on one with more."),
    ],
)
def test_a_script_leaves_with_a_sentence_about_what_its_machine_lacks(what, sentence, monkeypatch):
    def refuse(**options):
        raise OSError(errno.EROFS, "full", "/secret/place")

    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "platform", "plan9")
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    monkeypatch.setattr(requirements, "usable_cores", lambda: 2)
    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(SystemExit) as caught:
        needs(cores=3) if what == "cores" else needs(what)
    assert isinstance(caught.value, NotHere)
    assert str(caught.value).startswith(sentence)
