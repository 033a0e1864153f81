"""The GPU: what it is, why torch may find none, what else is using it, and what its failures mean.

Whoever asks a sick driver hangs, and asking torch starts CUDA, which a process that forks workers must
not have done. So the questions are asked in other processes, and with a time limit.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["GpuLoad", "ask_apart", "describe_gpu", "gpu_absence", "gpu_busy", "gpu_failure", "gpu_load"]

PATIENCE_S = 30  # A sick GPU driver makes whoever asks it hang.
SETTLING_S = 1.0  # Utilisation looks back by up to a second: our own last run may still be in it.
BUSY_PCT = 10  # A desktop that shows itself takes a few per cent,
BUSY_GB = 1.0  # and some hundred MB, as does an idle driver.

# Not ``nvidia-smi``: it knows neither CUDA_VISIBLE_DEVICES nor slices.
GPU_QUESTION = """
import torch
gpu = torch.cuda.get_device_properties(0)
print("GPU", gpu.total_memory, gpu.name)
"""

ABSENCE_QUESTION = """
import torch
try:
    torch.cuda.init()
    print("FINE")
except Exception as error:
    print("WHY", *str(error).split())
"""

_FREE_IT = "free it, or choose another with CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class GpuLoad:
    """What a GPU was doing at one moment, whoever made it do so. GB are 10⁹ bytes.

    Examples:
        >>> print(GpuLoad(37, 12.3, 2))
        37% utilised, 12.3 GB taken, 2 other processes
    """

    utilisation_pct: int | None
    """The share of the last second or less in which a kernel ran; ``None`` where the driver does not say."""
    memory_used_gb: float | None
    """Memory in use; ``None`` where the driver does not say."""
    other_processes: int
    """How many processes compute on it. In a container none may be visible."""

    @property
    def is_busy(self) -> bool:
        """Whether this is more than a desktop or an idle driver takes.

        Processes alone are not: Windows lists a desktop's, and an idle MPS server is one.
        """
        memory, utilisation = self.memory_used_gb or 0, self.utilisation_pct or 0
        return utilisation >= BUSY_PCT or memory >= BUSY_GB

    def as_dict(self) -> dict[str, Any]:
        """As a recording's provenance keeps it, under ``gpu_busy``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: object) -> GpuLoad | None:
        """The load that ``as_dict`` gave, or ``None`` for anything else.

        Examples:
            >>> GpuLoad.from_dict({"utilisation_pct": 37, "memory_used_gb": None, "other_processes": 0})
            GpuLoad(utilisation_pct=37, memory_used_gb=None, other_processes=0)
            >>> GpuLoad.from_dict(None) is None
            True
        """
        if not isinstance(stored, Mapping):
            return None
        numbers = [stored.get(key) for key in ("utilisation_pct", "memory_used_gb", "other_processes")]
        if not all(n is None or (isinstance(n, int | float) and 0 <= n < 1e6) for n in numbers):
            return None
        return cls(numbers[0], numbers[1], numbers[2] or 0)

    def __str__(self) -> str:
        parts = [] if self.utilisation_pct is None else [f"{self.utilisation_pct}% utilised"]
        if self.memory_used_gb is not None:
            parts.append(f"{self.memory_used_gb:.1f} GB taken")
        if self.other_processes:
            parts.append(f"{self.other_processes} other process{'es' if self.other_processes > 1 else ''}")
        return ", ".join(parts)


def describe_gpu() -> dict[str, Any]:
    """The ``gpu`` fields of ``machine.Machine``: none for a GPU that this torch cannot use."""
    import torch

    with warnings.catch_warnings():
        # A driver that is too old warns, and then counts as none.
        warnings.simplefilter("ignore")
        count = torch.cuda.device_count()
    answer = ask_apart(sys.executable, "-P", "-c", GPU_QUESTION) if count else None
    gpu = re.search(r"^GPU (\d+) (.+)$", answer or "", re.MULTILINE)
    if not gpu:
        return {}
    driver = ask_apart("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return {
        "gpu": gpu[2],
        "gpu_count": count,
        "gpu_memory_gb": round(int(gpu[1]) / 1e9, 2),
        "gpu_driver": driver and driver.splitlines()[0].strip(),
    }


def gpu_absence() -> str:
    """Why this torch can use no GPU, and what would help: what "because" is to be put before.

    The reasons are those of torch's own initialisation: its build, ``CUDA_VISIBLE_DEVICES``, no driver,
    or one that is too old. Takes as long as importing torch in another process.
    """
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return _without_cuda()
    answer = ask_apart(sys.executable, "-P", "-c", ABSENCE_QUESTION)
    said = re.search(r"^(?:WHY (?P<why>.*)|FINE)$", answer or "", re.MULTILINE)
    if not said:
        return "the GPU's driver gives torch no answer: see what 'nvidia-smi' says"
    if (why := said["why"]) is None:
        return f"the GPU did not answer in {PATIENCE_S} s at first, though torch can use it: try again"
    return gpu_failure(why) or f"torch cannot use it ({why[:200]}): see what 'nvidia-smi' says"


