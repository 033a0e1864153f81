"""What the doctor says of memory, the disk and the GPU.

Each check is a function of ``Facts`` alone. Its thresholds are the constants below, with their reasons.
"""

from __future__ import annotations

from spritedocs.doctor.facts import PIN_BYTES, Facts
from spritedocs.doctor.findings import BITES, BREAKS, FINE, UNKNOWN, Finding, amount, counted

__all__ = ["check_disk", "check_gpu", "check_page_cache", "check_pinned_memory", "check_worker_memory"]

IDLE_SHARE = 0.5
"""Workers that hold nothing yet should leave half of the memory to data, batches and the model."""

_BY_FUSE = (
    *("sshfs", "s3", "rclone", "gcsfuse", "juicefs", "glusterfs", "goofys", "blobfuse", "mount-s3", "ceph"),
    *("davfs", "gvfsd", "lizardfs", "moosefs", "mfs", "alluxio"),
)
NETWORK = (
    *("nfs", "cifs", "smb", "webdav", "lustre", "gpfs", "ceph", "beegfs", "afs", "glusterfs"),
    *(f"fuse.{name}" for name in _BY_FUSE),
)
"""How the names of filesystems begin that fetch files over a network. Others by FUSE join or encrypt folders
that lie here."""

OUTSIDE = ("9p", "virtiofs", "vboxsf", "fakeowner")
"""How the names of those begin that fetch files from outside of a virtual machine, as WSL does for Windows'
own disks, and Docker Desktop for a Mac's (nolabs-ai/nono#1445)."""

_SLOW_DISKS = "in-depth/slow-disks/#storage"


def check_worker_memory(facts: Facts) -> Finding:
    """Whether a worker for each usable core finds memory, before it holds any data."""
    key, page = "worker-memory", "experiments/10_memory_goblins/#what-is-in-the-sack"
    start = next((start for start in facts.starts if start.private_mb), None)
    available, workers = facts.memory_available, facts.machine.usable_cores
    if start is None or start.private_mb is None or available is None:
        says = "How much memory a worker takes for itself was not measured."
        return Finding(key, UNKNOWN, says, "" if facts.starts else "Leave --quick out.", page)
    each = start.private_mb * 1e6
    values = {"private_mb": start.private_mb, "available_bytes": available, "method": start.method}
    says = f"Started by {start.method}, a worker that holds no data has {amount(each)} for itself"
    if each * workers <= IDLE_SHARE * available:
        return Finding(key, FINE, f"{says}; {amount(available)} are available.", "", page, values)
    says += f": {workers} take {amount(each * workers)} of the {amount(available)} that are available."
    remedy = f"Use at most {int(IDLE_SHARE * available / each)} workers, or free memory."
    return Finding(key, BREAKS if each > available else BITES, says, remedy, page, values)


def check_page_cache(facts: Facts) -> Finding:
    """Whether the dataset's files stay in memory after the first epoch.

    The page cache has what programs leave, less in a cgroup with a limit: what it already uses of that
    is not known here. A random order rereads of a dataset that is larger about what does not fit.
    """
    key, page, available = "page-cache", _SLOW_DISKS, facts.memory_available
    if available is None:
        return Finding(key, UNKNOWN, "How much memory is available is not known here.", "", page)
    if facts.data is None:
        says = f"Files of up to {amount(available)} may stay in memory from one epoch to the next."
        remedy = "Name your data with --data PATH to have its size compared."
        return Finding(key, UNKNOWN, says, remedy, page, {"available_bytes": available})
    if not facts.data.files and facts.data.whole:
        says = "There is no file that may be read where your data should be."
        remedy = "See whether --data names the right folder, and whether you may read it."
        return Finding(key, UNKNOWN, says, remedy, page, {"available_bytes": available})
    size, files = facts.data.size, counted(facts.data.files, "file")
    values = {
        "available_bytes": available,
        "data_bytes": size,
        "files": facts.data.files,
        "counted_whole": facts.data.whole,
    }
    least = "" if facts.data.whole else "at least "
    if size > available:
        says = (
            f"The data take {least}{amount(size)} in {least}{files}, more than the {amount(available)} of "
            "memory that could keep them: each epoch reads from the disk again what does not fit."
        )
        remedy = "Store them smaller, and measure whole epochs: a part of the data may come from memory."
        return Finding(key, BITES, says, remedy, page, values)
    if not facts.data.whole:
        says = f"There was time to count {files} of {amount(size)}, and there are more."
        return Finding(key, UNKNOWN, says, "Name one folder of them, and multiply.", page, values)
    says = f"The data, {amount(size)} in {files}, fit into the {amount(available)} that are available."
    return Finding(key, FINE, says, "", page, values)


def check_disk(facts: Facts) -> Finding | None:
    """Whether the data lie on a disk of this machine; ``None`` where none were named."""
    key = "disk"
    if facts.data is None:
        return None
    if not facts.data.filesystem:
        says = "What kind of disk the data lie on is not known here."
        return Finding(key, UNKNOWN, says, "", _SLOW_DISKS)
    values = {"filesystem": facts.data.filesystem}
    says = f"The data lie on a disk of the kind {facts.data.filesystem}"
    kind = facts.data.filesystem.lower()
    if kind.startswith(NETWORK + OUTSIDE):
        whence = "another machine" if kind.startswith(NETWORK) else "outside of this virtual machine"
        says += f": each file is fetched from {whence}."
        remedy = "Copy them to a disk of this machine, or pack many small files into few."
        return Finding(key, BITES, says, remedy, _SLOW_DISKS, values)
    return Finding(key, FINE, f"{says}.", "", _SLOW_DISKS, values)


def check_gpu(facts: Facts) -> Finding:
    """Whether torch uses a GPU, and has it for itself."""
    key, page = "gpu", "in-depth/handing-batches-to-the-gpu/#measure"
    here, load = facts.machine, facts.gpu_load
    values = {"gpu": here.gpu, "busy": load.as_dict() if load else None}
    if here.gpu is None:
        why, _, remedy = facts.gpu_absence.partition(": ")
        says = (
            "A training step on the CPU shares its cores with the workers: torch uses no CUDA GPU, "
            f"because {why}."
        )
        if facts.made_for_gpu:
            return Finding(key, BITES, says, f"{remedy[:1].upper()}{remedy[1:]}.", page, values)
        return Finding(key, FINE, says, "", page, values)
    if load is not None:
        says = f"Something else uses the {here.gpu}: {load}."
        remedy = "Free it, or choose another with CUDA_VISIBLE_DEVICES, before you time anything."
        return Finding(key, BITES, says, remedy, page, values)
    return Finding(key, FINE, f"torch uses the {here.gpu}, and little else does.", "", page, values)


def check_pinned_memory(facts: Facts) -> Finding:
    """Whether ``pin_memory=True`` would find memory to pin: a few batches were tried, where CUDA is."""
    key, page = "pinned-memory", "experiments/15_handing_batches_to_the_gpu/#the-last-step-of-the-way"
    values = {"problem": facts.pin_problem, "tried_bytes": PIN_BYTES}
    if facts.pin_problem is None:
        return Finding(key, FINE, "Without a GPU, pinned memory is not needed.", "", page, values)
    if not facts.pin_problem:
        says = f"{amount(PIN_BYTES)} could be pinned for copies to the GPU."
        return Finding(key, FINE, says, "", page, values)
    says = f"{amount(PIN_BYTES)} could not be pinned ({facts.pin_problem}): pin_memory=True would fail."
    remedy = "Leave pin_memory at False, or free memory: what is pinned stays in RAM, and WSL limits it."
    return Finding(key, BITES, says, remedy, page, values)
