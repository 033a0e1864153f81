"""What went wrong with a worker, in one sentence: what ended it, whose doing that is, and what would help."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping

from spritedocs.errors import is_crash, killer
from spritedocs.tuning.worker_watch import BatchLost, NotStarted, WorkerEnded, WorkerError

__all__ = ["as_torch_said", "scarcity", "worker_sentence"]

_LOOK = "what it printed may say more"
_SIGNALS: Mapping[str, str] = {
    "SIGABRT": "compiled code that an item uses gave up, and what it printed may say why. If it loads "
    "without workers, try another start method",
    "SIGBUS": "/dev/shm is full, through which batches go, or a file that an item maps was cut. "
    "'spritedocs doctor' looks at /dev/shm; a smaller batch size takes less",
    "SIGXCPU": "its processor time is limited, as by 'ulimit -t': raise the limit",
    "SIGXFSZ": "it wrote a file larger than is allowed, as by 'ulimit -f': raise the limit",
}
_SCARCE: Mapping[str, str] = {
    r"MemoryError\b|annot allocate memory|can't allocate memory|std::bad_alloc|not enough memory": (
        "Memory ran out ({0}). 'spritedocs doctor' says how much there is, 'ulimit -v' any limit; "
        "a smaller batch size or --max-workers takes less"
    ),
    r"can't start new thread|Errno 11\] Resource temporarily unavailable": (
        "No more processes or threads may be started ({0}). Raise the limit, as by 'ulimit -u', or try fewer "
        "workers by --max-workers"
    ),
    r"daemonic processes are not allowed to have children": (
        "An item starts a process, which a worker may not ({0}). Load without workers, or let items start "
        "none"
    ),
}


def worker_sentence(error: WorkerError, start_method: str) -> str:
    """What ``error`` says of a worker that was started by ``start_method``."""
    if isinstance(error, WorkerEnded):
        return f"{_ended(error, start_method)}."
    if isinstance(error, NotStarted):
        if error.is_init:
            return (
                f"The worker_init_fn has not returned for {error.seconds:.0f} s: see what it waits for, or "
                "give a larger budget, half of which it may take."
            )
        return (
            f"Workers were not there after {error.seconds:.0f} s: each imports your code anew, and unpickles "
            f"the dataset, as it starts by {start_method!r}. Let that take less, or start fewer by "
            "--max-workers."
        )
    assert isinstance(error, BatchLost)
    if "No space left" in str(error) or "temporary directory" in str(error):
        remedy = "the temporary folder, or /dev/shm, is full: set TMPDIR to a folder with room, or make some"
    elif re.search("[Pp]ickl", str(error)):
        remedy = "let it, and what items raise, be of classes at the top level of a module"
    else:
        remedy = "'spritedocs doctor' looks at what that takes"
    return scarcity(str(error)) or f"A worker could not hand over a batch ({error}): {remedy}."


def scarcity(raised: str) -> str:
    """What it means if ``raised``, an error's kind and message, tells of something that ran out; or ``""``.

    Examples:
        >>> scarcity("MemoryError: of 8 GB")[:32]
        'Memory ran out (MemoryError: of '
        >>> scarcity("ValueError: torn")
        ''
    """
    shown = raised if len(raised) <= 120 else f"{raised[:120]}…"
    return next((f"{says.format(shown)}." for sign, says in _SCARCE.items() if re.search(sign, raised)), "")


def as_torch_said(message: str) -> WorkerEnded | None:
    """The ended worker that ``message`` tells of, if it does: torch's signal handler raises it anywhere."""
    if not re.search(r"DataLoader worker \(pid.*?\) (?:is killed|exited)", message):
        return None
    killed = re.search(r"by signal: ([\w ]+?)\.? *$", message, re.MULTILINE)
    numbers = [
        number for number in signal.valid_signals() if killed and signal.strsignal(number) == killed[1]
    ]
    exited = re.search(r"exit code (\d+)", message)
    return WorkerEnded(-numbers[0] if numbers else int(exited[1]) if exited else None)


def _ended(error: WorkerEnded, start_method: str) -> str:
    code, while_starting = error.exit_code, "" if error.ran else " while it started"
    if code is not None and (named := killer(code)):
        return _killed(named, while_starting, error.out_of_memory)
    if scarce := scarcity(error.raised):
        return scarce.rstrip(".")
    if error.raised:
        return (
            f"A worker ended, since your code raised {error.raised.rstrip(' .:')}, which no loader passes "
            "on: let it raise an ordinary error instead"
        )
    if code is None:
        return f"A worker ended, and nothing tells how: {_LOOK}, and so may a loop with num_workers=0"
    status = f" with the exit code {code}"
    if not error.ran and start_method != "fork":
        return (
            f"A worker ended{status} while it started: it could not import what the dataset is made of, as "
            f'where a script starts workers not under if __name__ == "__main__"; {_LOOK}'
        )
    silently = ", or raised KeyboardInterrupt" if code == 0 else ""
    return (
        f"A worker ended{status}{while_starting}: your code, or a library that it uses, called sys.exit or "
        f"os._exit{silently}. Let it raise an error instead; {_LOOK}"
    )


def _killed(name: str, while_starting: str, out_of_memory: bool | None) -> str:
    if name == "SIGKILL":
        if out_of_memory:
            return (
                f"A worker was killed by the system{while_starting}, as memory ran out. 'spritedocs doctor' "
                "says how much there is; a smaller batch size or --max-workers takes less"
            )
        reason = (
            "and not by the system for want of memory"
            if out_of_memory is False
            else "by the system for want of memory, or by a program"
        )
        return (
            f"A worker was killed{while_starting} (SIGKILL), {reason}: see whether your code kills "
            "processes, or what watches over them here, as a job manager does"
        )
    if is_crash(name) and name not in _SIGNALS:
        return (
            f"A worker crashed{while_starting} ({name}), in compiled code that an item uses: 'python -X "
            "faulthandler' shows where. If it loads without workers, try another start method"
        )
    why = _SIGNALS.get(name, "see whether your code, or a program that watches over processes, sent it")
    return f"A worker ended{while_starting} by a signal ({name}): {why}"
