"""Standard output and error that never fail: what could not be written is kept, and told of at the end.

A disk that is full, a stream that was closed and a reader that has left all surface where something
is printed, or when Python ends, far from anybody who could answer. Here they have one answer.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, NoReturn, TextIO

__all__ = ["GuardedStreams", "guard_streams", "leave"]


class _Kept(io.RawIOBase):
    """A stream that takes whatever is written, passes it on for as long as that works, and keeps it."""

    def __init__(self, stream: TextIO | None) -> None:
        self.name = getattr(stream, "name", "<closed>")
        buffer: Any = getattr(stream, "buffer", None)
        # Without a buffer of Python's own, which would try again when Python ends.
        self._target = getattr(buffer, "raw", buffer)
        self.problem = None if self._target else OSError(errno.EBADF, "it is closed")
        self.text = bytearray()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._target is not None and bool(self._target.isatty())

    def fileno(self) -> int:
        if self._target is None:
            return super().fileno()
        return int(self._target.fileno())

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        self.text += rest
        while rest and not self.problem:
            try:
                rest = rest[self._target.write(rest) or 0 :]
            except OSError as error:
                self.problem = error
        return size


class GuardedStreams:
    """What came of the streams."""

    def __init__(self, output: _Kept) -> None:
        self._output = output

    def tell_of_lost_output(self) -> bool:
        """Say on standard error that standard output could not be written, and what; whether it was so."""
        sys.stdout.flush()
        problem = self._output.problem
        if problem is None or not self._output.text:
            return False
        if isinstance(problem, BrokenPipeError):
            print("Not all of the output was read: its reader has ended.", file=sys.stderr)
            return True
        why = problem.strerror or type(problem).__name__
        print(f"Standard output cannot be written ({why}): what was to stand there follows.", file=sys.stderr)
        print(self._output.text.decode(sys.stdout.encoding, "replace"), end="", file=sys.stderr)
        return True


def guard_streams() -> GuardedStreams:
    """Put streams that never fail in the place of Python's standard output and error, for good."""
    _fill_descriptors()
    output, errors = _Kept(sys.stdout), _Kept(sys.stderr)
    sys.stdout = _text(output, sys.stdout, "replace")
    sys.stderr = _text(errors, sys.stderr, "backslashreplace")
    return GuardedStreams(output)


def _text(kept: _Kept, stream: TextIO | None, errors: str) -> io.TextIOWrapper:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return io.TextIOWrapper(kept, encoding, errors, line_buffering=True)


def _fill_descriptors() -> None:
    """Let no file that is opened later get the number of a standard stream that was closed."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def leave(sentence: str, status: int) -> NoReturn:
    """End the command with ``sentence`` on standard error."""
    print(sentence, file=sys.stderr)
    sys.exit(status)
