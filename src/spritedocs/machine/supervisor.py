"""Runs a command as its child and leaves nothing of it behind, not even if whoever asked for it is killed.

``python -m spritedocs.machine.supervisor OWNER FOLDER COMMAND…`` ends as COMMAND ends, after every process
that this started in turn. Once the process with the number OWNER is gone, it ends them all, and FOLDER goes
too. It imports no more than that takes, and sleeps.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from spritedocs.machine.processes import end_descendants
from spritedocs.machine.subreaper import adopting_orphans

__all__ = ["supervised"]

_LOOK_EVERY_S = 0.5


def supervised(command: Sequence[str], folder: Path) -> list[str]:
    """The ``command`` under a supervisor that works for this process; on Windows the command itself."""
    if sys.platform == "win32":
        return list(command)
    prefix = [sys.executable, "-P", "-m", "spritedocs.machine.supervisor"]
    return [*prefix, str(os.getpid()), str(folder), *command]


def _supervise(owner: int, folder: str, command: Sequence[str]) -> int:
    """Run ``command``; the status with which it ended, as the system tells it."""
    environment = dict(os.environ)
    if "JPY_PARENT_PID" in environment:  # a kernel ends with the process that it is told of
        environment["JPY_PARENT_PID"] = str(os.getpid())
    with adopting_orphans():
        child = subprocess.Popen(command, env=environment).pid
        threading.Thread(target=_end_with, args=(owner,), daemon=True).start()
        pid, status = 0, int(signal.SIGKILL)
        while pid != child:
            try:
                pid, status = os.waitpid(-1, 0)  # of any child: orphans that end are reaped here
            except ChildProcessError:
                break  # the other thread ended it, and has reaped it
        end_descendants()
    if os.getppid() != owner:
        shutil.rmtree(folder, ignore_errors=True)
    return status


def _end_with(owner: int) -> None:
    while os.getppid() == owner:
        time.sleep(_LOOK_EVERY_S)
    end_descendants()


def _end_likewise(status: int) -> None:
    """End this process as another one did, by the same signal if it was one."""
    import resource

    if os.WIFSIGNALED(status):
        _, most = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, most))
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    _end_likewise(_supervise(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
