"""Where the command ``spritedocs`` begins and ends: signals, streams, and failures that nobody foresaw.

A signal ends it at any moment, with a sentence, from before the first import to the end of Python.
Whatever goes wrong is a sentence and an exit status, never a traceback of ours.
"""

from __future__ import annotations

import os
import signal
import sys

from spritedocs.machine import ending_signals, for_this_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

__all__ = ["ignored", "main"]

ignored: list[int] = []
"""The signals that were to be ignored when the process began: what runs in its place is to do so too."""


def main() -> None:
    """The console script."""
    handler = for_this_process(_leave)
    for number in ending_signals():
        # Until the command can be interrupted, and after it.
        if signal.signal(number, handler) == signal.SIG_IGN:
            ignored.append(number)
    from spritedocs.cli.streams import guard_streams

    streams = guard_streams()
    status = _status()
    lost = streams.tell_of_lost_output()
    _end_python(status or int(lost))


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: there is nothing yet that must be tidied up, or nothing any more."""
    if sys.stderr is not None:
        sys.stderr.write("Interrupted.\n")
        sys.stderr.flush()
    os._exit(128 + number)


def _end_python(status: int) -> NoReturn:
    """End as Python does, but with a signal heeded to the last: Python itself would drop our handlers."""
    import atexit
    import threading

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _status() -> int:
    """Run the command; the exit status, after everything has been said."""
    try:
        os.getcwd()  # noqa: PTH109 - pathlib is not imported yet
    except OSError as error:
        return _complain(f"The working folder cannot be read ({error.strerror}): change into another.", 2)
    try:
        from spritedocs.cli import commands as cli

        cli.main()
    except SystemExit as leaving:
        if isinstance(leaving.code, str):
            return _complain(leaving.code, 1)
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        return _complain(_unforeseen(error), 1)
    return 0


def _unforeseen(error: Exception) -> str:
    name, said = type(error).__name__, " ".join(str(error).split())[:300]
    if isinstance(error, ImportError):
        return f"A package cannot be imported ({name}: {said}): install it anew."
    if isinstance(error, OSError) and error.strerror:
        what = f"{error.strerror}: {str(error.filename)[:300]}" if error.filename else error.strerror
        return f"The system stopped spritedocs ({what}): mend that, and try again."
    if isinstance(error, MemoryError):
        return "There is not enough memory: free some, and try again."
    remedy = "please report it, with what 'python -X dev -m spritedocs' says"
    return f"spritedocs itself failed ({name}: {said}), which is a mistake of ours: {remedy}."


def _complain(sentence: str, status: int) -> int:
    print(sentence, file=sys.stderr)
    return status