def gpu_failure(message: str) -> str | None:
    """What a failure on the GPU means and what helps, after "because"; ``None`` for other failures.

    ``message`` is that of torch's exception, which may have travelled from a worker. Sources:
    ``torch/cuda/__init__.py``, and ``CUDAFunctions.cpp`` and ``CUDACachingAllocator.cpp`` of its C++ part.
    """
    for pattern, meaning in _MEANINGS.items():
        if match := re.search(pattern, message):
            return meaning(match)
    return None


def gpu_busy(gpu: str) -> GpuLoad | None:
    """What other programs do on ``gpu`` now, before a run; ``None`` if nothing much, or nobody says.

    ``gpu`` is the model of the first GPU that torch uses. Waits a second before it calls a GPU busy.
    """
    found = gpu_load(gpu)
    if found and found.is_busy:
        time.sleep(SETTLING_S)
        found = gpu_load(gpu)
    return found if found and found.is_busy else None


def gpu_load(gpu: str | None = None) -> GpuLoad | None:
    """What torch's first GPU does at this moment, by ``nvidia-smi``; ``None`` where that cannot be said.

    That is so without ``nvidia-smi``, for a slice (MIG), whose neighbours use other parts of the GPU,
    and where unlike GPUs leave open which of them is the first; ``gpu``, its model, may settle that.
    """
    rows = _table("--query-gpu=gpu_uuid,name,mig.mode.current,utilization.gpu,memory.used", 5)
    # Torch takes the fastest GPU for the first, nvidia-smi counts by sockets: alike ones agree.
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    for index, (uuid, name, slices, utilisation, memory) in enumerate(rows):
        if first == str(index) or (first.startswith("GPU-") and uuid.startswith(first)):
            if slices == "Enabled" or (len(rows) > 1 and gpu not in (None, name)):
                return None
            processes = _table("--query-compute-apps=gpu_uuid,pid", 2)
            return GpuLoad(
                utilisation_pct=int(utilisation) if utilisation.isdigit() else None,
                memory_used_gb=round(int(memory) * 2**20 / 1e9, 1) if memory.isdigit() else None,
                other_processes=sum(user == uuid and pid.isdigit() for user, pid in processes),
            )
    return None


def ask_apart(*command: str) -> str | None:
    """What a command prints, or ``None`` if it is absent, fails or takes too long."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def _table(query: str, columns: int) -> list[list[str]]:
    """The rows that nvidia-smi answers, those of another width left out."""
    answer = ask_apart("nvidia-smi", query, "--format=csv,noheader,nounits") or ""
    rows = ([cell.strip() for cell in line.split(",")] for line in answer.splitlines())
    return [row for row in rows if len(row) == columns]


def _without_cuda(match: re.Match[str] | None = None) -> str:
    import torch

    if sys.platform == "darwin":
        return "there is no CUDA for macOS, and no other accelerator is measured: use an NVIDIA GPU elsewhere"
    return f"torch {torch.__version__} is built without CUDA: install a build with it, by PyTorch's selector"


def _out_of_memory(match: re.Match[str]) -> str:
    """The run has ended: whatever is on the GPU now belongs to others."""
    others = gpu_load()
    if others is None:
        return f"the GPU ran out of memory: see who else uses it with 'nvidia-smi', {_FREE_IT}"
    if others.is_busy or others.other_processes:
        return f"the GPU ran out of memory, while something else is on it ({others}): {_FREE_IT}"
    return "the GPU ran out of memory, though nothing else is on it: use smaller batches, or a larger GPU"


def _too_old(match: re.Match[str]) -> str:
    import torch

    offered = f"{int(match[1]) // 1000}.{int(match[1]) % 1000 // 10}"
    return (
        f"the NVIDIA driver is too old, for CUDA {offered} where torch {torch.__version__} is built for "
        f"{torch.version.cuda}: update it, or install a torch for CUDA {offered}"
    )


def _none_visible(match: re.Match[str]) -> str:
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return f"CUDA_VISIBLE_DEVICES is {visible!r}, which leaves torch no GPU: unset it, or name one"
    return "the NVIDIA driver shows torch no GPU: see what 'nvidia-smi -L' lists"


_MEANINGS: dict[str, Callable[[re.Match[str]], str]] = {
    r"Cannot re-initialize CUDA in forked subprocess"
    r"|(?s:DataLoader worker.*CUDA error: initialization error)": (
        lambda match: (
            "a forked worker used CUDA, which the main process had started: keep CUDA out of the dataset "
            "and the collate function, or start workers with multiprocessing_context='spawn'"
        )
    ),
    r"(?:CUDA|HIP) (?:error: )?out of memory|CudaError: out of memory"
    r"|CU(?:BLAS|DNN)_STATUS_ALLOC_FAILED": _out_of_memory,
    r"CUDA-capable devices?(?:\(s\))? (?:is/are|are|is) busy or unavailable": (
        lambda match: f"another process has the GPU for itself: {_FREE_IT}"
    ),
    r"Found no NVIDIA driver": (
        lambda match: (
            "torch finds no NVIDIA driver: install one, or give the container its GPU, if there is one"
        )
    ),
    r"driver on your system is too old \(found version (\d+)\)": _too_old,
    r"No (?:CUDA|HIP) GPUs are available|no CUDA-capable device is detected": _none_visible,
    r"Torch not compiled with CUDA enabled": _without_cuda,
}
"""What torch's messages mean, by the part of them that has stayed the same from 2.6 on."""
