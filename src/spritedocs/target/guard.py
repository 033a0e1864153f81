"""Runs the tuner in a process of its own, so that the reader's code can neither hold nor harm the command.

What it says is read here; how it says it stands in ``spritedocs.target.process``.
"""

from __future__ import annotations

import json
import math
import queue
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, cast

from spritedocs.errors import is_crash, killer
from spritedocs.machine import marked, remove_leftovers, room_for, supervised, undisturbed
from spritedocs.target.channel import CLOSED_STATUS, signed
from spritedocs.target.printed import Printed
from spritedocs.target.process import MARKER

__all__ = ["Callbacks", "RunError", "run"]

PATIENCE_S = 30.0
"""How long nothing may be heard of a run; the whole budget, if that is longer."""

_PARTING_S = 3.0
"""How long their code gets to end by itself once it is known what came of it."""

_LAST_WORDS_S = 10.0
"""How long those of a process that has ended may take, where another one holds its pipe open."""

_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",  # nothing is written beside their files
    "PYTHONWARNINGS": "ignore",
    "PYTHONIOENCODING": "utf-8",
}
# A terminal sends Ctrl-C to a whole group: this way only the command hears it, and cleans up.
_APART: dict[str, Any] = {"start_new_session": True}
if sys.platform == "win32":
    _APART = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
_OURS = ("starting Python", "importing torch")
"""What is done before any code of theirs runs."""


class RunError(RuntimeError):
    """There is no result. The message says in a sentence why, and what would help."""

    def __init__(self, sentence: str, status: int = 1, traceback: str = "") -> None:
        super().__init__(sentence)
        self.status = status
        """The exit status that it asks for: 2 for misuse, 1 for a failure of their code."""
        self.traceback = traceback
        """Their part of the traceback, or ``""``."""


@dataclass(frozen=True)
class Callbacks:
    """Who hears what a run says. All are called in the thread that called ``run``."""

    tries: Callable[[str, float, float], object] = lambda says, done_s, total_s: None
    """Called with what is being tried, the seconds done, and those that it all should take."""
    waits: Callable[[], object] = lambda: None
    """Called several times a second."""
    prints: Callable[[str], object] = lambda line: None
    """Called with a line that their code printed, or that says how many more there were."""


def run(
    function: str, options: Mapping[str, Any], callbacks: Callbacks, patience_s: float = PATIENCE_S
) -> dict[str, Any]:
    """Call ``function``, such as ``spritedocs.tuning.tune``; returns what ``as_json()`` of its result gives.

    ``options`` holds ``target``, ``step`` (a target too, or ``None``), and other arguments by their names;
    ``function`` is called with what they stand for. Raises ``RunError``, and lets ``Interrupted`` pass;
    whatever happens, no process of the run stays behind.
    """
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    printed = Printed(lambda line: messages.put({"prints": line}))
    came = False
    try:
        with _child({**options, "function": function}, messages, printed) as child:
            result = _result(child, messages, callbacks, options["budget_s"], patience_s)
            came = True
    finally:
        late = [messages.get() for _ in range(messages.qsize())]
        lines = [message["prints"] for message in late if "prints" in message]
        for line in lines + printed.rest(with_last=not came):
            callbacks.prints(line)
    return result


