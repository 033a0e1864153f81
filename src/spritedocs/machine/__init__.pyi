from .accelerator import GpuLoad, gpu_absence, gpu_busy, gpu_failure
from .asking import ask_apart
from .cgroups import ROOT, memory_limit, quota_cores, tasks_limit
from .description import Machine, describe, slug
from .free_memory import memory_left
from .interruption import Interrupted, ending_signals, for_this_process, interruptible, undisturbed
from .leftovers import remove_leftovers, temporary_folder
from .memory import MemoryUse, memory_of, memory_of_tree, total_mb, worker_memory_mb, worker_pids
from .not_here import GpuEnded, NotHere
from .outcome import Outcome
from .page_cache import bytes_from_disk, drop_from_cache, pages_in_cache, space_on_disk
from .parallelism import start_method, usable_cores
from .processes import marked, remains
from .programs import program, run_program, run_programs, run_script, run_scripts
from .ranks import why_ranks_ended
from .requirements import by_start_method, needs
from .supervisor import supervised
from .training import gpu_ended, helpers_for, training_device, without_gpu
from .workspace import NoRoomError, prove_room, room_for, why_no_helpers

__all__ = [
    "ROOT",
    "GpuEnded",
    "GpuLoad",
    "Interrupted",
    "Machine",
    "MemoryUse",
    "NoRoomError",
    "NotHere",
    "Outcome",
    "ask_apart",
    "by_start_method",
    "bytes_from_disk",
    "describe",
    "drop_from_cache",
    "ending_signals",
    "for_this_process",
    "gpu_absence",
    "gpu_busy",
    "gpu_ended",
    "gpu_failure",
    "helpers_for",
    "interruptible",
    "marked",
    "memory_left",
    "memory_limit",
    "memory_of",
    "memory_of_tree",
    "needs",
    "pages_in_cache",
    "program",
    "prove_room",
    "quota_cores",
    "remains",
    "remove_leftovers",
    "room_for",
    "run_program",
    "run_programs",
    "run_script",
    "run_scripts",
    "slug",
    "space_on_disk",
    "start_method",
    "supervised",
    "tasks_limit",
    "temporary_folder",
    "total_mb",
    "training_device",
    "undisturbed",
    "usable_cores",
    "why_no_helpers",
    "why_ranks_ended",
    "without_gpu",
    "worker_memory_mb",
    "worker_pids",
]
