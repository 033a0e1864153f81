"""What the doctor says of what makes workers slow: cores, start-up, threads.

Each check is a function of ``Facts`` alone. Its thresholds are the constants below, with their reasons.
"""

from __future__ import annotations

from spritedocs.doctor.facts import Facts
from spritedocs.doctor.findings import BITES, BREAKS, FINE, UNKNOWN, Finding, counted

__all__ = ["check_cores", "check_start_method", "check_threads", "check_worker_threads"]

SLOW_START_S = 1.0
"""A start of a second is 5% of an epoch of 20 seconds, and below 5% this guide stops."""

_RIGHT_NUMBER = "in-depth/the-right-number/#usable-cores"


def check_cores(facts: Facts) -> Finding:
    """Whether as many cores may be used as programs see.

    torch's "suggested max number of worker" counts the affinity mask on Linux and ``os.cpu_count()``
    elsewhere; neither it nor ``os.cpu_count()`` knows the cgroup's quota.
    """
    key, page = "cores", "experiments/16_the_count_that_lies/#what-the-program-sees"
    here = facts.machine
    values = {
        "usable": here.usable_cores,
        "cpu_count": here.logical_cores,
        "affinity": here.affinity_cores,
        "quota": here.quota_cores,
        "torch_suggests": facts.suggested_workers,
    }
    if here.usable_cores < here.logical_cores:
        quota = here.quota_cores
        affinity = here.affinity_cores
        held = [
            f"a quota of {quota:g}" if quota is not None and quota < here.logical_cores else "",
            f"affinity to {affinity}" if affinity is not None and affinity < here.logical_cores else "",
        ]
        why = " and ".join(filter(None, held)) or "what Python reports"
        says = (
            f"os.cpu_count() says {here.logical_cores}, but {counted(here.usable_cores, 'core')} may be used "
            f"({why}); torch warns only above {counted(facts.suggested_workers, 'worker')}."
        )
        remedy = f"Take {here.usable_cores} for the number of cores wherever a rule says 'cores'."
        return Finding(key, BITES, says, remedy, page, values)
    if here.usable_cores == 1:
        says = "There is 1 core: a worker that computes takes it away from the training step."
        remedy = "Stay at num_workers=0 unless items wait for a disk or a network."
        return Finding(key, BITES, says, remedy, page, values)
    return Finding(key, FINE, f"All {here.usable_cores} cores may be used.", "", page, values)


def check_start_method(facts: Facts) -> Finding:
    """What starting a worker costs, by the seconds from ``iter(loader)`` to its first item.

    One start under each method, with one worker and a dataset of one number. ``spawn`` starts a new
    Python that imports torch, ``forkserver`` a server at its first start, too.
    """
    key, page = "start-method", "in-depth/platforms-and-notebooks/#what-a-start-costs"
    if not facts.starts:
        says = f"Workers start by {facts.machine.start_method}; what that costs was not measured."
        return Finding(key, UNKNOWN, says, "Leave --quick out.", page)
    default = next((s for s in facts.starts if s.method == facts.machine.start_method), facts.starts[0])
    values = {f"{start.method}_s": start.seconds for start in facts.starts} | {"default": default.method}
    others = [
        f"{start.method} {'failed' if start.problem else _seconds(start.seconds)}"
        for start in facts.starts
        if start is not default
    ]
    beside = f" (by {', '.join(others)})" if others else ""
    if default.problem:
        says = f"No worker could be started by {default.method}, the default here: {default.problem}{beside}."
        remedy = "Stay at num_workers=0 until what this names is mended."
        return Finding(key, BREAKS, says, remedy, page, values)
    if default.seconds is None:
        says = f"Workers start by {default.method}; the one that was tried starts slowly, or hangs."
        return Finding(key, UNKNOWN, says, "Try again when the machine is less busy.", page, values)
    says = (
        f"By {default.method}, the default here, a worker's first item comes {_seconds(default.seconds)} "
        f"after iter(){beside}."
    )
    if default.seconds < SLOW_START_S:
        return Finding(key, FINE, says, "", page, values)
    remedy = "Keep workers from epoch to epoch with persistent_workers=True"
    if default.method == "forkserver":
        remedy += ", and call multiprocessing.set_forkserver_preload(['torch']) before the first loader"
    return Finding(key, BITES, says, f"{remedy}.", page, values)


def check_threads(facts: Facts) -> Finding:
    """Whether torch computes with as many threads in the main process as it has cores.

    torch takes them from the cores that it sees, or from OMP_NUM_THREADS, which ``torchrun`` sets to 1
    where it starts several ranks on a machine.
    """
    key, threads, cores = "threads", facts.torch_threads, facts.machine.usable_cores
    setting = facts.thread_setting
    values = {"torch_threads": threads, "usable_cores": cores, "omp_num_threads": setting}
    says = f"torch computes with {counted(threads, 'thread')} in the main process"
    if threads > cores:
        says += f", on {counted(cores, 'usable core')}: they wait for each other."
        remedy = f"Call torch.set_num_threads({cores}), or set OMP_NUM_THREADS={cores} before Python starts."
        return Finding(key, BITES, says, remedy, _RIGHT_NUMBER, values)
    if threads < cores and setting and not facts.machine.gpu:
        says += f" and leaves others of {cores} usable cores idle, as OMP_NUM_THREADS is {setting[:20]!r}."
        remedy = "Unset it, unless other ranks or the workers are to have the other cores."
        return Finding(key, BITES, says, remedy, _RIGHT_NUMBER, values)
    return Finding(key, FINE, f"{says}.", "", _RIGHT_NUMBER, values)


def check_worker_threads(facts: Facts) -> Finding:
    """Whether a worker's libraries compute with more threads than there are cores.

    In a worker torch sets itself to one thread. It sets no other library: that is the caller's job
    (a comment in ``DataLoader.check_worker_number_rationality``; for OpenCV, pytorch/pytorch#1355).
    """
    key, cores = "worker-threads", facts.machine.usable_cores
    of_torch = next((start.torch_threads for start in facts.starts if start.torch_threads), None)
    found = {"torch": of_torch, "NumPy": facts.numpy_threads, "OpenCV": facts.opencv_threads}
    values = {f"{name.lower()}_threads": count for name, count in found.items()}
    if facts.opencv_threads and facts.opencv_threads > 1:
        says = f"OpenCV computes with {facts.opencv_threads} threads, in each worker again."
        remedy = "Call cv2.setNumThreads(0) in a worker_init_fn."
        return Finding(key, BITES, says, remedy, _RIGHT_NUMBER, values)
    if facts.numpy_threads and facts.numpy_threads > cores:
        says = (
            f"NumPy multiplies matrices with {facts.numpy_threads} threads, in each worker again, "
            f"on {counted(cores, 'usable core')}."
        )
        remedy = "Set OPENBLAS_NUM_THREADS=1 (with MKL, MKL_NUM_THREADS=1) before Python starts."
        return Finding(key, BITES, says, remedy, _RIGHT_NUMBER, values)
    known = [f"{name} with {count}" for name, count in found.items() if count]
    if not known:
        says = "With how many threads a worker computes was not measured."
        return Finding(key, UNKNOWN, says, "Leave --quick out.", _RIGHT_NUMBER, values)
    says = f"Threads that a worker computes with: {', '.join(known)}."
    return Finding(key, FINE, says, "", _RIGHT_NUMBER, values)


def _seconds(seconds: float | None) -> str:
    return "not measured" if seconds is None else f"{seconds:.2f} s"
