from .accelerator import GpuLoad, ask_apart, gpu_absence, gpu_busy, gpu_failure, gpu_load
from .cgroups import ROOT, memory_limit, quota_cores, tasks_limit
from .description import Machine, describe, slug, start_method, usable_cores
from .interruption import Interrupted, ending_signals, interruptible, undisturbed
from .leftovers import remove_leftovers, temporary_folder
from .memory import MemoryUse, memory_of, memory_of_tree, total_mb, worker_memory_mb, worker_pids
from .needs import by_start_method, needs
from .not_here import NotHere
from .processes import marked, remains
from .programs import Outcome, program, run_program, run_programs, run_script, run_scripts
from .supervisor import supervised
from .training import gpu_ended, helpers_for, training_device, without_gpu
from .workspace import NoRoomError, prove_room, room_for, why_no_helpers

__all__ = [
    "ROOT",
    "GpuLoad",
    "Interrupted",
    "Machine",
    "MemoryUse",
    "NoRoomError",
    "NotHere",
    "Outcome",
    "ask_apart",
    "by_start_method",
    "describe",
    "ending_signals",
    "gpu_absence",
    "gpu_busy",
    "gpu_ended",
    "gpu_failure",
    "gpu_load",
    "helpers_for",
    "interruptible",
    "marked",
    "memory_limit",
    "memory_of",
    "memory_of_tree",
    "needs",
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
    "start_method",
    "supervised",
    "tasks_limit",
    "temporary_folder",
    "total_mb",
    "training_device",
    "undisturbed",
    "usable_cores",
    "why_no_helpers",
    "without_gpu",
    "worker_memory_mb",
    "worker_pids",
]