@contextmanager
def _child(
    options: Mapping[str, Any], messages: queue.SimpleQueue[Any], printed: Printed
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, told its ``options`` and listened to; gone afterwards with all that it started."""
    listeners: list[threading.Thread] = []
    children: list[subprocess.Popen[bytes]] = []
    remove_leftovers()
    with ExitStack() as stack:
        # Sockets of its workers go with the folder, those of killed ones too.
        folder = stack.enter_context(room_for(megabytes=0))
        stack.callback(_join, listeners, children)
        environment = stack.enter_context(marked(MARKER))
        child = subprocess.Popen(
            supervised([sys.executable, "-P", "-m", "spritedocs.target.process"], folder),
            env=environment | _ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **_APART,
        )
        pipes = (child.stdin, child.stdout, child.stderr)
        told, said, shown = cast("tuple[IO[bytes], IO[bytes], IO[bytes]]", pipes)
        children.append(child)
        try:
            key = secrets.token_bytes(32)
            listeners += [
                threading.Thread(target=_listen, args=(said, key, messages), daemon=True),
                threading.Thread(target=printed.read, args=(shown,), daemon=True),
            ]
            for listener in listeners:
                listener.start()
            with suppress(OSError):  # that it has ended is noticed later
                told.write(json.dumps({**options, "folder": str(folder), "key": key.hex()}).encode() + b"\n")
                told.flush()
            yield child
        finally:
            with undisturbed(), suppress(OSError):
                told.close()


def _join(listeners: list[threading.Thread], children: list[subprocess.Popen[bytes]]) -> None:
    """Wait for their last words, now that nobody is left who could go on."""
    for child in children:
        child.wait()
    for listener in listeners:
        listener.join(_PARTING_S)


def _listen(stream: IO[bytes], key: bytes, messages: queue.SimpleQueue[Any]) -> None:
    with stream:
        for message in signed(stream, key):
            messages.put(message)
    messages.put({"over": True})


def _result(
    child: subprocess.Popen[bytes],
    messages: queue.SimpleQueue[Any],
    callbacks: Callbacks,
    budget_s: float,
    patience_s: float,
) -> dict[str, Any]:
    """Wait for what comes of the run, as long as something is heard of it."""
    patience_s = max(patience_s, budget_s)
    heard = time.monotonic()
    end = heard + budget_s + 3 * patience_s
    doing, over, gone_s = "starting Python", False, math.inf
    while True:
        message: dict[str, Any] = {}
        with suppress(queue.Empty):
            message = messages.get(timeout=0.1)
        now = time.monotonic()
        over |= "over" in message
        if not message or over:
            if child.poll() is not None:
                gone_s = min(gone_s, now)
            if now >= gone_s + (0 if over else _LAST_WORDS_S):
                raise RunError(_ended(child.returncode, doing))
        if "result" in message or "error" in message:
            with suppress(subprocess.TimeoutExpired):
                child.wait(_PARTING_S)
            if error := message.get("error"):
                raise RunError(**error)
            result: dict[str, Any] = message["result"]
            return result
        if tries := message.get("tries"):
            doing, heard = tries[0], now
            callbacks.tries(*tries)
        if "prints" in message:
            callbacks.prints(message["prints"])
        if now > heard + patience_s:
            remedy = "if it hangs, mend that; if it only takes long, give it longer by --budget"
            raise RunError(f"Nothing was heard for {now - heard:.0f} s while {doing}: {remedy}.")
        if now > end:
            remedy = "give it a larger one, fewer items in a batch, or fewer workers"
            raise RunError(f"It is still {doing}, long after its budget of {budget_s:g} s: {remedy}.")
        callbacks.waits()


def _ended(status: int, doing: str) -> str:
    """What it means that the process ended, and had said no result."""
    named = killer(status)
    if named == "SIGKILL":
        remedy = "if it was for want of memory, a smaller --batch-size or --max-workers takes less"
        return f"The process of your code was killed while {doing}: {remedy}."
    if doing in _OURS:
        how = named or f"status {status}"
        return (
            f"The tuner's own Python ended ({how}) while {doing}: see whether python -c 'import torch' works."
        )
    if is_crash(named):
        remedy = "run it by 'python -X faulthandler' to see where"
        return f"Your code crashed Python ({named}) while {doing}: {remedy}."
    if named:
        remedy = "see whether your code, or a program that watches over processes, sent it"
        return f"Python was ended by a signal ({named}) while {doing}: {remedy}."
    if status == CLOSED_STATUS:
        remedy = "let it close only what it has opened itself"
        return f"Your code closed the pipe through which the tuner answers, while {doing}: {remedy}."
    return f"Your code ended Python, with the status {status}, while {doing}: let it raise an error instead."
