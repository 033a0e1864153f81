"""What the doctor looks at: limits, room and times of this machine. Nothing here judges.

Whatever a system does not tell is ``None``: macOS and Windows have no /dev/shm and no cgroups, Windows
no limits on open files and processes.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Listener
from pathlib import Path

import psutil

from spritedocs import machine
from spritedocs.doctor.data import Data, measure_data
from spritedocs.doctor.starts import Start, start_all
from spritedocs.machine import ROOT, GpuLoad, Machine

__all__ = ["PIN_BYTES", "UNLIMITED", "Facts", "Room", "look"]

UNLIMITED = sys.maxsize
"""Stands for a limit that is none."""

PIN_BYTES = 64_000_000
"""What is pinned for a trial: some three batches of 32 pictures of 3 × 224 × 224 floats."""

_PIN_QUESTION = f"""
import torch
try:
    torch.empty({PIN_BYTES}, dtype=torch.uint8).pin_memory()
    print("PINNED")
except Exception as error:
    print("WHY", *str(error).split())
"""

# Threads of the process before and after: Windows and macOS start some of their own.
_NUMPY_QUESTION = """
import psutil
before = psutil.Process().num_threads()
import numpy
square = numpy.ones((512, 512))
square @ square
print(psutil.Process().num_threads() - before + 1)
"""

_OPENCV_QUESTION = "import cv2; print(cv2.getNumThreads())"


@dataclass(frozen=True)
class Room:
    """A folder's disk, in bytes."""

    total: int
    free: int
    writable: bool = True


@dataclass(frozen=True)
class Facts:
    """One machine, as the doctor sees it. Sizes are in bytes."""

    machine: Machine
    system: str = "linux"
    """What ``sys.platform`` says."""
    in_container: bool = False
    suggested_workers: int = 1
    """From how many workers on torch warns: what its own count of cores says."""
    shm: Room | None = None
    """/dev/shm; ``None`` where there is none."""
    sharing: str = "file_descriptor"
    """How tensors change hands: ``file_descriptor`` or ``file_system``."""
    socket_problem: str | None = None
    """Why no socket can be made in the temporary folder; empty if one can, ``None`` if none is needed."""
    files_limit: int | None = None
    """Files that a process may have open (the soft limit of ``ulimit -n``)."""
    files_hard_limit: int | None = None
    """How far it may raise that itself."""
    files_open: int = 0
    """Files that a process with torch has open to begin with."""
    tasks_limit: int | None = None
    """Processes and threads that this user may have (``ulimit -u``)."""
    tasks: int = 0
    """Those that there are."""
    group_tasks_limit: int | None = None
    """Processes and threads that the cgroup allows (``pids.max``), root's too; ``None`` for no limit."""
    group_tasks: int = 0
    """Those that are in it."""
    torch_threads: int = 1
    """Threads that torch computes with in the main process."""
    numpy_threads: int | None = None
    """Threads that a new process has after NumPy has multiplied matrices."""
    thread_setting: str | None = None
    """What the variable OMP_NUM_THREADS says."""
    opencv_threads: int | None = None
    """Threads that OpenCV computes with; ``None`` where it is not installed."""
    memory_available: int | None = None
    """Free memory and what the page cache would give up, within the cgroup's limit."""
    starts: tuple[Start, ...] = ()
    """Empty where nobody asked for them."""
    made_for_gpu: bool = False
    """Whether this build of torch knows GPUs."""
    gpu_absence: str = ""
    """Why torch uses no GPU, as ``machine.gpu_absence`` says it."""
    gpu_load: GpuLoad | None = None
    """What others do on the GPU, where it is busy."""
    pin_problem: str | None = None
    """Why memory cannot be pinned; empty if it can, ``None`` where there is no GPU to pin it for."""
    data: Data | None = None


