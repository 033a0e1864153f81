"""The process in which the reader's code runs: ``python -m spritedocs.target.process``.

It reads its options, an object, as one line of JSON from its standard input, which then stays open for as
long as the command lives. What it says goes to what was its standard output, as in
``spritedocs.target.channel``: ``{"tries": [says, done_s, total_s]}`` any number of times, then
``{"result": …}`` or ``{"error": {"sentence", "status", "traceback"}}``. Whatever else prints there, a worker
too, prints to standard error. So no more is needed of a system than pipes, and workers may start in any way.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil

from spritedocs.machine import remains
from spritedocs.target.channel import Channel
from spritedocs.target.loading import Target, TargetError, load, load_step
from spritedocs.target.their_errors import TheirError, failed, their_traceback

__all__ = ["MARKER"]

MARKER = "SPRITEDOCS_TUNE"
"""The environment variable by which all processes of a run are known."""
LEAST_S = 2.0
"""The smallest budget."""


def _main() -> None:
    begun_s = time.perf_counter()
    channel, told = _own_streams()
    options = json.loads(told.readline())
    channel.key = bytes.fromhex(options.pop("key"))
    if sys.platform == "win32":  # elsewhere its supervisor sees to that
        threading.Thread(target=_end_with_the_command, args=(told, options["folder"]), daemon=True).start()
    _leave_nothing(options["folder"])
    channel.say(**_outcome(options, channel, begun_s))


def _own_streams() -> tuple[Channel, IO[bytes]]:
    """Standard output and input for this process alone: for everything else they are stderr and empty."""
    out, told = os.dup(1), os.dup(0)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return Channel(out), os.fdopen(told, "rb", buffering=0)


def _end_with_the_command(told: IO[bytes], folder: str) -> None:
    """Wait for the end of the command, which may have been killed, and end all that this run started."""
    with suppress(OSError):  # their code may have closed it
        told.read()
    for process in remains(os.environ.get(MARKER, ""), marker=MARKER):
        with suppress(psutil.Error):
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _leave_nothing(folder: str) -> None:
    """Keep what a crash leaves, sockets of workers and an image of the memory, out of their folders."""
    # Where multiprocessing keeps the name of its temporary folder, once it has one.
    multiprocessing.current_process()._config["tempdir"] = folder  # type: ignore[attr-defined]
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def _outcome(options: Mapping[str, Any], channel: Channel, begun_s: float) -> dict[str, Any]:
    """What to say in the end: a result or an error."""
    channel.tries("importing torch")
    module, _, name = options["function"].rpartition(".")
    try:
        function = getattr(importlib.import_module(module), name)  # before their folder is first on the path
    except Exception as error:  # noqa: BLE001 - a torch that is broken may raise anything
        remedy = """see whether python -c 'import torch' works"""
        return _error(f"The tuner cannot be imported ({type(error).__name__}: {error}): {remedy}.")
    try:
        target = Target.parse(options["target"])
        sys.argv = [target.place]  # a script that reads its arguments finds none
        channel.tries(f"importing {target.place} and calling {target.name}")
        dataset = load(options["target"])
        step = None if options["step"] is None else load_step(options["step"])
        arguments = {
            name: options[name] for name in options.keys() - {"target", "step", "folder", "function"}
        }
        # Importing counts, too.
        arguments["budget_s"] = max(LEAST_S, options["budget_s"] + begun_s - time.perf_counter())
        tuned = function(dataset, step=step, progress=lambda progress: channel.tries(*progress), **arguments)
        return {"result": tuned.as_json()}
    except TargetError as error:
        return _error(str(error), status=2)
    except TheirError as error:
        return _error(str(error), error.__cause__)
    except BaseException as error:  # noqa: BLE001 - theirs, or a mistake of ours
        if their_traceback(error):
            return _error(failed("Your code", error), error)
        if isinstance(error, ValueError | TypeError):
            said = str(error).rstrip(".")
            return _error(f"{said[:1].upper()}{said[1:]}.", status=2)
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error}, {Path(where.filename).name}:{where.lineno}"
        return _error(f"The tuner itself failed ({what}), which is a mistake of ours: please report it.")


def _error(sentence: str, cause: BaseException | None = None, status: int = 1) -> dict[str, Any]:
    shown = "" if cause is None or isinstance(cause, SystemExit) else their_traceback(cause)
    return {"error": {"sentence": sentence, "status": status, "traceback": shown}}


if __name__ == "__main__":
    _main()
