"""What the doctor says of limits that make workers fail: shared memory, open files, processes, sockets.

Each check is a function of ``Facts`` alone. Its thresholds are the constants below, with their reasons.
"""

from __future__ import annotations

from spritedocs.doctor.facts import UNLIMITED, Facts
from spritedocs.doctor.findings import BITES, BREAKS, FINE, UNKNOWN, Finding, amount, counted

__all__ = ["check_open_files", "check_processes", "check_shared_memory", "check_temporary_folder"]

PREFETCH = 2
"""torch's default ``prefetch_factor``."""

PICTURES = 32 * 3 * 224 * 224 * 4
"""Bytes of a batch of 32 RGB pictures of 224 × 224 floats: what image models are usually trained on."""

TENSORS = 2
"""Tensors of an ordinary batch: pictures and labels."""

FEW_WORKERS = 2
"""A loader with no more than these must work. One with a worker for each core should."""

KEPT_TENSORS = 5_005
"""One of each batch of 256 in an epoch of ImageNet's 1,281,167 pictures: what a loop keeps that collects
targets or file numbers in a list."""

RAISED_FILES = 65_536
"""What to raise a low limit to: a thousand tensors a batch, for 32 batches on their way."""

WORKER_THREADS = 3
"""Threads of a worker: its own, one that feeds its queue, one that hands over files."""