def look(data: Path | None = None, *, start: bool = True, root: Path = ROOT) -> Facts:
    """Everything that the doctor judges; some seconds, most of them for the workers.

    ``data`` is the folder or file to be measured, ``start`` whether a worker is started under each
    method. Raises ``FileNotFoundError`` where there is nothing at ``data``.
    """
    import torch
    import torch.multiprocessing

    measured = measure_data(data) if data else None
    here = machine.describe(root)
    files, files_hard = _limits("RLIMIT_NOFILE")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    group_tasks_limit, group_tasks = machine.tasks_limit(root) or (None, 0)
    count_cores: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return Facts(
        machine=here,
        system=sys.platform,
        in_container=_in_container(root),
        # As torch.utils.data.DataLoader.check_worker_number_rationality counts, in 2.6 to 2.15.
        suggested_workers=len(count_cores(0)) if count_cores else os.cpu_count() or 1,
        shm=_room(root / "dev/shm"),
        sharing=torch.multiprocessing.get_sharing_strategy(),  # type: ignore[no-untyped-call]
        socket_problem=None if sys.platform == "win32" else _socket_problem(),
        files_limit=files,
        files_hard_limit=files_hard,
        files_open=0 if sys.platform == "win32" else psutil.Process().num_fds(),
        # The kernel asks neither root nor whoever may raise the limit.
        tasks_limit=UNLIMITED if is_root else _limits("RLIMIT_NPROC")[0],
        tasks=_tasks(),
        group_tasks_limit=group_tasks_limit,
        group_tasks=group_tasks,
        torch_threads=torch.get_num_threads(),
        numpy_threads=_number(_NUMPY_QUESTION),
        thread_setting=os.environ.get("OMP_NUM_THREADS"),
        opencv_threads=_number(_OPENCV_QUESTION) if find_spec("cv2") else None,
        memory_available=machine.memory_left(root),
        starts=start_all() if start else (),
        made_for_gpu=torch.version.cuda is not None or torch.version.hip is not None,
        gpu_absence="" if here.gpu else machine.gpu_absence(),
        gpu_load=machine.gpu_busy(here.gpu) if here.gpu else None,
        pin_problem=_pin_problem() if here.gpu else None,
        data=measured,
    )


def _in_container(root: Path) -> bool:
    marked = any((root / name).exists() for name in (".dockerenv", "run/.containerenv"))
    return marked or "KUBERNETES_SERVICE_HOST" in os.environ  # its pods have neither of these files


def _room(folder: Path) -> Room | None:
    try:
        disk = shutil.disk_usage(folder)
    except OSError:
        return None
    return Room(disk.total, disk.free, os.access(folder, os.W_OK))


def _limits(name: str) -> tuple[int | None, int | None]:
    """The soft and the hard limit of this process."""
    try:
        import resource
    except ImportError:  # Windows
        return None, None
    soft, hard = resource.getrlimit(getattr(resource, name))
    unlimited = resource.RLIM_INFINITY
    return UNLIMITED if soft == unlimited else soft, UNLIMITED if hard == unlimited else hard


def _tasks() -> int:
    """Processes of this user, with their threads on Linux, which counts those as well."""
    if not hasattr(os, "getuid"):
        return 0
    found = psutil.process_iter(["uids", "num_threads"])
    own = [process.info for process in found if getattr(process.info["uids"], "real", None) == os.getuid()]
    return sum(info["num_threads"] or 1 for info in own) if sys.platform == "linux" else len(own)


def _socket_problem() -> str:
    """What a worker would meet when it makes the socket through which it hands tensors over."""
    try:
        Listener().close()
    except OSError as error:
        # One of tempfile's lists the folders that it has tried.
        return (error.strerror or str(error)).partition(" found in ")[0]
    return ""


def _number(question: str) -> int | None:
    """The number that a Python program prints, in a process of its own."""
    answer = machine.ask_apart(sys.executable, "-P", "-c", question) or ""
    return int(answer) if answer.isdigit() else None


def _pin_problem() -> str:
    answer = machine.ask_apart(sys.executable, "-P", "-c", _PIN_QUESTION) or ""
    if "PINNED" in answer.splitlines():
        return ""
    return answer.partition("WHY ")[2][:200] or "the GPU did not answer"
