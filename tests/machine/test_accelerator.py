"""The GPU asked through false drivers: why there is none, what else uses it, what its failures mean."""

from __future__ import annotations

import inspect
import json
import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spritedocs.machine import GpuLoad, accelerator, gpu_absence, gpu_busy, gpu_failure
from spritedocs.machine.accelerator import gpu_load

H200 = "GPU-aaaa, NVIDIA H200, Disabled, {used}, {memory}\n"
A100 = "GPU-bbbb, NVIDIA A100-SXM4-80GB, [N/A], 3, 100\n"
Smi = Callable[..., Path]


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Smi:
    """A function that puts a false ``nvidia-smi`` on PATH, which answers the one thing, then the other.

    It counts how often it was asked about GPUs, in the file whose path comes back.
    """
    if os.name != "posix":
        pytest.skip("a script without an ending is no command on Windows")
    folder = tmp_path / "bin"
    folder.mkdir()
    asked = tmp_path / "asked"

    def put(*gpus: str, processes: str = "", status: int = 0) -> Path:
        program = folder / "nvidia-smi"
        program.write_text(
            f"#!{sys.executable}\n"
            "import pathlib, sys\n"
            f"asked, gpus = pathlib.Path({str(asked)!r}), {gpus!r}\n"
            "assert '--format=csv,noheader,nounits' in sys.argv\n"
            "if '--query-compute-apps=gpu_uuid,pid' in sys.argv:\n"
            f"    print({processes!r}, end='')\n"
            "elif sys.argv[1].startswith('--query-gpu=gpu_uuid,name,mig.mode.current,'):\n"
            "    before = len(asked.read_text()) if asked.exists() else 0\n"
            "    asked.write_text('x' * (before + 1))\n"
            "    print(gpus[min(before, len(gpus) - 1)], end='')\n"
            f"sys.exit({status})\n",
            encoding="utf-8",
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return asked

    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(accelerator, "SETTLING_S", 0)
    return put


def test_a_busy_gpu_is_told_with_what_uses_it(smi: Smi) -> None:
    smi(H200.format(used=37, memory=11730), processes="GPU-aaaa, 12\nGPU-bbbb, 13\nGPU-aaaa, 14\n")
    found = gpu_busy("NVIDIA H200")
    assert found == GpuLoad(utilisation_pct=37, memory_used_gb=12.3, other_processes=2)
    assert str(found) == "37% utilised, 12.3 GB taken, 2 other processes"
    assert GpuLoad.from_dict(json.loads(json.dumps(found.as_dict()))) == found


@pytest.mark.parametrize(
    ("used", "memory", "processes", "is_busy"),
    [
        ("0", "1", "", False),
        ("4", "600", "", False),  # a desktop
        ("[N/A]", "[N/A]", "", False),
        ("12", "1", "", True),
        ("0", "2000", "", True),  # as a container sees what runs outside it
        ("0", "1", "GPU-aaaa, 77\n", False),  # Windows lists a desktop's, and an idle MPS server is one
        ("[N/A]", "1", "GPU-aaaa, 77\n", False),
        ("12", "1", "GPU-aaaa, 77\n", True),
        ("0", "1", "GPU-bbbb, 77\n", False),
        ("0", "1", "GPU-aaaa, [Insufficient Permissions]\n", False),
    ],
)
def test_a_gpu_is_busy_by_its_use_or_its_memory(
    smi: Smi, used: str, memory: str, processes: str, is_busy: bool
) -> None:
    smi(H200.format(used=used, memory=memory), processes=processes)
    assert (gpu_busy("NVIDIA H200") is not None) == is_busy


def test_what_is_gone_a_moment_later_was_our_own_last_run(smi: Smi) -> None:
    asked = smi(H200.format(used=90, memory=9000), H200.format(used=0, memory=1))
    assert gpu_busy("NVIDIA H200") is None
    assert len(asked.read_text()) == 2
    assert gpu_busy("NVIDIA H200") is None
    assert len(asked.read_text()) == 3


@pytest.mark.parametrize(
    ("visible", "gpu", "memory_gb"),
    [
        (None, "NVIDIA H200", 2.1),
        ("0,1", "NVIDIA H200", 2.1),
        ("1", "NVIDIA A100-SXM4-80GB", 0.1),
        ("GPU-b", "NVIDIA A100-SXM4-80GB", 0.1),
        (None, "NVIDIA A100-SXM4-80GB", None),  # torch's first GPU is not the first by socket
        ("7", "NVIDIA H200", None),
        ("", "NVIDIA H200", None),
        ("MIG-aaaa", "NVIDIA H200 MIG 1g.18gb", None),
        (None, None, 2.1),
    ],
)
def test_it_is_asked_about_the_gpu_that_torch_uses(
    smi: Smi, monkeypatch: pytest.MonkeyPatch, visible: str | None, gpu: str | None, memory_gb: float | None
) -> None:
    smi(H200.format(used=5, memory=2000) + A100)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = gpu_load(gpu)
    assert (found and found.memory_used_gb) == memory_gb


def test_neighbours_on_other_slices_do_not_count(smi: Smi) -> None:
    smi("GPU-aaaa, NVIDIA H200, Enabled, [N/A], 90000\n")
    assert gpu_load("NVIDIA H200 MIG 1g.18gb") is None


def test_a_driver_that_does_not_say_makes_no_gpu_busy(smi: Smi, monkeypatch: pytest.MonkeyPatch) -> None:
    smi("rubbish\n")
    assert gpu_busy("NVIDIA H200") is None
    smi(H200.format(used=90, memory=9000), status=9)
    assert gpu_busy("NVIDIA H200") is None
    monkeypatch.setenv("PATH", "")
    assert gpu_busy("NVIDIA H200") is None


@given(
    st.none()
    | st.text()
    | st.lists(st.integers())
    | st.dictionaries(
        st.sampled_from(["utilisation_pct", "memory_used_gb", "other_processes", "x"]),
        st.none() | st.integers(min_value=-(10**400), max_value=10**400) | st.floats() | st.text(),
    )
)
def test_whatever_a_damaged_recording_holds_can_be_printed(stored: object) -> None:
    found = GpuLoad.from_dict(stored)
    assert found is None or isinstance(str(found), str)


def reason(
    monkeypatch: pytest.MonkeyPatch,
    message: str | None,
    cuda: str | None = "13.0",
    platform: str = "linux",
) -> str:
    """What is said where asking torch's initialisation prints ``message``."""
    import torch

    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(accelerator, "ask_apart", lambda *_: message and f"noise\n{message}")
    found = gpu_absence()
    assert not found.endswith(".")
    assert "\n" not in found
    return found


NO_DRIVER = "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed"
TOO_OLD = "The NVIDIA driver on your system is too old (found version 12080). Please update your GPU driver"
NONE_THERE = "No CUDA GPUs are available"


def test_each_way_of_having_no_gpu_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "built without CUDA" in reason(monkeypatch, None, cuda=None)
    assert reason(monkeypatch, f"WHY {NO_DRIVER}").startswith("torch finds no NVIDIA driver: install one")
    too_old = reason(monkeypatch, f"WHY {TOO_OLD}")
    assert re.search(r"too old, for CUDA 12\.8 where torch .* for 13\.0", too_old)
    assert "'nvidia-smi -L' lists" in reason(monkeypatch, f"WHY {NONE_THERE}")
    for visible in ("", "-1", "9"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert f"CUDA_VISIBLE_DEVICES is {visible!r}" in reason(monkeypatch, f"WHY {NONE_THERE}")
        assert "no NVIDIA driver" in reason(monkeypatch, f"WHY {NO_DRIVER}")
    assert "Error 802: system not yet initialized" in reason(
        monkeypatch, "WHY Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized"
    )
    assert "gives torch no answer" in reason(monkeypatch, None)
    assert "did not answer in 30 s at first, though torch can use it" in reason(monkeypatch, "FINE")
    assert "no CUDA for macOS" in reason(monkeypatch, None, cuda=None, platform="darwin")


def test_the_question_is_answered_by_this_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build without CUDA says so; one with CUDA and no GPU gives one of the reasons above."""
    import torch

    # Importing torch may take long on a busy machine.
    monkeypatch.setattr("spritedocs.machine.asking.PATIENCE_S", 300)
    answer = accelerator.ask_apart(sys.executable, "-P", "-c", accelerator.ABSENCE_QUESTION)
    if torch.cuda.is_available():
        assert answer == "FINE"
    else:
        assert re.match(r"WHY \S", answer)
        assert gpu_failure(answer)


def test_a_torch_that_can_use_the_gpu_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    working = SimpleNamespace(cuda=SimpleNamespace(init=lambda: None))
    monkeypatch.setitem(sys.modules, "torch", working)
    exec(accelerator.ABSENCE_QUESTION, {})
    assert capsys.readouterr().out == "FINE\n"


FORKED = (
    "RuntimeError: Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback (most recent call "
    "last):\n ...\nRuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with ..."
)
FORKED_LATE = re.sub(r"Cannot .*", "CUDA error: initialization error", FORKED)
FULL = (
    "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79 GiB"
)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (FORKED, "a forked worker used CUDA"),
        (FORKED_LATE, "a forked worker used CUDA"),
        (
            "AcceleratorError: CUDA error: out of memory\nCUDA kernel errors might",
            "the GPU ran out of memory",
        ),
        ("RuntimeError: CudaError: out of memory", "the GPU ran out of memory"),
        (
            "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "the GPU ran out of memory",
        ),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "the GPU ran out of memory"),
        (
            "RuntimeError: CUDA error: CUDA-capable device(s) is/are busy or unavailable",
            "another process has the GPU for itself",
        ),
        ("RuntimeError: all CUDA-capable devices are busy or unavailable", "another process has the GPU"),
        ("AssertionError: Torch not compiled with CUDA enabled", "built without CUDA"),
        (f"RuntimeError: {NO_DRIVER}", "torch finds no NVIDIA driver"),
    ],
)
def test_a_failure_on_the_gpu_is_explained(message: str, said: str) -> None:
    assert said in gpu_failure(message)


@pytest.mark.parametrize(
    "message",
    [
        "ValueError: no sprites",
        "MemoryError: Unable to allocate 8 GiB",
        "RuntimeError: CUDA error: initialization error",
        "RuntimeError: CUDA error: an illegal memory access was encountered",
    ],
)
def test_other_failures_are_not(message: str) -> None:
    assert gpu_failure(message) is None


def test_memory_that_ran_out_is_told_with_who_has_it(smi: Smi, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(H200.format(used=0, memory=70000), processes="GPU-aaaa, 12\n")
    assert "something else is on it (0% utilised, 73.4 GB taken, 1 other process)" in gpu_failure(FULL)
    assert "choose another with CUDA_VISIBLE_DEVICES" in gpu_failure(FULL)
    smi(H200.format(used="[N/A]", memory="[N/A]"), processes="GPU-aaaa, 12\n")
    assert "something else is on it (1 other process)" in gpu_failure(FULL)
    smi(H200.format(used=0, memory=1))
    assert "nothing else is on it: use smaller batches" in gpu_failure(FULL)
    monkeypatch.setenv("PATH", "")
    assert "see who else uses it with 'nvidia-smi'" in gpu_failure(FULL)


def test_this_torch_still_says_what_is_looked_for() -> None:
    import torch

    source = inspect.getsource(torch.cuda)
    for stable in ("Cannot re-initialize CUDA in forked subprocess", "Torch not compiled with CUDA enabled"):
        assert stable in source
        assert gpu_failure(stable)
