"""What this computer is: the part of a measurement that a reader has to know to believe it.

A container often sees more cores than it may use: ``usable_cores`` asks the scheduler's
affinity mask *and* the cgroup's quota. Nothing here tells who the user is or what the host is called.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import psutil

from spritedocs.machine.accelerator import describe_gpu
from spritedocs.machine.asking import ask_apart
from spritedocs.machine.cgroups import ROOT, memory_limit, quota_cores, text_of

__all__ = ["Machine", "describe", "slug", "start_method", "usable_cores"]


@dataclass(frozen=True)
class Machine:
    """A computer, as far as it matters to how fast data is loaded. GB are 10⁹ bytes.

    Examples:
        >>> Machine(cpu="AMD EPYC", usable_cores=2, memory_gb=25.3).summary()
        '2 usable cores of AMD EPYC, 25 GB memory, no GPU'
    """

    cpu: str = "unknown CPU"
    """The processor's model."""
    logical_cores: int = 1
    """Cores that the operating system has, hyper-threads counted."""
    affinity_cores: int | None = None
    """Cores that this process may be scheduled on; ``None`` where the system does not say."""
    quota_cores: float | None = None
    """Cores' worth of time that the cgroup allows; ``None`` for no limit."""
    usable_cores: int = 1
    """What ``usable_cores`` says: the smallest of these."""
    memory_gb: float | None = None
    """Physical memory in GB, or the cgroup's limit where that is smaller."""
    shm_gb: float | None = None
    """Size of /dev/shm in GB, through which Linux workers hand over batches."""
    gpu: str | None = None
    """Model of the first GPU that torch can use; ``None`` if there is none."""
    gpu_count: int = 0
    """GPUs that torch can use."""
    gpu_memory_gb: float | None = None
    """Memory of the first GPU in GB."""
    gpu_driver: str | None = None
    """Version of the NVIDIA driver."""
    os: str = "unknown system"
    """Name and release of the operating system's kernel."""
    python: str = "unknown"
    """Version of Python."""
    torch: str = "unknown"
    """Version of torch, its build included, such as ``2.13.0+cpu``."""
    cuda: str | None = None
    """CUDA version torch was built for; ``None`` for other builds."""
    start_method: str = "unknown"
    """How workers start unless a loader says otherwise: fork, forkserver or spawn."""

    def as_dict(self) -> dict[str, Any]:
        """Every field, in values that JSON knows."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Machine:
        """The machine that ``as_dict`` gave, perhaps in another version of this package.

        Unknown keys are passed over; missing ones, and ``None``, get the field's default.

        Examples:
            >>> Machine.from_dict({"cpu": "M4", "colour": "grey"}).cpu
            'M4'
        """
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in stored.items() if key in known and value is not None})

    def summary(self) -> str:
        """One line for the caption of a table."""
        cores = f"{_counted(self.usable_cores, 'usable core')} of {self.cpu}"
        memory = "" if self.memory_gb is None else f", {self.memory_gb:.0f} GB memory"
        gpus = f"{self.gpu_count} × {self.gpu}" if self.gpu_count > 1 else self.gpu or "no GPU"
        return f"{cores}{memory}, {gpus}"


def describe(root: Path = ROOT) -> Machine:
    """This computer. Takes a second where a GPU's driver has to be asked; never raises for one."""
    import torch

    memory = min(psutil.virtual_memory().total, memory_limit(root) or sys.maxsize)
    shm = root / "dev/shm"
    return Machine(
        cpu=_cpu_model(root),
        logical_cores=os.cpu_count() or 1,
        affinity_cores=_affinity_cores(),
        quota_cores=quota_cores(root),
        usable_cores=usable_cores(root),
        memory_gb=_gigabytes(memory),
        shm_gb=_gigabytes(shutil.disk_usage(shm).total) if shm.is_dir() else None,
        os=f"{platform.system()} {platform.release()}".strip(),
        python=platform.python_version(),
        torch=str(torch.__version__),
        cuda=torch.version.cuda,
        start_method=start_method(),
        **describe_gpu(),
    )


def slug(machine: Machine | None = None) -> str:
    """The machine's name in folders and on the command line; of this one if none is given.

    Examples:
        >>> slug(Machine(gpu="NVIDIA H200")), slug(Machine(usable_cores=2)), slug(Machine())
        ('nvidia-h200', 'cpu-2-cores', 'cpu-1-core')
    """
    machine = machine or describe()
    name = machine.gpu or f"cpu {_counted(machine.usable_cores, 'core')}"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "gpu"


def usable_cores(root: Path = ROOT) -> int:
    """How many processes can compute at the same time here: at least 1. Does not import torch.

    The smallest of the affinity mask, ``os.process_cpu_count()`` (Python 3.13 on) and the cgroup's
    quota, rounded down: a worker that gets half a core is late half of the time.
    """
    process_cpu_count = getattr(os, "process_cpu_count", os.cpu_count)
    limits = [_affinity_cores(), process_cpu_count(), quota_cores(root)]
    return max(1, int(min((limit for limit in limits if limit is not None), default=1)))


def start_method() -> str:
    """How Python starts workers in this process: fork, forkserver or spawn."""
    # Without allow_none the answer would settle the matter: set_start_method() raises from then on.
    return multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]


"""By need: a function that gives a sentence where this machine does not have it, else ``""``."""


def _affinity_cores() -> int | None:
    # macOS has no affinity, and psutil no such method there.
    cpu_affinity = getattr(psutil.Process(), "cpu_affinity", None)
    return len(cpu_affinity()) if cpu_affinity else None


def _cpu_model(root: Path) -> str:
    model = re.search(r"^model name\s*:\s*(.+)$", text_of(root / "proc/cpuinfo"), re.MULTILINE)
    asked = model[1].strip() if model else ask_apart("sysctl", "-n", "machdep.cpu.brand_string")
    return asked or platform.processor() or platform.machine() or "unknown CPU"


def _gigabytes(count: int) -> float:
    return round(count / 1e9, 2)


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"
