"""What this computer is: the part of a measurement that a reader has to know to believe it.

Nothing here tells who the user is or what the host is called.
"""

from __future__ import annotations

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
from spritedocs.machine.parallelism import affinity_cores, start_method, usable_cores

__all__ = ["Machine", "describe", "slug"]


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
        affinity_cores=affinity_cores(),
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


def _cpu_model(root: Path) -> str:
    model = re.search(r"^model name\s*:\s*(.+)$", text_of(root / "proc/cpuinfo"), re.MULTILINE)
    asked = model[1].strip() if model else ask_apart("sysctl", "-n", "machdep.cpu.brand_string")
    return asked or platform.processor() or platform.machine() or "unknown CPU"


def _gigabytes(count: int) -> float:
    return round(count / 1e9, 2)


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"
