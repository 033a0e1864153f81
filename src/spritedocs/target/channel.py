"""What the tuner's process tells the command: an object of JSON per line, signed with the key of the run.

The reader's code runs in the same process, and may find the pipe and write into it, even without meaning to.
What is not signed is no message. The key comes through standard input, before that code is imported. Code
that looks for it in the memory of its own process finds it: that is beyond what this guards against.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

__all__ = ["CLOSED_STATUS", "Channel", "signed"]

CLOSED_STATUS = 86
"""How the process ends if the pipe is no longer there to say anything."""
LONGEST_BYTES = 2**22


class Channel:
    """The end of the pipe that the process writes into: ``descriptor``, which nothing else should use."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._file, self.key = descriptor, _file(descriptor), b""

    def say(self, **message: Any) -> None:
        """Send ``message``; end the process if their code has closed the pipe."""
        body = json.dumps(message).encode()
        # A line of its own, even where something else has begun one.
        line = memoryview(b"\n" + _signature(self.key, body) + b" " + body + b"\n")
        while line:
            # The number may belong to a file of theirs by now.
            if _file(self._descriptor) != self._file:
                os._exit(CLOSED_STATUS)
            line = line[os.write(self._descriptor, line) :]

    def tries(self, says: str, done_s: float = 0.0, total_s: float = 0.0) -> None:
        """Send what is being tried, the seconds done, and those that it all should take."""
        self.say(tries=[says, done_s, total_s])


def signed(stream: IO[bytes], key: bytes) -> Iterator[dict[str, Any]]:
    """The messages in ``stream``: what is signed with ``key``, and as it should be."""
    while line := stream.readline(LONGEST_BYTES):
        signature, _, body = line.rstrip(b"\n").partition(b" ")
        if hmac.compare_digest(signature, _signature(key, body)):
            message = json.loads(body)
            (kind, value), *more = message.items() or [("", None)]
            if kind in _KINDS and _KINDS[kind](value) and not more:
                yield message


def _signature(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).hexdigest().encode()


def _file(descriptor: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_progress(value: Any) -> bool:
    kinds = [str, int | float, int | float]
    return isinstance(value, list) and len(value) == 3 and all(map(isinstance, value, kinds))


def _is_error(value: Any) -> bool:
    kinds = {"sentence": str, "status": int, "traceback": str}
    return (
        isinstance(value, dict)
        and value.keys() == kinds.keys()
        and all(isinstance(value[name], kind) for name, kind in kinds.items())
    )


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "tries": _is_progress,
    "error": _is_error,
    "result": lambda value: isinstance(value, dict),
}