def check_shared_memory(facts: Facts) -> Finding:
    """Whether /dev/shm is there, and waiting batches fit into it.

    Docker makes it 64 MB large unless told otherwise (``docker run --shm-size``; moby/moby#29492).
    Where it is full, torch says "unable to allocate shared memory", or a worker dies of a bus error
    (pytorch/pytorch#5040). Python's semaphores, which every worker's queue needs, lie there too.
    """
    key, page = "shared-memory", "in-depth/memory/#shm"
    if not facts.system.startswith("linux"):
        return Finding(key, UNKNOWN, "Only Linux tells how much room batches have on their way.", "", page)
    cores = max(FEW_WORKERS, facts.machine.usable_cores)
    wanted = _batches_alive(cores) * PICTURES
    gigabytes = -(-wanted // 10**9)
    if facts.shm is None or not facts.shm.writable:
        state = "cannot be written to" if facts.shm else "is missing"
        says = f"/dev/shm {state}: no worker can be started without it."
        remedy = f"Mount it, as by 'mount -t tmpfs -o size={gigabytes}G tmpfs /dev/shm'."
        return Finding(key, BREAKS, says, remedy, page, {"free_bytes": None, "total_bytes": None})
    free, total = facts.shm.free, facts.shm.total
    values = {"free_bytes": free, "total_bytes": total}
    if free >= wanted:
        says = f"/dev/shm has {amount(free)} free for batches on their way."
        return Finding(key, FINE, says, "", page, values)
    remedy = (
        f"Start the container with --shm-size={gigabytes}g or --ipc=host; in Kubernetes, mount an emptyDir "
        "with 'medium: Memory' at /dev/shm."
        if facts.in_container
        else f"Enlarge it, as by 'mount -o remount,size={gigabytes}G /dev/shm', or make batches smaller."
    )
    breaks = free < _batches_alive(FEW_WORKERS) * PICTURES
    workers = FEW_WORKERS if breaks else cores
    says = (
        f"/dev/shm has {amount(free)} of {amount(total)} free; a batch of 32 pictures (3 × 224 × 224 "
        f"floats) takes {amount(PICTURES)}, and {workers} workers have up to {_batches_alive(workers)} on "
        "their way."
    )
    return Finding(key, BREAKS if breaks else BITES, says, remedy, page, values)


def check_open_files(facts: Facts) -> Finding:
    """Whether enough files may be open for the tensors of batches that are alive.

    By ``file_descriptor``, the default on Linux, each tensor of a batch is an open file of the main
    process for as long as it is kept (*Sharing strategies*, in torch's documentation of
    ``torch.multiprocessing``; pytorch/pytorch#973, #11201).
    """
    key, page = "open-files", "experiments/21_how_a_batch_changes_hands/#two-ways-to-send-it"
    limit, hard = facts.files_limit, facts.files_hard_limit
    if limit is None:
        return Finding(key, UNKNOWN, "This system does not say how many files may be open.", "", page)
    values = {
        "limit": None if limit == UNLIMITED else limit,
        "hard_limit": None if hard == UNLIMITED else hard,
        "sharing_strategy": facts.sharing,
    }
    if facts.sharing != "file_descriptor":
        says = "Tensors from workers are no open files on this system."
        return Finding(key, FINE, says, "", page, values)
    if limit == UNLIMITED:
        return Finding(key, FINE, "Any number of files may be open.", "", page, values)
    fit = max(0, limit - facts.files_open)
    if fit >= KEPT_TENSORS:
        says = f"{counted(limit, 'file')} may be open (ulimit -n): room for {fit:,} tensors from workers."
        return Finding(key, FINE, says, "", page, values)
    says = (
        f"{counted(limit, 'file')} may be open (ulimit -n), and each tensor that you keep of a worker's "
        f"batch is one: at most {fit:,}, then loading ends with 'Too many open files'."
    )
    raised = RAISED_FILES if hard is None else min(RAISED_FILES, hard)
    remedy = (
        f"Say 'ulimit -n {raised}' before Python starts, and .clone() the tensors that you keep."
        if raised > limit
        else "Let an administrator raise the limit; until then .clone() the tensors that you keep."
    )
    alive = _batches_alive(max(FEW_WORKERS, facts.machine.usable_cores)) * TENSORS
    return Finding(key, BREAKS if fit < alive else BITES, says, remedy, page, values)


def check_processes(facts: Facts) -> Finding:
    """Whether as many processes and threads may be started as workers have.

    Linux counts threads, of all the user's programs together (``RLIMIT_NPROC`` in getrlimit(2)), and of
    all programs in a cgroup (``pids.max``, as by ``docker run --pids-limit``), whoever started them. The
    limit that leaves less room is the one that is told.
    """
    key, page = "processes", "api/doctor/#finding"
    limits = (
        (facts.tasks_limit, facts.tasks, "ulimit -u", "Raise ulimit -u, end other programs of yours"),
        (
            facts.group_tasks_limit,
            facts.group_tasks,
            "pids.max of the cgroup",
            "Raise that limit, as by 'docker run --pids-limit'",
        ),
    )
    known = [
        (limit, in_use, name, raising)
        for limit, in_use, name, raising in limits
        if limit is not None and limit != UNLIMITED
    ]
    if facts.tasks_limit is None and not known:
        return Finding(key, UNKNOWN, "This system does not say how many processes you may have.", "", page)
    if not known:
        says = "Any number of processes may be started, as far as ulimit -u and cgroups go."
        return Finding(key, FINE, says, "", page, {"limit": None, "in_use": facts.tasks})
    limit, in_use, name, raising = min(known, key=lambda each: each[0] - each[1])
    values = {"limit": limit, "in_use": in_use, "set_by": name}
    threads = next((start.threads for start in facts.starts if start.threads), WORKER_THREADS)
    a_worker = threads + (facts.numpy_threads or 1) - 1 if facts.system.startswith("linux") else 1
    workers = max(0, limit - in_use) // a_worker
    what = f"{counted(limit, 'process')} and threads".replace("processs", "processes")
    if workers >= max(FEW_WORKERS, facts.machine.usable_cores):
        says = f"{what} may run ({name}): room for {counted(workers, 'worker')}."
        return Finding(key, FINE, says, "", page, values)
    says = (
        f"{what} may run ({name}), {in_use:,} do, and a worker takes {a_worker}: "
        f"{counted(workers, 'more worker')} can be started."
    )
    remedy = f"{raising}, or set OPENBLAS_NUM_THREADS=1 (with MKL, MKL_NUM_THREADS=1) before Python starts."
    return Finding(key, BREAKS if workers < FEW_WORKERS else BITES, says, remedy, page, values)


def check_temporary_folder(facts: Facts) -> Finding:
    """Whether a worker can make the socket through which it hands tensors over.

    ``multiprocessing.resource_sharer`` makes it in the temporary folder; its path may have about a
    hundred bytes. Where that fails the worker prints a traceback, and the loop waits for ever.
    """
    key, page = "temporary-folder", "in-depth/debugging-and-randomness/#messages"
    if facts.socket_problem is None:
        return Finding(key, FINE, "Workers need no temporary folder on this system.", "", page)
    if not facts.socket_problem:
        return Finding(key, FINE, "Workers can make their sockets in the temporary folder.", "", page)
    says = (
        f"Workers cannot make their sockets in the temporary folder ({facts.socket_problem}), and a loop "
        "with workers waits for ever."
    )
    remedy = (
        "Set TMPDIR to a folder with a short path, such as /tmp."
        if "too long" in facts.socket_problem
        else "Set TMPDIR to a folder that can be written to; for a container, 'docker run --tmpfs /tmp'."
    )
    return Finding(key, BREAKS, says, remedy, page, {"problem": facts.socket_problem})


def _batches_alive(workers: int) -> int:
    """How many batches there may be at once: those on their way, and the one in the training step."""
    return PREFETCH * workers + 1
